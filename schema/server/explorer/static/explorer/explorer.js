// Starts GraphiQL, sends its requests, and keeps the bar above it true.

import { Memory } from "./memory.js";

const page = JSON.parse(document.getElementById("page").textContent);
const element = (id) => document.getElementById(id);
const memory = new Memory();
let viewer = null;

const UNREACHABLE = "The server cannot be reached. Is it still running?";

// ---------------------------------------------------------------- requests

async function post(params, headers = {}) {
  // Signing in changes the token, so the cookie is read anew for each request.
  const token = document.cookie.match(new RegExp(`(?:^|; )${page.csrfCookie}=([^;]*)`))?.[1] ?? "";
  const response = await fetch("/graphql", {
    method: "POST",
    credentials: "same-origin",
    headers: {
      "Content-Type": "application/json",
      Accept: "application/graphql-response+json, application/json",
      "X-CSRFToken": token,
      ...headers,
    },
    body: JSON.stringify(params),
  });
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    return notSent(`The server answered with HTTP ${response.status} and no JSON.`);
  }
}

const notSent = (message) => ({ errors: [{ message }] });

// What GraphiQL calls: fills the placeholders, sends, and learns from the answer.
async function fetcher({ query, operationName: chosen, variables }, options) {
  // Right after a change of tabs GraphiQL still says the name of the operation before.
  const operationName = new RegExp(`(query|mutation)\\s+${chosen}\\b`).test(query) ? chosen : undefined;
  try {
    const filled = memory.fill(variables);
    if (operationName !== "IntrospectionQuery") tell(operationName, filled.used);
    const answer = await post({ query, operationName, variables: filled.variables }, options?.headers);
    memory.learn(answer.data);
    if (/\bsign(In|Out|Up)\b/.test(query)) await look();
    return answer;
  } catch (error) {
    if (error instanceof TypeError) return notSent(UNREACHABLE);
    const advice = viewer ? "Run Welcome first, or type a value." : "Choose a person in the bar first.";
    return notSent(`Not sent. ${error.message} ${advice}`);
  }
}

function tell(operationName, used) {
  const parts = Object.entries(used).map(([name, value]) => `${name} = ${value}`);
  element("status").textContent = parts.length ? `${operationName ?? "The request"} was sent with ${parts.join(", ")}` : "";
}

// ---------------------------------------------------------------- who is signed in

const VIEWER = `query Viewer {
  viewer { id handle version shelf { id version } } person: viewer { id version }
  editions(first: 1) { edges { forSale: node { id } } }
}`;
const FRIEND = `query Friend($handle: String!) { friend: person(handle: $handle) {
  id handle relationship { id version }
  stories(first: 1) { edges { toRead: node { id title reading { id version } firstChapter: chapters { id } } } }
  whispers(first: 1) { edges { heard: node { id } } }
} }`;

// Learns who is signed in, what is for sale, and a friend: the first other demo person who does not block them.
async function look() {
  memory.forget();
  memory.learn({ demo: { handle: page.handles[0], password: page.password } });
  const mine = await post({ query: VIEWER });
  viewer = mine.data?.viewer ?? null;
  memory.learn(mine.data);
  for (const handle of page.handles.filter((other) => other !== viewer?.handle)) {
    const { data } = await post({ query: FRIEND, variables: { handle } });
    memory.learn({ friend: { handle, ...data?.friend } });
    if (data?.friend) break;
  }
  show();
}

function show() {
  const handle = viewer?.handle ?? "";
  const who = element("who");
  if (who && ![...who.options].some((option) => option.value === handle)) who.add(new Option(`@${handle}`, handle));
  if (who) who.value = handle;
  if (element("sign-out")) element("sign-out").hidden = !handle;
  const nobody = "Nobody is signed in: writes are refused until you sign in here.";
  element("status").textContent = handle ? `Signed in as @${handle}` : nobody;
}

async function sign(handle, password) {
  const query = handle
    ? "mutation ($handle: String!, $password: String!) { signIn(handle: $handle, password: $password) { ... on Failure { message } } }"
    : "mutation { endSession { ... on Failure { message } } }";
  try {
    const answer = await post({ query, variables: handle ? { handle, password } : {} });
    await look();
    const refusal = answer.data?.signIn?.message ?? answer.data?.endSession?.message ?? answer.errors?.[0].message;
    if (refusal) element("status").textContent = refusal;
  } catch {
    element("status").textContent = UNREACHABLE;
  }
}

// Another tab may have signed somebody else in: the cookie is the same for both.
window.addEventListener("focus", async () => {
  const answer = await post({ query: "{ viewer { id } }" }).catch(() => null);
  if (answer?.data && (answer.data.viewer?.id ?? null) !== (viewer?.id ?? null)) await look();
});

element("who")?.addEventListener("change", (event) => sign(event.target.value, page.password));
element("sign-out")?.addEventListener("click", () => sign(""));
element("sign-in")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const { handle, password } = event.target.elements;
  sign(handle.value, password.value);
});

// ---------------------------------------------------------------- GraphiQL itself

// GraphiQL keeps edited tabs from visit to visit; other prepared documents than last time replace what it has kept.
function prepareTabs() {
  if (localStorage.getItem("katha:edition") === page.edition) return;
  for (const key of ["tabState", "query", "headers"]) localStorage.removeItem(`graphiql:${key}`);
  localStorage.setItem("graphiql:variables", page.tabs[0]?.variables ?? ""); // it ignores those of the first default tab
  localStorage.setItem("katha:edition", page.edition);
}

element("restore").addEventListener("click", () => {
  localStorage.removeItem("katha:edition");
  location.reload();
});

function start() {
  prepareTabs();
  const editors = { defaultEditorToolsVisibility: "variables", isHeadersEditorEnabled: true };
  const graphiql = window.React.createElement(window.GraphiQL, { fetcher, defaultTabs: page.tabs, ...editors });
  window.ReactDOM.createRoot(element("graphiql")).render(graphiql);
}

// Says what is missing as soon as the browser has given up, and after 8 s of silence; goes on waiting all the same.
function wait(since = performance.now()) {
  if (window.React && window.ReactDOM && window.GraphiQL) return start();
  const over = document.readyState === "complete" || performance.now() - since > 8000;
  element("loading").hidden = over;
  element("missing").hidden = !over;
  setTimeout(wait, 100, since);
}

look().catch(() => (element("status").textContent = UNREACHABLE));
wait();

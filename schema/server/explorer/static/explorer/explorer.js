// Starts GraphiQL, sends its requests, and keeps the bar above it true.

import { showConflicts } from "./conflict.js";
import { results } from "./events.js";
import { Memory, toPlayFirst, Untold } from "./memory.js";
import { fragment, shared } from "./share.js";

const page = JSON.parse(document.getElementById("page").textContent);
const element = (id) => document.getElementById(id);
const memory = new Memory();
let viewer = null;

const UNREACHABLE = "The server cannot be reached. Is it still running?";

// ---------------------------------------------------------------- requests

async function post(params, headers = {}) {
  const response = await send(params, "application/graphql-response+json, application/json", headers);
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    return notSent(`The server answered with HTTP ${response.status} and no JSON.`);
  }
}

// The answers of a subscription as they come.
async function* watch(params, headers = {}) {
  const response = await send(params, "text/event-stream", headers);
  if (response.headers.get("Content-Type")?.startsWith("text/event-stream")) yield* results(response.body);
  else yield await response.json().catch(() => notSent(`The server answered with HTTP ${response.status} and no JSON.`));
}

function send(params, accept, headers) {
  // Signing in changes the token, so the cookie is read anew for each request.
  const token = document.cookie.match(new RegExp(`(?:^|; )${page.csrfCookie}=([^;]*)`))?.[1] ?? "";
  return fetch("/graphql", {
    method: "POST",
    credentials: "same-origin",
    headers: {
      "Content-Type": "application/json",
      Accept: accept,
      "X-CSRFToken": token,
      ...headers,
    },
    body: JSON.stringify(params),
  });
}

const notSent = (message) => ({ errors: [{ message }] });

// What GraphiQL calls: fills the placeholders, sends, and learns from the answer.
async function fetcher({ query, operationName: chosen, variables }, options) {
  // Right after a change of tabs GraphiQL still says the name of the operation before.
  const operationName = new RegExp(`(query|mutation|subscription)\\s+${chosen}\\b`).test(query) ? chosen : undefined;
  try {
    const filled = memory.fill(variables);
    if (operationName !== "IntrospectionQuery") tell(operationName, filled.used);
    const params = { query, operationName, variables: filled.variables };
    if (new RegExp(`\\bsubscription\\s+${operationName}\\b`).test(query) || /^(\s|#.*)*subscription\b/.test(query)) {
      return watch(params, options?.headers);
    }
    const answer = await post(params, options?.headers);
    memory.learn(answer.data);
    if (/\bsign(In|Out|Up)\b/.test(query)) await look();
    return answer;
  } catch (error) {
    if (error instanceof Untold) return notSent(`Not sent. ${error.message} ${advice(error)}`);
    return notSent(UNREACHABLE);
  }
}

function advice(untold) {
  if (!viewer) return page.handles.length ? "Choose a person in the bar first." : "Sign in first, in the bar.";
  const first = toPlayFirst(untold, page.tabs, memory);
  return first ? `Play ${first} first, or type a value.` : "Type a value.";
}

function tell(operationName, used) {
  const short = (value) => (String(value).length > 40 ? `${String(value).slice(0, 40)}…` : value);
  const parts = Object.entries(used).map(([name, value]) => `${name} = ${short(value)}`);
  element("status").textContent = parts.length ? `${operationName ?? "The request"} was sent with ${parts.join(", ")}` : "";
}

// ---------------------------------------------------------------- who is signed in

const VIEWER = `query Viewer {
  viewer { id handle version shelf { id version } } person: viewer { id version }
  editions(first: 1) { edges { forSale: node { id } } }
}`;
const CHAPTER = "{ viewer { stories(first: 1) { edges { node { chapters { id version title body } } } } } }";
const FRIEND = `query Friend($handle: String!) { friend: person(handle: $handle) {
  id handle relationship { id version }
  stories(first: 1) { edges { toRead: node { id title reading { id version } firstChapter: chapters { id } } } }
  whispers(first: 1) { edges { heard: node { id } } }
} }`;

// Learns who is signed in, what is for sale, a chapter of theirs, and a friend: the first other demo person who does not block
// them.
async function look() {
  memory.forget();
  memory.learn({ demo: { handle: page.handles[0], password: page.password } });
  const mine = await post({ query: VIEWER });
  viewer = mine.data?.viewer ?? null;
  memory.learn(mine.data);
  if (viewer) memory.learn((await post({ query: CHAPTER })).data);
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

const EDITORS = {
  "operation.graphql": "Document",
  "variables.json": "Variables",
  "request-headers.json": "Headers",
  "response.json": "Answer",
};

// What GraphiQL's editors are called, how they wrap, and what is said of them by ear.
function setUp(editor) {
  const name = EDITORS[fileOf(editor.getModel())];
  if (!name) return;
  const ariaLabel = `${name}. Tab leaves it. Ctrl+Enter plays the document.`;
  editor.updateOptions({ wordWrap: "on", fontSize: 13, glyphMargin: false, lineDecorationsWidth: 4, ariaLabel });
  const frame = editor.getContainerDomNode();
  if (!frame.hasAttribute("role")) frame.setAttribute("role", "group");
  frame.setAttribute("aria-label", `${name}: Enter goes in, Tab goes on`);
}

const fileOf = (model) => Object.keys(EDITORS).find((file) => model?.uri.path.endsWith(file));

// In an editor GraphiQL does this itself.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.target.closest(".monaco-editor")) return;
  event.preventDefault();
  document.querySelector(".graphiql-execute-button")?.click();
});

// Arrows go from tab to tab, as in every list of tabs.
document.addEventListener("keydown", ({ key, target }) => {
  const step = { ArrowRight: "nextElementSibling", ArrowLeft: "previousElementSibling" }[key];
  if (step && target.matches(".graphiql-tab-button")) target.parentElement[step]?.querySelector("button").focus();
});

// GraphiQL says all that happens to a tab; the conflicts below an answer are those of the answer that is shown.
let answered = null;
function onTabChange({ tabs, activeTabIndex }) {
  const { response } = tabs[activeTabIndex];
  if (response === answered) return;
  answered = response;
  showConflicts(element("conflicts"), parsed(response));
  if (!element("conflicts").hidden) element("status").append(". Conflict: base, mine and theirs stand below the answer.");
  if (response) document.querySelector(".graphiql-response").scrollIntoView({ block: "nearest" });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

// ---------------------------------------------------------------- links

element("share").addEventListener("click", async () => {
  const text = (name) => graphiql.editor.getModels().find((model) => fileOf(model) === name).getValue();
  const link = fragment(text("operation.graphql"), text("variables.json"));
  try {
    await navigator.clipboard.writeText(`${location.origin}${location.pathname}${link}`);
    element("status").textContent = "The link is copied: it opens this document and its variables, and sends nothing.";
  } catch {
    history.replaceState(null, "", link); // there is no clipboard on http://192.168…
    element("status").textContent = "The link is in the address bar: copy it there.";
  }
});

// A link that is put into the address bar of this page changes nothing but the fragment.
window.addEventListener("hashchange", () => shared(location.hash) && location.reload());

function opened() {
  const found = shared(location.hash);
  if (found) history.replaceState(null, "", location.pathname); // it is a tab from now on
  return found;
}

const DARK = window.matchMedia("(prefers-color-scheme: dark)"); // GraphiQL looks once, unless its settings say light or dark

let graphiql;
async function start() {
  if (!page.graphiql) return; // the page says so
  const workerOf = (label) => new Worker(page.workers[label] ?? page.workers.editor, { type: "module" });
  globalThis.MonacoEnvironment = { getWorker: (_id, label) => workerOf(label) };
  try {
    graphiql = await import(page.graphiql);
  } catch {
    element("loading").hidden = true;
    element("missing").hidden = false;
    return;
  }
  prepareTabs();
  const { GraphiQL, createElement, createRoot, editor } = graphiql;
  editor.onDidCreateEditor((one) => queueMicrotask(() => setUp(one)));
  DARK.addEventListener("change", () => {
    if (!localStorage.getItem("graphiql:theme")) editor.setTheme(DARK.matches ? "graphiql-DARK" : "graphiql-LIGHT");
  });
  const link = opened();
  const options = {
    fetcher,
    onTabChange,
    defaultTabs: link ? [link, ...page.tabs] : page.tabs,
    defaultEditorToolsVisibility: "variables",
    isHeadersEditorEnabled: true,
    ...(link && { initialQuery: link.query, initialVariables: link.variables }),
  };
  const below = createElement(GraphiQL.Footer, {}, createElement("div", { id: "conflicts", hidden: true }));
  createRoot(element("graphiql")).render(createElement(GraphiQL, options, below));
  await looking;
  if (link) element("status").textContent = "Opened from a link: nothing is sent until you play it. Read it first.";
}

const looking = look().catch(() => (element("status").textContent = UNREACHABLE));
start();

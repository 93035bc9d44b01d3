/** The page /together: two people at one story, or one of them (`?as=handle`) and the other on another machine. */
import { Katha } from "../typescript/src/index";
import { Pane } from "./pane";
import type { Person } from "./pane";

interface Facts {
  people: [handle: string, name: string][];
  password: string;
}

const SIGN_IN = `mutation SignIn($handle: String!, $password: String!) {
  signIn(handle: $handle, password: $password) { __typename ... on SignSuccess { token } ... on Failure { code message } }
}`;
const { people, password }: Facts = JSON.parse(document.getElementById("page")!.textContent!);
const url = "/graphql";

/** A token of this demo person; the same for as long as the tab is open. */
async function tokenOf(handle: string): Promise<string> {
  const name = `katha:token:${handle}`;
  const kept = sessionStorage.getItem(name);
  const { viewer } = kept ? await new Katha({ url, token: kept }).query<any, any>("query Me { viewer { id } }") : { viewer: null };
  if (viewer) return kept!;
  const { signIn } = await new Katha({ url }).query<any, any>(SIGN_IN, { handle, password });
  if (!signIn.token) throw new Error(signIn.message);
  sessionStorage.setItem(name, signIn.token);
  return signIn.token;
}

const tokens = new Map<string, Promise<string>>();
const personOf = ([handle, name]: [string, string]): Person => ({
  handle,
  name,
  token: () => {
    if (!tokens.has(handle)) tokens.set(handle, tokenOf(handle));
    return tokens.get(handle)!;
  },
});

const everybody = people.map(personOf);
const [first, second] = everybody;
const chosen = everybody.find(({ handle }) => handle === new URLSearchParams(location.search).get("as"));
const panes = (chosen ? [chosen] : [first, second]).flatMap((person) => (person ? [new Pane(person, url)] : []));
document.getElementById("panes")!.replaceChildren(...panes.map(({ element }) => element));

// One after the other, so that the story is made once.
const owner = async () => new Katha({ url, token: await first!.token() });
for (const pane of panes) await pane.start(owner);

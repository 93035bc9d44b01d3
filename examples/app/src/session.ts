/** Who is signed in: the token is all that this browser keeps of them. */
import { Katha, Live } from "@katha/client";

const TOKEN = "katha-example-token";

export const katha = new Katha({
  url: new URL("/graphql", location.href).href,
  token: () => localStorage.getItem(TOKEN),
  onTokenRejected: () => keep(null),
});

/** What is asked of a thing that lives. What is shown of it stands here, so that a new version never stands beside an old text. */
export const live = new Live(katha, {
  fields: `... on Story { title summary viewCount }
    ... on Chapter { position title body }
    ... on Edition { title priceCents stock }`,
});

/** Sign in with this token, or out; all that is shown is asked for again. */
export function keep(token: string | null): void {
  if (token) localStorage.setItem(TOKEN, token);
  else if (localStorage.getItem(TOKEN)) localStorage.removeItem(TOKEN);
  else return;
  location.reload();
}

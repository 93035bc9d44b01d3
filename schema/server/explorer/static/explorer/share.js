// A link that opens a document in this page. It stands in the fragment, which a browser never sends to the server.

const SECRETS = ["password", "current", "new", "token"];
const GAP = String.raw`(?:[\s,]|#.*)*`; // what GraphQL ignores
const TEXT = String.raw`(?:"""(?:\\"""|[^])*?"""|"(?:\\.|[^"\\\n])*")`;

// The fragment for a document and the text of its variables. Headers are never in it; a typed password or token is left out.
export function fragment(query, variables) {
  const argument = `\\b(?:${SECRETS.join("|")})${GAP}:${GAP}`;
  const passed = [...query.matchAll(new RegExp(`${argument}\\$(\\w+)`, "g"))].map(([, name]) => name);
  const secrets = [...SECRETS, ...passed];
  const byDefault = `\\$(?:${secrets.join("|")})${GAP}:[\\s\\w!]*=${GAP}`;
  const parts = new URLSearchParams({ query: query.replace(new RegExp(`(${argument}|${byDefault})${TEXT}`, "g"), '$1""') });
  if (variables.trim()) parts.set("variables", open(variables, secrets));
  return `#${parts}`;
}

// What a fragment says to open; null if it is none of ours.
export function shared(hash) {
  const parts = new URLSearchParams(hash.slice(1));
  return parts.get("query") ? { query: parts.get("query"), variables: parts.get("variables") ?? "" } : null;
}

// Placeholders stay: what they are filled with is not in the text.
function open(text, secrets) {
  const blank = (key, value) => (secrets.includes(key) && typeof value === "string" && !/^<\w+\.\w+>$/.test(value) ? "" : value);
  try {
    return JSON.stringify(JSON.parse(text, blank), null, 2);
  } catch {
    return ""; // whoever cannot read it cannot tell what is secret in it
  }
}

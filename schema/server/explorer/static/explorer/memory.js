// Remembers what answers have told, and fills it into the variables of the next request.
//
// In variables, "<name.field>" stands for the last value of `field` that an answer gave for an object called `name` (its alias
// or field name; of a list, the first). So the alias in a document decides what the page learns from its answer.
// "<fresh.key>" is a new UUID and "<fresh.time>" the time of day, new for each request.

const PLACEHOLDER = /<(\w+\.\w+)>/g;

export class Memory {
  #told = new Map();

  forget() {
    this.#told.clear();
  }

  // Takes in an answer, or a part of it that stands under `name`.
  learn(value, name = "") {
    if (Array.isArray(value)) {
      for (const item of [...value].reverse()) this.learn(item, name);
    } else if (value && typeof value === "object") {
      // What a conflict hands out as `current` is also the latest about its kind: `person`, `relationship`, `shelf` …
      const kind = name === "current" && value.__typename;
      if (kind) this.learn({ ...value, __typename: undefined }, kind[0].toLowerCase() + kind.slice(1));
      for (const [key, item] of Object.entries(value)) {
        this.learn(item, item && typeof item === "object" ? key : `${name}.${key}`);
      }
    } else if (value !== undefined && value !== null) {
      this.#told.set(name, value);
    }
  }

  // The variables with every placeholder replaced, and what each was replaced by; throws when nobody has told one of them yet.
  fill(variables) {
    const used = {};
    const look = (whole, name) => {
      used[name] ??= FRESH[name]?.() ?? this.#told.get(name);
      if (used[name] === undefined) throw new Untold(whole);
      return used[name];
    };
    const walk = (value) => {
      if (typeof value === "string") return value.replace(PLACEHOLDER, look);
      if (Array.isArray(value)) return value.map(walk);
      if (!value || typeof value !== "object") return value;
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, walk(item)]));
    };
    return { variables: walk(variables ?? {}), used };
  }
}

// A placeholder that no answer has told yet.
export class Untold extends Error {
  constructor(placeholder) {
    super(`No answer has told ${placeholder} yet.`);
    [this.name, this.field] = placeholder.slice(1, -1).split(".");
  }
}

// The operation of the first of these documents whose answer tells `name.field`, and that can be played as things are.
export function toPlayFirst({ name, field }, tabs, memory) {
  const kind = name[0].toUpperCase() + name.slice(1);
  const selected = `(?<!:\\s*)(?<!\\$)\\b${name}\\b(\\s*:\\s*\\w+)?(\\s*\\([^)]*\\))?\\s*\\{[^}]*\\b${field}\\b`;
  const tells = new RegExp(`${selected}|\\bcurrent\\s*\\{[^}]*\\.\\.\\. on ${kind}\\b`);
  const first = tabs.find(({ query, variables }) => tells.test(query.replace(/#.*/g, "")) && isTold(variables, memory));
  return first?.query.match(/^(?:query|mutation) (\w+)/m)[1];
}

function isTold(variables, memory) {
  try {
    return memory.fill(JSON.parse(variables || "{}")) !== null;
  } catch {
    return false;
  }
}

const FRESH = {
  "fresh.key": newKey,
  "fresh.time": () => new Date().toISOString().slice(11, 23),
};

// crypto.randomUUID exists on https and localhost alone; this page is also opened as http://192.168…
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

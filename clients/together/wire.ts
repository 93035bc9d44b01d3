/** The wire between a pane and the server: it can be cut, and it writes down what went over it. */

/** One request, and what became of it. */
export interface Exchange {
  number: number;
  /** The operation's name. */
  name: string;
  query: string;
  variables: any;
  /** `waiting`, `answered`, `stream`, or how it was lost. */
  state: "waiting" | "answered" | "stream" | "ended" | "request lost" | "reply lost" | "offline";
  answer?: any;
}

/** What is lost of the next write. */
export type Loss = "request" | "reply" | null;

const KEPT = 60;

export class Wire {
  /** The newest first. */
  exchanges: Exchange[] = [];
  loss: Loss = null;
  isOffline = false;
  #cut = new AbortController();
  #count = 0;

  /** `changed` is called after every change. */
  constructor(readonly changed: () => void) {}

  /** Lose the request or the reply of the next write. */
  lose(loss: Loss): void {
    this.loss = loss;
    this.changed();
  }

  /** Cut it, or mend it. */
  setOffline(isOffline: boolean): void {
    this.isOffline = isOffline;
    if (isOffline) this.#cut.abort();
    else {
      this.#cut = new AbortController();
      window.dispatchEvent(new Event("online")); // as a machine says that has a network again
    }
    this.changed();
  }

  /** In place of the browser's own. */
  fetch: typeof fetch = async (url, init) => {
    const { query, variables } = JSON.parse(String(init?.body));
    const [, kind, name] = query.match(/^\s*(query|mutation|subscription)\s+(\w+)/) ?? [];
    const exchange: Exchange = { number: ++this.#count, name: name ?? kind ?? "query", query, variables, state: "waiting" };
    this.exchanges = [exchange, ...this.exchanges].slice(0, KEPT);
    const loss = kind === "mutation" ? this.loss : null;
    if (loss) this.loss = null;
    try {
      this.changed();
      if (this.isOffline) throw this.#lost(exchange, "offline");
      if (loss === "request") throw this.#lost(exchange, "request lost");
      const signals = [this.#cut.signal, ...(init?.signal ? [init.signal] : [])];
      const response = await fetch(url, { ...init, signal: AbortSignal.any(signals) });
      if (response.headers.get("Content-Type")?.startsWith("text/event-stream")) {
        exchange.state = "stream";
        return response;
      }
      const text = await response.text();
      if (loss === "reply") throw this.#lost(exchange, "reply lost");
      exchange.answer = JSON.parse(text);
      exchange.state = "answered";
      return new Response(text, response);
    } catch (problem) {
      if (exchange.state === "waiting") exchange.state = this.isOffline ? "offline" : "ended";
      throw problem;
    } finally {
      this.changed();
    }
  };

  #lost(exchange: Exchange, state: Exchange["state"]): Error {
    exchange.state = state;
    return new TypeError("The wire was cut.");
  }
}

/** What is said of an exchange in one line. */
export function summary({ name, variables, state, answer }: Exchange): string {
  const key = variables?.key ? ` · key ${String(variables.key).slice(0, 8)}…` : "";
  const [data] = Object.values<any>(answer?.data ?? {});
  const said = answer?.errors?.[0]?.message ?? [data?.__typename, data?.applied, data?.code].filter(Boolean).join(" ");
  return `${name}${key} · ${state === "answered" ? said || "answered" : state}`;
}

/** The client: sends requests until they are served, and opens streams. */
import { isConflict } from "./answers.js";
import type { Retry } from "./answers.js";
import { errorOf, insist, newKey, pause, RequestError, retryAfterMs, spread, unserved, Unserved } from "./waiting.js";
import type { Insisting } from "./waiting.js";

/** A document as text, or what GraphQL Code Generator makes with `documentMode: "string"`, which knows its types. */
export interface Document<Data = any, Variables = any> {
  toString(): string;
  __apiType?: (variables: Variables) => Data;
}

/** How to reach a server. */
export interface Options {
  /** The endpoint, such as `https://katha.example/graphql`. */
  url: string;
  /** What signs in: a token, or a function that says the present one. */
  token?: string | null | (() => string | null | undefined);
  /** More headers of every request. */
  headers?: Record<string, string>;
  /** In place of the global one. */
  fetch?: typeof fetch;
  /** For how long a request is sent again; 60 000. */
  patienceMs?: number;
  /** For how long one answer is waited for; 30 000. */
  attemptMs?: number;
  /** Called when the server says that the token signs nobody in any more. */
  onTokenRejected?: () => void;
}

/** Of a write. */
export interface WriteOptions<Answer, Variables> extends Insisting {
  /** The key of what the person meant; a new one if left out. */
  key?: string;
  /**
   * What to send after a conflict: given `current`, `overlaps` and what was sent, the variables of the change done again on top of
   * it, with the version of `current`; or null to leave it. Without this function the conflict is the answer. The client never
   * sends the same again by itself.
   */
  rebase?: (
    conflict: Extract<Answer, { __typename?: "ConflictError" }>,
    sent: Variables,
  ) => Variables | null | undefined | Promise<Variables | null | undefined>;
}

/** The one field of a mutation. */
export type AnswerOf<Data> = Data extends { [name: string]: infer Answer } ? Answer : any;

/** What one request may be given. */
export interface Sending {
  signal?: AbortSignal | undefined;
}

type Bearer = string | null | undefined;

const MAX_REBASES = 10;
const SILENCE_MS = 40_000; // a stream says something each 15 seconds

/** A connection to one server, as one person. */
export class Katha {
  constructor(readonly options: Options) {}

  /** The present token, if there is one. */
  get bearer(): Bearer {
    const { token } = this.options;
    return typeof token === "function" ? token() : token;
  }

  /** The data of a query (or of a mutation that takes no key). Sent again until it is served. */
  query<Data = any, Variables = any>(document: Document<Data, Variables>, variables?: Variables, insisting?: Insisting): Promise<Data> {
    return insist(() => this.send(document, variables, insisting), this.#patient(insisting));
  }

  /**
   * The answer of a mutation, which is its one field and takes `$key`. BUSY, OUTCOME_UNKNOWN and a lost reply are sent again with
   * the same key and token, because it is of who meant it; a conflict goes through `rebase`. Throws `Unserved` if nobody served it in
   * time: the same key may be used later.
   */
  async write<Data = any, Variables = any>(
    document: Document<Data, Variables>,
    variables: Variables,
    { key = newKey(), rebase, ...insisting }: WriteOptions<AnswerOf<Data>, Variables> = {},
  ): Promise<AnswerOf<Data>> {
    if (!/\$key\b/.test(`${document}`)) throw new TypeError("The mutation has no $key, so it could not be sent again.");
    const { bearer } = this; // whoever signs in while it is sent again did not mean it
    for (let rebases = 0; ; rebases++) {
      const attempt = async () => {
        const keyed = { ...variables, key: (variables as { key?: string | null }).key ?? key };
        const data = await this.#send<any>(document, keyed, insisting.signal, bearer);
        const problem = unserved(data);
        if (problem) throw problem;
        return Object.values(data)[0] as AnswerOf<Data>;
      };
      const answer: any = await insist(attempt, this.#patient(insisting));
      if (!rebase || !isConflict(answer) || rebases === MAX_REBASES) return answer;
      const again = await rebase(answer as never, variables);
      if (!again) return answer;
      variables = again;
      await pause(spread((answer as { retry?: Retry }).retry?.afterMs ?? 0), insisting.signal);
    }
  }

  /** The data of one request that is sent once. Throws `Unserved`, if it may be sent again, or `RequestError`. */
  send<Data = any, Variables = any>(document: Document<Data, Variables>, variables?: Variables, { signal }: Sending = {}): Promise<Data> {
    return this.#send(document, variables, signal, this.bearer);
  }

  /**
   * The events of a subscription, by Server-Sent Events, until the server completes it. Throws `Unserved` if it was cut, also by
   * silence, or if there is no stream now; `RequestError` if it cannot be had.
   */
  async *stream<Data = any, Variables = any>(
    document: Document<Data, Variables>,
    variables?: Variables,
    { signal }: Sending = {},
  ): AsyncGenerator<Data, void> {
    const silent = new AbortController();
    const { bearer } = this;
    let timer: ReturnType<typeof setTimeout>;
    const heard = () => {
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(), SILENCE_MS);
    };
    heard();
    try {
      const response = await this.#post(document, variables, signal, silent.signal, bearer, "text/event-stream");
      if (!/^text\/event-stream/.test(response.headers.get("Content-Type") ?? "")) {
        await this.#data(response, bearer, signal);
        throw new RequestError("The server does not stream.");
      }
      const reader = response.body!.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>).getReader();
      for (let text = ""; ; ) {
        const { done, value } = await lost(reader.read(), signal);
        if (done) throw new Unserved("The stream was cut.");
        heard();
        const events = (text + value).split(/\r?\n\r?\n/);
        text = events.pop()!;
        for (const event of events) {
          if (/^event: ?complete/m.test(event)) return;
          const data = event.match(/^data:.*/gm)?.map((line) => line.slice(5)).join("\n");
          if (!data) continue; // a comment, which says that the server is there
          const answer = JSON.parse(data);
          if (answer.errors) throw errorOf(answer.errors, answer.data);
          yield answer.data;
        }
      }
    } finally {
      clearTimeout(timer!);
      silent.abort();
    }
  }

  #patient = (insisting?: Insisting): Insisting => ({ patienceMs: this.options.patienceMs, ...insisting });

  async #send<Data>(document: Document, variables: unknown, signal: AbortSignal | undefined, bearer: Bearer): Promise<Data> {
    const response = await this.#post(document, variables, signal, AbortSignal.timeout(this.options.attemptMs ?? 30_000), bearer);
    return this.#data(response, bearer, signal);
  }

  #post(document: Document, variables: unknown, signal: AbortSignal | undefined, end: AbortSignal, bearer: Bearer, accept?: string) {
    const { url, headers, fetch = globalThis.fetch } = this.options;
    return lost(
      fetch(url, {
        method: "POST",
        headers: {
          "Content-Type": "application/json",
          Accept: accept ?? "application/graphql-response+json, application/json",
          ...(bearer && { Authorization: `Bearer ${bearer}` }),
          ...headers,
        },
        body: JSON.stringify({ query: `${document}`, variables }),
        signal: signal ? AbortSignal.any([signal, end]) : end,
      }),
      signal,
    );
  }

  async #data<Data>(response: Response, bearer: Bearer, signal?: AbortSignal): Promise<Data> {
    let answer;
    try {
      answer = await lost<any>(response.json(), signal);
      if (!answer.data && !answer.errors) throw new Unserved(`HTTP ${response.status}`);
    } catch (problem) {
      signal?.throwIfAborted();
      throw new Unserved((problem as Error).message, retryAfterMs(response)); // a reply that was cut, or a page of a proxy
    }
    // What is said of a token that was given up meanwhile is no news.
    if (answer.extensions?.authentication?.code === "TOKEN_REJECTED" && bearer === this.bearer) this.options.onTokenRejected?.();
    if (answer.errors) throw errorOf(answer.errors, answer.data);
    return answer.data;
  }
}

/** What comes of it. That nobody answered is an `Unserved`; that the caller has ended it is the caller's own error. */
async function lost<T>(answer: Promise<T>, signal?: AbortSignal): Promise<T> {
  try {
    return await answer;
  } catch (problem) {
    signal?.throwIfAborted();
    throw new Unserved((problem as Error).message);
  }
}

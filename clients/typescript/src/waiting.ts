/** When to send again, and for how long. Shared by the client, the Apollo link and the urql exchange. */
import type { Retry } from "./answers.js";

/** For how long a request is sent again before the person is told: a minute of waking time. */
export const PATIENCE_MS = 60_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
const SLEEP_MS = 10_000;

/** A new key: one for each thing that the person meant to do, made when they do it. */
export const newKey = (): string => {
  if ("randomUUID" in crypto) return crypto.randomUUID();
  // A page that came by plain HTTP from another machine has no randomUUID.
  return "10000000-1000-4000-8000-100000000000".replace(/[018]/g, (digit) =>
    (+digit ^ (crypto.getRandomValues(new Uint8Array(1))[0]! & (15 >> (+digit / 4)))).toString(16),
  );
};

/** Nobody served the request, and nothing is wrong with it: the very same may be sent again. */
export class Unserved extends Error {
  /** `afterMs`: how long the server asked to wait, if it was the server. `code`: BUSY, OUTCOME_UNKNOWN, RATE_LIMITED. */
  constructor(
    message: string,
    readonly afterMs?: number,
    readonly code?: string,
  ) {
    super(message);
    this.name = "Unserved";
  }
}

/** An error of GraphQL: the request itself is wrong, or may not be asked. Sending it again cannot help. */
export class RequestError extends Error {
  /** `code`: that of the first error. `data`: what was answered all the same. */
  constructor(
    message: string,
    readonly code?: string,
    readonly data?: unknown,
  ) {
    super(message);
    this.name = "RequestError";
  }
}

/** Longer than what was asked for, by up to a quarter: many who were told the same do not come back together. */
export const spread = (ms: number): number => ms * (1 + Math.random() / 4);

/** Wait. Ends early, by an error, when `signal` does; and, where nobody said how long, when the machine is online again. */
export const pause = (ms: number, signal?: AbortSignal, untilOnline = false): Promise<void> =>
  new Promise((done, failed) => {
    signal?.throwIfAborted();
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      globalThis.removeEventListener?.("online", end);
      if (signal?.aborted) failed(signal.reason);
      else done();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener("abort", end);
    if (untilOnline) globalThis.addEventListener?.("online", end);
  });

/** The refusal among the answers of a mutation that asks for the same request again, as an error; undefined if there is none. */
export const unserved = (data: unknown): Unserved | undefined => {
  for (const answer of Object.values((data ?? {}) as Record<string, { retry?: Retry; message?: string; code?: string } | null>))
    if (answer?.retry?.kind === "SAME_REQUEST")
      return new Unserved(answer.message ?? "", answer.retry.afterMs, answer.code);
  return undefined;
};

/** GraphQL's errors as one: an `Unserved` if the same request may be sent again. */
export const errorOf = (
  errors: readonly { message: string; extensions?: any }[],
  data?: unknown,
): Unserved | RequestError => {
  const { message, extensions: { code, retry, afterMs = retry?.kind === "SAME_REQUEST" ? retry.afterMs : undefined } = {} } =
    errors[0]!;
  return afterMs === undefined ? new RequestError(message, code, data) : new Unserved(message, afterMs, code);
};

/** How long a proxy's page asks to wait: its Retry-After is in seconds. */
export const retryAfterMs = (response?: Response): number | undefined =>
  Number(response?.headers.get("Retry-After")) * 1000 || undefined;

/** Settings of `insist`. */
export interface Insisting {
  /** Ends it. */
  signal?: AbortSignal | undefined;
  /** For how many milliseconds to go on; a minute. Time in which the machine slept does not count. */
  patienceMs?: number | undefined;
  /** Called before each wait. */
  onWait?: ((problem: Unserved) => void) | undefined;
}

/**
 * Do it until it is served. It waits as long as the server says, and longer each time by itself where nobody says anything.
 * It gives up by the clock, with the last `Unserved`.
 */
export async function insist<T>(attempt: () => Promise<T>, { signal, patienceMs = PATIENCE_MS, onWait }: Insisting = {}) {
  let spent = 0;
  const timed = async <R>(act: () => Promise<R>, most: number): Promise<R> => {
    const start = performance.now(); // which no change of the clock moves
    try {
      return await act();
    } finally {
      const took = performance.now() - start;
      if (took < most + SLEEP_MS) spent += took; // else the machine slept meanwhile
    }
  };
  for (let ownPause = FIRST_PAUSE_MS; ; ownPause = Math.min(LONGEST_PAUSE_MS, 2 * ownPause)) {
    try {
      return await timed(attempt, patienceMs);
    } catch (problem) {
      if (!(problem instanceof Unserved)) throw problem;
      const ms = spread(problem.afterMs ?? ownPause);
      if (spent + ms > patienceMs) throw problem;
      onWait?.(problem);
      await timed(() => pause(ms, signal, problem.afterMs === undefined), ms);
    }
  }
}

/** A subscription that is opened again when it was cut, for clients that have a cache of their own. */
import type { Katha } from "./client.js";
import { insist } from "./waiting.js";

/** Who hears it. */
export interface Sink {
  next: (result: { data: any }) => void;
  error: (error: any) => void;
  complete: () => void;
}

/** Tell `sink` every event until the server completes the subscription. Returns what ends it. */
export function streamed(katha: Katha, document: string, variables: any, sink: Sink): () => void {
  const end = new AbortController();
  const once = async () => {
    for await (const data of katha.stream<any, any>(document, variables, end)) sink.next({ data });
  };
  insist(once, { signal: end.signal, patienceMs: Infinity }).then(
    () => sink.complete(),
    (error) => end.signal.aborted || sink.error(error),
  );
  return () => end.abort();
}

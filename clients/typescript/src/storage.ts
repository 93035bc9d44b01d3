/** Where unsaved text is kept, so that it survives a reload. */

/** A place for texts by name; every method may be asynchronous. */
export interface Storage {
  get(name: string): string | null | undefined | Promise<string | null | undefined>;
  set(name: string, text: string): unknown;
  delete(name: string): unknown;
  /** All names that begin so. */
  names(prefix: string): string[] | Promise<string[]>;
}

/** The browser's localStorage; undefined where there is none. */
export const browserStorage = (): Storage | undefined => {
  try {
    const store = globalThis.localStorage;
    return (
      store && {
        get: (name) => store.getItem(name),
        set: (name, text) => store.setItem(name, text),
        delete: (name) => store.removeItem(name),
        names: (prefix) => Object.keys(store).filter((name) => name.startsWith(prefix)),
      }
    );
  } catch {
    return undefined; // a browser that forbids it
  }
};

/** Kept as long as the program runs: for tests, and where nothing else is allowed. */
export const memoryStorage = (kept = new Map<string, string>()): Storage => ({
  get: (name) => kept.get(name),
  set: (name, text) => kept.set(name, text),
  delete: (name) => kept.delete(name),
  names: (prefix) => [...kept.keys()].filter((name) => name.startsWith(prefix)),
});

/** Whether this name is ours until the signal, and nobody else's in this browser. Where there are no locks everything is. */
export const claim = (name: string, signal: AbortSignal): Promise<boolean> =>
  new Promise((claimed, failed) => {
    const hold = (lock: unknown) => {
      claimed(!!lock);
      return lock && !signal.aborted ? new Promise((end) => signal.addEventListener("abort", end)) : undefined;
    };
    const { locks } = globalThis.navigator ?? {};
    if (locks) locks.request(name, { ifAvailable: true }, hold).catch(failed);
    else claimed(true);
  });

/** Tells tokens apart, and tells nothing of them. */
export const mark = (bearer: string | null | undefined): string => {
  let sum = 0;
  for (const letter of bearer ?? "") sum = (Math.imul(sum, 31) + letter.charCodeAt(0)) >>> 0;
  return bearer ? sum.toString(36) : "";
};

/** @katha/client/urql: an exchange for urql. */
import type { Exchange, Operation, OperationResult } from "@urql/core";
import { makeOperation } from "@urql/core";
import type { OperationDefinitionNode } from "graphql";
import { filter, makeSubject, merge, onPush, pipe, share } from "wonka";
import type { Katha } from "./client.js";
import { streamed } from "./streamed.js";
import type { Sink } from "./streamed.js";
import { errorOf, insist, newKey, retryAfterMs, unserved, Unserved } from "./waiting.js";
import type { Insisting } from "./waiting.js";

/**
 * Put it before fetchExchange. A mutation that declares `$key` gets a key, unless the app gave one, and is sent again with it until
 * it is served. A conflict is data and goes to the app. Gives up with the last result.
 */
export const kathaExchange =
  (options: Insisting = {}): Exchange =>
  ({ forward }) =>
  (operations) => {
    const again = makeSubject<Operation>();
    const done = makeSubject<OperationResult>();
    // By the write's own key: of two that ask for the same, urql's is the same.
    const awaited = new Map<string, (result: OperationResult) => void>();

    const send = (operation: Operation) => {
      const key: string = (operation.variables as { key?: string | null }).key ?? newKey();
      const keyed = makeOperation(operation.kind, { ...operation, variables: { ...operation.variables, key } });
      let last: OperationResult;
      const attempt = () =>
        new Promise<void>((served, failed) => {
          awaited.set(key, (result) => {
            awaited.delete(key);
            last = result;
            const problem = problemOf(result);
            if (problem) failed(problem);
            else served();
          });
          again.next(keyed);
        });
      const tell = () => done.next({ ...last, operation });
      insist(attempt, options).then(tell, tell);
    };

    const asked = share(operations);
    const others = pipe(asked, onPush((operation) => takesKey(operation) && send(operation)), filter((one) => !takesKey(one)));
    const results = pipe(
      forward(merge([others, again.source])),
      filter((result) => {
        const hear = awaited.get((result.operation.variables as { key?: string } | undefined)?.key ?? "");
        hear?.(result);
        return !hear;
      }),
    );
    return merge([results, done.source]);
  };

/** `forwardSubscription` of urql's subscriptionExchange, over Katha's Server-Sent Events. */
export const forwardSubscription = (katha: Katha) => ({ query, variables }: { query?: string | undefined; variables?: unknown }) => ({
  subscribe: (sink: Sink) => ({ unsubscribe: streamed(katha, query ?? "", variables, sink) }),
});

const takesKey = ({ kind, query }: Operation): boolean =>
  kind === "mutation" &&
  query.definitions.some((one) =>
    (one as OperationDefinitionNode).variableDefinitions?.some(({ variable }) => variable.name.value === "key"),
  );

function problemOf({ error, data }: OperationResult): Unserved | undefined {
  if (error?.networkError) return new Unserved(error.message, retryAfterMs(error.response));
  const problem = error?.graphQLErrors.length ? errorOf(error.graphQLErrors as never) : unserved(data);
  return problem instanceof Unserved ? problem : undefined;
}


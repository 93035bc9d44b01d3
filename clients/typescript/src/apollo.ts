/** @katha/client/apollo: links for Apollo Client 4. */
import { ApolloLink, Observable } from "@apollo/client";
import { print } from "graphql";
import type { OperationDefinitionNode } from "graphql";
import type { Katha } from "./client.js";
import { errorOf, insist, newKey, retryAfterMs, unserved, Unserved } from "./waiting.js";
import type { Insisting } from "./waiting.js";
import { streamed } from "./streamed.js";

const UNSERVED_STATUSES = [429, 502, 503, 504];

const operationOf = ({ query }: ApolloLink.Operation) =>
  query.definitions.find((one): one is OperationDefinitionNode => one.kind === "OperationDefinition")!;

/**
 * Put it before HttpLink. A mutation that declares `$key` gets a key, unless the app gave one, and is sent again with it until it is
 * served; so are queries, without. A conflict is data and goes to the app, and its `current` into the cache. Gives up with `Unserved`.
 */
export const kathaLink = (options: Insisting = {}): ApolloLink =>
  new ApolloLink((operation, forward) => {
    const { operation: kind, variableDefinitions = [] } = operationOf(operation);
    if (kind === "subscription") return forward(operation);
    const declares = variableDefinitions.some(({ variable }) => variable.name.value === "key");
    if (declares) operation.variables = { ...operation.variables, key: operation.variables["key"] ?? newKey() };
    const mayRepeat = kind === "query" || declares;
    return new Observable((observer) => {
      const end = new AbortController();
      const attempt = () =>
        new Promise<ApolloLink.Result>((done, failed) => {
          const sent = forward(operation).subscribe({
            next: (result) => {
              const problem = result.errors?.length ? errorOf(result.errors) : unserved(result.data);
              if (problem instanceof Unserved && mayRepeat) failed(problem);
              else done(result);
            },
            error: (error) => failed(mayRepeat ? lost(error) : error),
          });
          end.signal.addEventListener("abort", () => sent.unsubscribe());
        });
      insist(attempt, { ...options, signal: end.signal }).then(
        (result) => {
          observer.next(result);
          observer.complete();
        },
        (error) => end.signal.aborted || observer.error(error),
      );
      return () => end.abort();
    });
  });

/** Subscriptions of Apollo Client over Katha's Server-Sent Events: `split` sends it those, in place of HttpLink. */
export const streamLink = (katha: Katha): ApolloLink =>
  new ApolloLink(
    (operation) =>
      new Observable((observer) => streamed(katha, print(operation.query), operation.variables, observer)),
  );

/** An error of the network as what may be sent again; any other as it is. */
function lost(error: any): unknown {
  const status = error.statusCode;
  // A reply with a good status that cannot be read was cut.
  if (error.name === "AbortError" || (status >= 300 && !UNSERVED_STATUSES.includes(status))) return error;
  return new Unserved(error.message, retryAfterMs(error.response));
}

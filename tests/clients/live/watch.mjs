// Subscribes with a client as its users do, and says each thing that happens as a line of JSON:
// watch.mjs TRANSPORT URL TOKEN QUERY VARIABLES
import { createClient as sse } from "graphql-sse";
import { createClient as ws } from "graphql-ws";
import WebSocket from "ws";

const [transport, url, token, query, variables] = process.argv.slice(2);
const say = (event) => console.log(JSON.stringify(event));
const retryAttempts = 30;
const retryWait = () => new Promise((resolve) => setTimeout(resolve, 300));

const makers = {
  sse: () =>
    sse({
      url,
      headers: { Authorization: `Bearer ${token}` },
      retryAttempts,
      retry: retryWait,
      fetchFn: (...request) => {
        say({ asked: true });
        return fetch(...request);
      },
    }),
  websocket: () =>
    ws({
      url: url.replace("http", "ws"),
      webSocketImpl: WebSocket,
      connectionParams: { Authorization: `Bearer ${token}` },
      retryAttempts,
      retryWait,
      shouldRetry: () => true,
      on: { connecting: () => say({ asked: true }), closed: ({ code }) => say({ closed: code }) },
    }),
};

const error = (reason) => say({ error: Array.isArray(reason) ? reason : { code: reason?.code, message: String(reason?.message) } });
makers[transport]().subscribe(
  { query, variables: JSON.parse(variables) },
  { next: (result) => say({ next: result }), error, complete: () => say({ complete: true }) },
);

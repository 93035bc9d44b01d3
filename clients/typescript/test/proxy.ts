/** A TCP proxy that cuts connections at the worst moments. */
import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";

/**
 * What happens to requests: `pass` them on; `refuse` connections; lose the `request` before the server hears of it, or the `reply`
 * after it has answered; swallow everything in `silence`; or put another answer in the place of the server's.
 */
export type Fault = "pass" | "refuse" | "request" | "reply" | "silence" | { answer: object };

export class Proxy {
  /** What happens to the next requests; after `times` of them everything passes. */
  fault: Fault = "pass";
  times = Infinity;
  /** How many requests came to grief. */
  faults = 0;
  #open = new Set<Socket>();

  private constructor(
    readonly server: Server,
    readonly url: string,
  ) {}

  static async to(target: string): Promise<Proxy> {
    const { hostname, port } = new URL(target);
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const proxy = new Proxy(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`);
    server.on("connection", (client) => proxy.#carry(client, connect(Number(port), hostname)));
    return proxy;
  }

  break(fault: Fault, times = Infinity): void {
    [this.fault, this.times] = [fault, times];
  }

  /** End all connections that are open: streams too. */
  cut(): void {
    for (const socket of this.#open) socket.destroy();
  }

  close(): void {
    this.cut();
    this.server.close();
  }

  #next(): Fault {
    if (this.fault === "pass") return "pass";
    if (this.times <= 0) return "pass";
    this.times--;
    this.faults++;
    return this.fault;
  }

  #carry(client: Socket, server: Socket): void {
    const end = () => {
      client.destroy();
      server.destroy();
    };
    let now: Fault = "pass";
    for (const socket of [client, server]) {
      this.#open.add(socket);
      socket.on("error", end);
      socket.on("close", () => (this.#open.delete(socket), end()));
    }
    client.on("data", (data) => {
      if (/^(POST|GET) /.test(data.toString("latin1", 0, 5))) now = this.#next();
      if (now === "refuse" || now === "request") end();
      else if (now !== "silence") server.write(data);
    });
    server.on("data", (data) => {
      if (now === "reply") end();
      else if (typeof now === "object") {
        const body = JSON.stringify(now.answer);
        client.end(`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`);
      } else if (now !== "silence") client.write(data);
    });
  }
}

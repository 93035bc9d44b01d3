/** A real server: the one at KATHA_URL, or one of this checkout with a database of its own, in a folder that goes with it. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Katha } from "../src/client";
import type { Options } from "../src/client";
import { Proxy } from "./proxy";

const ROOT = resolve(import.meta.dirname, "../../..");
const PASSWORD = "katha-demo-people-only";
const PATIENCE_MS = 180_000;

export interface World {
  /** Where the server listens. */
  url: string;
  /** Between it and the clients. */
  proxy: Proxy;
  /** A client of a demo person, through the proxy. */
  as(handle: string, options?: Partial<Options>): Promise<Katha>;
}

/** The server of a file of tests, with a proxy before it. */
export function world(): World {
  const found = {} as World;
  let process_: ChildProcess | undefined;
  let folder: string | undefined;
  const tokens = new Map<string, Promise<string>>();
  before(async () => {
    found.url = process.env["KATHA_URL"] ?? "";
    if (!found.url) {
      const port = await freePort();
      folder = mkdtempSync(join(tmpdir(), "katha-"));
      const python = join(ROOT, ".venv/bin/python");
      if (!existsSync(python)) throw new Error("The tests start a real server: run `make run` once, or set KATHA_URL.");
      const command = ["manage.py", "serve", "--migrate", "--demo", "--workers", "1", "--port", `${port}`];
      process_ = spawn(python, command, { cwd: ROOT, env: { ...process.env, KATHA_DATA: folder }, stdio: "ignore" });
      found.url = `http://127.0.0.1:${port}`;
      await until(async () => (await fetch(`${found.url}/readyz`)).ok, "the server is ready", PATIENCE_MS);
    }
    found.proxy = await Proxy.to(found.url);
  });
  after(async () => {
    found.proxy?.close();
    if (process_) {
      const ended = new Promise((done) => process_!.on("exit", done));
      process_.kill("SIGTERM");
      await ended;
      rmSync(folder!, { recursive: true, force: true });
    }
  });
  const signIn = async (handle: string) => {
    const document = "mutation ($handle: String!, $password: String!) { signIn(handle: $handle, password: $password) { ... on SignSuccess { token } ... on Failure { message } } }";
    const data = await new Katha({ url: `${found.url}/graphql` }).query<any, any>(document, { handle, password: PASSWORD });
    if (!data.signIn.token) throw new Error(data.signIn.message);
    return data.signIn.token as string;
  };
  found.as = async (handle, options) => {
    if (!tokens.has(handle)) tokens.set(handle, signIn(handle));
    return new Katha({ url: found.proxy.url, token: await tokens.get(handle)!, ...options });
  };
  return found;
}

/** Ask until it is so. */
export async function until(isSo: () => unknown, what: string, patienceMs = 60_000): Promise<void> {
  for (const end = Date.now() + patienceMs; Date.now() < end; await sleep(20)) {
    try {
      if (await isSo()) return;
    } catch {
      // not yet
    }
  }
  throw new Error(`It did not happen that ${what}.`);
}

const freePort = () =>
  new Promise<number>((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => done(port));
    });
  });

export interface Chapter {
  __typename: "Chapter";
  id: string;
  version: string;
  title: string;
  body: string;
}

/** A story of this person with one chapter; that chapter, and the story's id. */
export async function newChapter(katha: Katha, body: string, title = "One"): Promise<Chapter & { story: { id: string } }> {
  const { viewer } = await katha.query<any, any>("{ viewer { shelf { version } } }");
  const document = `mutation ($input: CreateStoryInput!, $expect: Expect!, $key: UUID) {
    createStory(input: $input, expect: $expect, key: $key) {
      __typename
      ... on StorySuccess { story { chapters { __typename id version title body story { id } } } }
      ... on ConflictError { current { version } }
      ... on Failure { code message retry { kind afterMs } }
    }
  }`;
  const input = { title: "A story", chapters: [{ title, body }] };
  const answer = await katha.write<any, any>(document, { input, expect: { version: viewer.shelf.version } }, {
    rebase: (conflict: any, sent) => ({ ...sent, expect: { version: conflict.current.version } }),
  });
  return answer.story.chapters[0];
}

export const SAVE = `mutation Save($id: ID!, $patch: ChapterPatch!, $expect: Expect!, $onConflict: OnConflict! = FAIL, $key: UUID) {
  updateChapter(id: $id, patch: $patch, expect: $expect, onConflict: $onConflict, key: $key) {
    __typename
    ... on ChapterSuccess { applied chapter { id version title body } }
    ... on ConflictError { expected current { __typename id version ... on Chapter { title body } } overlaps { path base mine theirs } }
    ... on Failure { code message retry { kind afterMs } }
  }
}`;

/** The chapter as it is. */
export const read = async (katha: Katha, id: string): Promise<Chapter> =>
  (await katha.query<any, any>("query ($id: ID!) { node(id: $id) { __typename id ... on Chapter { version title body } } }", { id })).node;

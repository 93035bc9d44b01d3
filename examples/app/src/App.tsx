/** The frame: who is signed in, where one is, and how changes come. The address after # says what is shown. */
import { useMode, useQuery } from "@katha/client/react";
import { useEffect, useState } from "react";
import { VIEWER } from "./documents";
import type { Viewer } from "./documents";
import { Editor } from "./Editor";
import { Feed } from "./Feed";
import { Own } from "./Own";
import { Reader } from "./Reader";
import { keep } from "./session";
import { SignIn } from "./SignIn";

function useAddress(): string[] {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const look = () => setHash(location.hash);
    addEventListener("hashchange", look);
    return () => removeEventListener("hashchange", look);
  }, []);
  return hash.split("/").slice(1);
}

function Page({ viewer }: { viewer: NonNullable<Viewer["viewer"]> }) {
  const [page, id] = useAddress();
  if (page === "read" && id) return <Reader key={id} id={id} viewer={viewer.id} />;
  if (page === "write" && id) return <Editor key={id} id={id} viewer={viewer.id} />;
  if (page === "write") return <Own />;
  return <Feed viewer={viewer.id} />;
}

const MODES = { idle: "", stream: "live", polling: "asking now and then" };

export function App() {
  const { data, error, isLoading } = useQuery<Viewer>(VIEWER);
  const mode = useMode();
  const viewer = data?.viewer;
  return (
    <>
      <header>
        <nav aria-label="Pages">
          <a href="#/">Stories</a>
          {viewer && <a href="#/write">Write</a>}
        </nav>
        <span role="status">{MODES[mode]}</span>
        {viewer && (
          <span>
            {viewer.name} <button onClick={() => keep(null)}>Sign out</button>
          </span>
        )}
      </header>
      <main>
        {error && <p role="alert">The server does not answer: {error.message}</p>}
        {viewer ? <Page viewer={viewer} /> : !isLoading && !error && <SignIn />}
      </main>
    </>
  );
}

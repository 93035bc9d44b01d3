/** Edits a chapter. What others write comes in while one types; a save needs no button. */
import { useEditing, usePresence, useQuery } from "@katha/client/react";
import { useEffect, useState } from "react";
import { ConflictDialog } from "./ConflictDialog";
import { CHAPTER_OF } from "./documents";
import type { ChapterOf } from "./documents";

const SAYS = {
  saved: "Saved",
  edited: "…",
  saving: "Saving…",
  offline: "Not connected. What you write is kept here, and saved later.",
  conflict: "Somebody else has changed the same. What you write is kept here.",
  refused: "This cannot be saved:",
  gone: "This chapter was deleted. Your text is still here.",
};

function Form({ chapter, viewer }: { chapter: NonNullable<ChapterOf["node"]>; viewer: string }) {
  const [state, editing] = useEditing(chapter, { scope: viewer });
  const here = usePresence(chapter.story.id, chapter.id).filter(({ person }) => person.id !== viewer);
  const [isAsking, setAsking] = useState(true);
  const seen = state?.conflict?.current.version;
  useEffect(() => setAsking(true), [seen]);
  const unsaved = state !== null && state.status !== "saved" && !state.isKept;
  useEffect(() => {
    if (!unsaved) return;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", warn);
    return () => removeEventListener("beforeunload", warn);
  }, [unsaved]);
  if (!state) return null;
  const { values, status, conflict, refusal } = state;
  return (
    <>
      <h1>{chapter.story.title}</h1>
      <label>
        Title <input value={values.title} onChange={(event) => editing.set({ title: event.target.value })} />
      </label>
      <label>
        Text <textarea rows={16} value={values.body} onChange={(event) => editing.set({ body: event.target.value })} />
      </label>
      <p role="status" data-status={status}>
        {SAYS[status]} {refusal?.message}
      </p>
      {here.length > 0 && <p>Here now: {here.map(({ person }) => person.name).join(", ")}</p>}
      {conflict && !isAsking && <button onClick={() => setAsking(true)}>Decide</button>}
      {conflict && isAsking && (
        <ConflictDialog
          key={seen}
          conflict={conflict}
          onResolve={(chosen) => editing.resolve(chosen)}
          onDiscard={() => editing.discard()}
          onLater={() => setAsking(false)}
        />
      )}
    </>
  );
}

export function Editor({ id, viewer }: { id: string; viewer: string }) {
  const { data, error, isLoading } = useQuery<ChapterOf>(CHAPTER_OF, { id });
  if (error) return <p role="alert">{error.message}</p>;
  if (isLoading) return <p>…</p>;
  return data?.node ? <Form chapter={data.node} viewer={viewer} /> : <p>There is no such chapter.</p>;
}

/** A story to read: its chapters as they are now, who reads it too, and what is sold of it. */
import { useKatha, useLive, usePresence, useQuery } from "@katha/client/react";
import { useEffect } from "react";
import { READ, STORY } from "./documents";
import type { Chapter, Read, Story } from "./documents";
import { Follow } from "./Follow";
import { Order } from "./Order";

function Text({ chapter }: { chapter: Chapter }) {
  const now = useLive(chapter);
  if (!now) return null;
  return (
    <section>
      <h2>{now.title}</h2>
      {now.body.split(/\n\s*\n/).map((paragraph, index) => (
        <p key={index}>{paragraph}</p>
      ))}
    </section>
  );
}

/** Says where the reader is. Whoever reads on two devices is where they are further. */
function useReading(story: Story["story"]) {
  const katha = useKatha();
  const last = story?.chapters.at(-1);
  useEffect(() => {
    if (!story || !last) return;
    const end = new AbortController();
    const variables = { story: story.id, place: { chapter: last.id, offset: 0 }, seen: story.version };
    // Only a count and a place: not worth a word to the reader if it fails.
    katha.write<Read, typeof variables>(READ, variables, { signal: end.signal }).catch(() => {});
    return () => end.abort();
  }, [katha, story?.id]);
}

function Shown({ story, viewer }: { story: NonNullable<Story["story"]>; viewer: string }) {
  const now = useLive(story);
  const here = usePresence(story.id).filter(({ person }) => person.id !== viewer);
  useReading(story);
  if (!now) return <p>This story is gone.</p>;
  return (
    <>
      <h1>{now.title}</h1>
      <p>
        {story.author.name} <Follow author={story.author} viewer={viewer} />
      </p>
      {here.length > 0 && <p role="status">Here now: {here.map(({ person }) => person.name).join(", ")}</p>}
      <p>{now.summary}</p>
      {story.chapters.map((chapter) => (
        <Text key={chapter.id} chapter={chapter} />
      ))}
      {story.editions.edges.map(({ node }) => (
        <Order key={node.id} edition={node} />
      ))}
    </>
  );
}

export function Reader({ id, viewer }: { id: string; viewer: string }) {
  const { data, error, isLoading } = useQuery<Story>(STORY, { id });
  if (error) return <p role="alert">{error.message}</p>;
  if (isLoading) return <p>…</p>;
  return data?.story ? <Shown story={data.story} viewer={viewer} /> : <p>This story is gone.</p>;
}

/** The newest stories, a page after another, each kept as it is on the server. */
import { useLive, useQuery } from "@katha/client/react";
import { useEffect, useState } from "react";
import { STORIES } from "./documents";
import type { Card, Stories } from "./documents";
import { Follow } from "./Follow";

function StoryCard({ story, viewer }: { story: Card; viewer: string }) {
  const now = useLive(story);
  if (!now) return null;
  return (
    <article>
      <h2>
        <a href={`#/read/${story.id}`}>{now.title}</a>
      </h2>
      <p>{now.summary}</p>
      <p>
        {story.author.name}, read {now.viewCount} times. <Follow author={story.author} viewer={viewer} />
      </p>
    </article>
  );
}

export function Feed({ viewer }: { viewer: string }) {
  const [after, setAfter] = useState<string | null>(null);
  const [shown, setShown] = useState<Card[]>([]);
  const { data, error, isLoading } = useQuery<Stories>(STORIES, { after });
  useEffect(() => {
    if (!data) return;
    const found = data.stories.edges.map((edge) => edge.node);
    setShown((before) => [...before.filter((one) => !found.some(({ id }) => id === one.id)), ...found]);
  }, [data]);
  return (
    <>
      <h1>Stories</h1>
      {shown.map((story) => (
        <StoryCard key={story.id} story={story} viewer={viewer} />
      ))}
      {error && <p role="alert">{error.message}</p>}
      {isLoading && <p>…</p>}
      {data?.stories.pageInfo.hasNextPage && (
        <button disabled={isLoading} onClick={() => setAfter(data.stories.pageInfo.endCursor)}>
          More
        </button>
      )}
    </>
  );
}

/** What the viewer can write on. */
import { useQuery } from "@katha/client/react";
import { OWN } from "./documents";
import type { Own as Answer } from "./documents";

export function Own() {
  const { data, error } = useQuery<Answer>(OWN);
  if (error) return <p role="alert">{error.message}</p>;
  return (
    <>
      <h1>Your stories</h1>
      {data?.viewer?.stories.edges.map(({ node }) => (
        <section key={node.id}>
          <h2>{node.title}</h2>
          <ul>
            {node.chapters.map((chapter) => (
              <li key={chapter.id}>
                <a href={`#/write/${chapter.id}`}>{chapter.title}</a>
              </li>
            ))}
          </ul>
        </section>
      ))}
    </>
  );
}

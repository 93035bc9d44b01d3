/** A follow button: at once as the person wants it, and back, with the reason, if it cannot be. */
import { useFollow } from "@katha/client/react";
import type { Author, Relationship } from "./documents";

function Button({ author }: { author: Author & { relationship: Relationship } }) {
  const [{ on, isPending, problem }, set] = useFollow(author);
  return (
    <>
      <button aria-pressed={on} aria-busy={isPending} onClick={() => void set(!on)}>
        {on ? "Following" : "Follow"} {author.name}
      </button>
      {problem && <span role="alert">{problem.message}</span>}
    </>
  );
}

export function Follow({ author, viewer }: { author: Author; viewer: string }) {
  const { relationship } = author;
  return relationship && author.id !== viewer ? <Button author={{ ...author, relationship }} /> : null;
}

/** Asks which words are right where two have changed the same: what it was, what is typed, and what others wrote. */
import type { Collision, Colliding, Conflict } from "@katha/client/editing";
import { useEffect, useRef, useState } from "react";

type Side = "mine" | "theirs";
const SIDES = { mine: "Yours", theirs: "Theirs" } as const;

/** The text of a field with the side that was chosen of each collision. */
const text = (field: Colliding, sides: Side[]) => {
  let at = 0;
  return field.parts.map((part) => (part.kind === "CLEAN" ? part.text : part[sides[at++] ?? "mine"])).join("");
};

const collisions = (field: Colliding) => field.parts.filter((part): part is Collision => part.kind === "COLLISION");

function Question({ part, side, choose }: { part: Collision; side: Side; choose: (side: Side) => void }) {
  return (
    <fieldset>
      <legend>It was: {part.base || "nothing"}</legend>
      {(["mine", "theirs"] as const).map((one) => (
        <label key={one}>
          <input type="radio" checked={side === one} onChange={() => choose(one)} /> {SIDES[one]}: {part[one] || "deleted"}
        </label>
      ))}
    </fieldset>
  );
}

export function ConflictDialog(props: {
  conflict: Conflict;
  onResolve: (chosen: Record<string, string>) => void;
  onDiscard: () => void;
  onLater: () => void;
}) {
  const { fields, by } = props.conflict;
  const [sides, setSides] = useState<Record<string, Side[]>>({});
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const sidesOf = (field: Colliding) => collisions(field).map((_, at) => sides[field.path]?.[at] ?? "mine");
  const chosen = () => Object.fromEntries(fields.map((field) => [field.path, text(field, sidesOf(field))]));
  return (
    <dialog ref={dialog} aria-labelledby="both" onClose={props.onLater}>
      <h2 id="both">{by ? `${by.name} has` : "Somebody else has"} changed the same</h2>
      {fields.map((field) =>
        collisions(field).map((part, at) => (
          <Question
            key={`${field.path} ${at}`}
            part={part}
            side={sidesOf(field)[at] ?? "mine"}
            choose={(side) => setSides((before) => ({ ...before, [field.path]: sidesOf(field).with(at, side) }))}
          />
        )),
      )}
      <button onClick={() => props.onResolve(chosen())}>Save this</button>
      <button onClick={props.onDiscard}>Take all of theirs</button>
      <button onClick={props.onLater}>Later</button>
    </dialog>
  );
}

/** What both have changed, side by side: a person chooses. */
import type { Colliding, Conflict, Editing, Values } from "../typescript/src/editing";
import { make } from "./elements";

const SIDES = { mine: "Mine", theirs: "Theirs", both: "Both" } as const;
type Side = keyof typeof SIDES;

/** The dialogue of a pane. It follows the conflict while it is open, and goes with it. */
export class Dialogue {
  readonly element = make("section", { class: "conflict", hidden: true, role: "group", "aria-label": "Both have changed this", tabIndex: -1 });
  #shown = "";
  #editing: Editing | undefined;
  #conflict: Conflict | null = null;

  /** Show this conflict, or none. */
  show(editing: Editing, conflict: Conflict | null): void {
    this.#editing = editing;
    this.#conflict = conflict;
    const shown = conflict ? JSON.stringify(conflict.fields) : "";
    if (shown === this.#shown) return;
    const isNew = !this.#shown;
    this.#shown = shown;
    this.element.hidden = !conflict;
    this.element.replaceChildren(...(conflict ? this.#content(conflict) : []));
    if (conflict && isNew && document.activeElement?.tagName !== "TEXTAREA") this.element.focus();
    if (isNew) this.element.scrollIntoView({ block: "nearest" });
  }

  #content({ by, fields }: Conflict): Node[] {
    const who = by ? by.name : "Somebody";
    const form = make("form", { onsubmit: (event: Event) => (event.preventDefault(), this.#save(new FormData(form))) });
    form.append(
      make("p", { class: "who" }, `${who} has changed the same words. Nothing is lost: choose what stays.`),
      ...fields.flatMap((field, index) => this.#field(field, index)),
      make("button", { type: "submit", class: "primary" }, "Save what I chose"),
    );
    return [form];
  }

  #field({ path, parts }: Colliding, field: number): Node[] {
    return parts.flatMap((part, index) => {
      if (part.kind === "CLEAN") return [];
      const name = `${field}.${index}`;
      const choices = (Object.keys(SIDES) as Side[]).map((side) =>
        make("label", {}, make("input", { type: "radio", name, value: side, checked: side === "both" }), ` ${SIDES[side]}`),
      );
      const side = (label: string, text: string) =>
        make("div", { class: label.toLowerCase() }, make("dt", {}, label), make("dd", {}, text || make("em", {}, "deleted")));
      return [
        make(
          "fieldset",
          {},
          make("legend", {}, path === "body" ? "A paragraph" : `The ${path}`),
          make("dl", {}, side("Base", part.base), side("Mine", part.mine), side("Theirs", part.theirs)),
          make("div", { class: "choices" }, ...choices),
        ),
      ];
    });
  }

  #save(chosen: FormData): void {
    const values: Values = {};
    this.#conflict!.fields.forEach(({ path, parts }, field) => {
      const texts = parts.map((part, index) => {
        if (part.kind === "CLEAN") return part.text;
        const side = chosen.get(`${field}.${index}`) as Side;
        const gap = path === "body" ? "\n\n" : " ";
        return side === "both" ? [part.mine, part.theirs].filter(Boolean).map((text) => text.replace(/\s+$/, "")).join(gap) + (part.mine.match(/\s+$/)?.[0] ?? "") : part[side];
      });
      values[path] = texts.join("");
    });
    void this.#editing!.resolve(values);
  }
}

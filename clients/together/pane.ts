/** One person at the story: a text, who is here, the wire, and what went over it. */
import { Katha, Live } from "../typescript/src/index";
import { Editing } from "../typescript/src/editing";
import type { EditingState } from "../typescript/src/editing";
import { show } from "./caret";
import { Dialogue } from "./dialogue";
import { make } from "./elements";
import { open } from "./story";
import { summary, Wire } from "./wire";

const SAID: Record<EditingState["status"], string> = {
  saved: "Saved",
  edited: "Typing …",
  saving: "Saving …",
  offline: "Nobody answers. What you type is kept, and sent again.",
  conflict: "Both have changed the same words",
  refused: "Not saved",
  gone: "It was deleted",
};

/** Who signs in, and how. */
export interface Person {
  handle: string;
  name: string;
  /** Gives a token of theirs. */
  token: () => Promise<string>;
}

export class Pane {
  readonly element: HTMLElement;
  editing: Editing | undefined;
  #wire = new Wire(() => this.#showWire());
  #title = make("input", { autocomplete: "off", disabled: true });
  #body = make("textarea", { rows: 10, disabled: true });
  #status = make("p", { class: "status", role: "status" }, "Opening …");
  #here = make("p", { class: "here" });
  #log = make("ol", { class: "log" });
  #dialogue = new Dialogue();
  #request = this.#button("Lose the next request", () => this.#wire.lose(this.#wire.loss === "request" ? null : "request"));
  #reply = this.#button("Lose the next reply", () => this.#wire.lose(this.#wire.loss === "reply" ? null : "reply"));
  #offline = this.#button("Offline", () => this.#wire.setOffline(!this.#wire.isOffline));
  #shownExchanges = "";
  #shown: EditingState | undefined;
  #isComposing = false;

  constructor(
    readonly person: Person,
    readonly url: string,
  ) {
    this.element = make(
      "section",
      { class: "pane", "aria-label": person.name },
      make("header", {}, make("h2", {}, person.name), this.#here),
      make("label", {}, "Chapter", this.#title),
      make("label", {}, "Text", this.#body),
      this.#status,
      this.#dialogue.element,
      make("fieldset", { class: "wire" }, make("legend", {}, "Cut the wire"), this.#request, this.#reply, this.#offline),
      make("details", { open: true }, make("summary", {}, "What was sent and answered"), this.#log),
    );
  }

  /** Sign in, find the story, and begin. */
  async start(owner: () => Promise<Katha>): Promise<void> {
    try {
      const token = await this.person.token();
      const katha = new Katha({ url: this.url, token, fetch: this.#wire.fetch });
      const { story, chapter } = await open(await owner(), katha);
      const live = new Live(katha, { pollMs: 1_500 });
      this.editing = new Editing(katha, chapter, { live, scope: this.person.handle });
      this.editing.subscribe(() => this.#show(this.editing!.state));
      this.#show(this.editing.state);
      live.presence({ story: story.id, chapter: chapter.id }, (people) => {
        const names = people.map(({ person }) => person.name);
        this.#here.textContent = names.length ? `Here: ${names.join(", ")}` : "";
      });
      for (const [field, name] of [[this.#title, "title"], [this.#body, "body"]] as const) {
        field.disabled = false;
        const typed = () => this.editing!.set({ [name]: field.value }, this.#shown);
        field.addEventListener("input", (event) => {
          // While an input method composes, nothing is put into the field.
          this.#isComposing = (event as InputEvent).isComposing;
          if (!this.#isComposing) typed();
        });
        field.addEventListener("compositionend", () => {
          this.#isComposing = false;
          typed();
        });
      }
    } catch (problem) {
      this.#status.textContent = `It could not be opened: ${(problem as Error).message}`;
    }
  }

  #show(state: EditingState): void {
    if (!this.#isComposing) {
      this.#shown = state;
      show(this.#title, state.values["title"]!);
      show(this.#body, state.values["body"]!);
    }
    const why = state.refusal?.message ? `: ${state.refusal.message}` : "";
    this.#status.textContent = SAID[state.status] + why + (state.isKept ? "" : " (it would not survive a reload)");
    this.element.dataset["status"] = state.status;
    this.#dialogue.show(this.editing!, state.conflict);
  }

  #showWire(): void {
    const { loss, isOffline, exchanges } = this.#wire;
    for (const [button, isPressed] of [[this.#request, loss === "request"], [this.#reply, loss === "reply"], [this.#offline, isOffline]] as const)
      button.setAttribute("aria-pressed", String(isPressed));
    const shown = exchanges.map((one) => one.number + one.state).join();
    if (shown === this.#shownExchanges) return;
    this.#shownExchanges = shown;
    const items = new Map([...this.#log.children].map((item) => [(item as HTMLElement).dataset["shown"], item]));
    this.#log.replaceChildren(
      ...exchanges.map((exchange) => {
        const key = exchange.number + exchange.state;
        const { query, variables, answer, state } = exchange;
        return (
          items.get(key) ??
          make(
            "li",
            { class: state.replace(" ", "-") },
            make(
              "details",
              {},
              make("summary", {}, summary(exchange)),
              make("pre", { tabIndex: 0, "aria-label": "What was sent" }, `${query.trim()}\n\n${JSON.stringify(variables, null, 2)}`),
              make("pre", { tabIndex: 0, "aria-label": "What was answered" }, answer ? JSON.stringify(answer, null, 2) : "Nothing was heard."),
            ),
          )
        );
      }),
    );
    [...this.#log.children].forEach((item, index) => ((item as HTMLElement).dataset["shown"] = exchanges[index]!.number + exchanges[index]!.state));
  }

  #button(label: string, onclick: () => void): HTMLButtonElement {
    return make("button", { type: "button", "aria-pressed": "false", onclick }, label);
  }
}

/** A switch that shows at once what the person wants, and goes back if it cannot be had. */
import type { Refusal } from "./answers.js";
import { isConflict, isSuccess } from "./answers.js";
import type { Document, Katha } from "./client.js";

/** What a switch shows. A new object after every change. */
export interface ToggleState<Thing> {
  /** What the person wants, or what is so. */
  on: boolean;
  isPending: boolean;
  /** The thing as the server told it last. */
  thing: Thing;
  /** Why the last wish was not fulfilled: `on` is what it was before. */
  problem: Refusal | null;
}

/** What a `Toggle` switches. */
export interface ToggleOptions<Thing> {
  thing: Thing;
  /** The field of the thing that says whether it is on. */
  field: keyof Thing & string;
  /** Mutations of `$expect` and `$key` that switch it. Their success has the thing under the alias `thing`, a conflict in `current`. */
  turn: { on: Document; off: Document };
  /** More variables of both. */
  variables?: object;
}

/** One request is on its way at a time; of several clicks the last counts. */
export class Toggle<Thing extends { id: string; version: string }> {
  state: ToggleState<Thing>;
  #listeners = new Set<() => void>();
  #switching: Promise<void> | undefined;

  constructor(
    readonly katha: Katha,
    readonly options: ToggleOptions<Thing>,
  ) {
    const { thing, field } = options;
    this.state = { on: !!thing[field], isPending: false, thing, problem: null };
  }

  /** Call `listener` after every change of `state`. Returns what ends it. */
  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Switch it. Settles when the server has answered. */
  set(on: boolean): Promise<void> {
    this.#say({ on, problem: null });
    return (this.#switching ??= this.#switch().finally(() => {
      this.#switching = undefined;
      this.#say({ isPending: false });
    }));
  }

  /** The thing as somebody else told it, such as a stream. */
  receive(thing: Thing): void {
    if (!this.#switching) this.#say({ thing, on: !!thing[this.options.field] });
  }

  async #switch(): Promise<void> {
    const { field, turn, variables } = this.options;
    const isOn = () => !!this.state.thing[field];
    while (this.state.on !== isOn()) {
      this.#say({ isPending: true });
      const send = (thing: Thing) => ({ ...variables, expect: { version: thing.version } });
      try {
        const answer = await this.katha.write<any, any>(this.state.on ? turn.on : turn.off, send(this.state.thing), {
          rebase: ({ current, overlaps }: any) => {
            // Done again only where others have changed nothing that this switch shows.
            const isSame = !overlaps?.length && !!current[field] === isOn();
            this.#say({ thing: { ...this.state.thing, ...current } });
            return isSame ? send(current) : null;
          },
        });
        if (isSuccess(answer)) this.#say({ thing: { ...this.state.thing, ...(answer as any).thing } });
        else if (!isConflict(answer) || this.state.on !== isOn()) this.#say({ on: isOn(), problem: answer as Refusal });
      } catch (problem) {
        this.#say({ on: isOn(), problem: problem as Error });
      }
    }
  }

  #say(part: Partial<ToggleState<Thing>>): void {
    this.state = { ...this.state, ...part };
    for (const listener of this.#listeners) listener();
  }
}

/** A relationship with what a follow button needs. */
export interface Following {
  id: string;
  version: string;
  following: boolean;
}

const turning = (field: string) => `mutation Turn($person: ID!, $expect: Expect!, $key: UUID) {
  ${field}(person: $person, expect: $expect, key: $key) {
    __typename
    ... on RelationshipSuccess { applied thing: relationship { ...Shown } }
    ... on ConflictError { current { ...Shown } overlaps { path } }
    ... on Failure { code message retry { kind afterMs } }
  }
}
fragment Shown on Relationship { __typename id version following followedBy blocking }`;

/** A follow button for a person. */
export const followToggle = <Thing extends Following>(
  katha: Katha,
  person: { id: string; relationship: Thing },
): Toggle<Thing> =>
  new Toggle(katha, {
    thing: person.relationship,
    field: "following" as keyof Thing & string,
    turn: { on: turning("follow"), off: turning("unfollow") },
    variables: { person: person.id },
  });

/** Orders copies of an edition. Its stock lives; what is not there cannot be had. */
import { is, isFailure, newKey } from "@katha/client";
import { useKatha, useLive } from "@katha/client/react";
import { useRef, useState } from "react";
import type { FormEvent } from "react";
import { ORDER } from "./documents";
import type { Edition, Order as Answer } from "./documents";

export function Order({ edition }: { edition: Edition }) {
  const katha = useKatha();
  const now = useLive(edition);
  const [said, setSaid] = useState("");
  // One key for each order that the person means to make: if it fails, the same one is sent again, and it is one order.
  const key = useRef(newKey());

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const quantity = Number(new FormData(event.currentTarget).get("quantity"));
    setSaid("Sending…");
    try {
      const variables = { lines: [{ edition: edition.id, quantity }] };
      const answer = await katha.write<Answer, typeof variables>(ORDER, variables, { key: key.current });
      key.current = newKey();
      if (is(answer, "OutOfStockError")) setSaid(`Only ${answer.available} are left.`);
      else if (isFailure(answer)) setSaid(answer.message);
      else setSaid(`Ordered, for ${(answer.order.totalCents / 100).toFixed(2)}.`);
    } catch (error) {
      setSaid(`Not sent: ${(error as Error).message}`);
    }
  }

  if (!now) return null;
  return (
    <form onSubmit={submit}>
      <h2>{now.title}</h2>
      <p>
        {(now.priceCents / 100).toFixed(2)} each, {now.stock} left
      </p>
      <label>
        Copies <input name="quantity" type="number" min="1" max="100" defaultValue="1" required />
      </label>
      <button>Order</button>
      <p role="status">{said}</p>
    </form>
  );
}

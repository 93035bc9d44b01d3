/** Signs a demo person in. */
import { useKatha } from "@katha/client/react";
import { useState } from "react";
import type { FormEvent } from "react";
import { SIGN_IN } from "./documents";
import type { SignIn as Answer } from "./documents";
import { keep } from "./session";

export function SignIn() {
  const katha = useKatha();
  const [problem, setProblem] = useState("");

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const given = Object.fromEntries(new FormData(event.currentTarget));
    try {
      // Without a key: two tokens would be no harm.
      const { signIn } = await katha.query<Answer, typeof given>(SIGN_IN, given);
      if (signIn.token) keep(signIn.token);
      else setProblem(signIn.message ?? "");
    } catch (error) {
      setProblem((error as Error).message);
    }
  }

  return (
    <form onSubmit={submit}>
      <h1>Sign in</h1>
      <label>
        Handle <input name="handle" defaultValue="asha" autoComplete="username" required />
      </label>
      <label>
        Password
        <input name="password" type="password" defaultValue="katha-demo-people-only" autoComplete="current-password" required />
      </label>
      <button>Sign in</button>
      {problem && <p role="alert">{problem}</p>}
    </form>
  );
}

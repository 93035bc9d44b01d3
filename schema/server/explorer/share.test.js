// What a link holds, and what it never holds.
import assert from "node:assert/strict";
import test from "node:test";

import { fragment, shared } from "./static/explorer/share.js";

test("a link opens what it was made of", () => {
  const query = 'mutation Edit($id: ID!) {\n  # “&=#%+ \u{1F30A}\n  updateChapter(id: $id, patch: {title: "a+b & c"}) { __typename }\n}';
  const variables = '{\n  "id": "<chapters.id>"\n}';
  assert.deepEqual(shared(fragment(query, variables)), { query, variables });
  assert.deepEqual(shared(fragment("{ viewer { id } }", "  ")), { query: "{ viewer { id } }", variables: "" });
});

test("a fragment of something else opens nothing", () => {
  for (const other of ["", "#", "#graphiql-session", "#variables=%7B%7D", "#query="]) assert.equal(shared(other), null);
});

test("a typed password or token stays here, wherever it stands", () => {
  const typed = { password: "hunter2", nested: [{ token: "hunter2", current: "hunter2", new: "hunter2" }], handle: "asha" };
  const opened = JSON.parse(shared(fragment("{ a }", JSON.stringify(typed))).variables);
  assert.deepEqual(opened, { password: "", nested: [{ token: "", current: "", new: "" }], handle: "asha" });
  for (const literal of ['"hunter2"', '"a\\"hunter2"', '"""\nhunter2 "x"\n"""']) {
    const { query } = shared(fragment(`mutation { signIn(handle: "asha", password : ${literal}) { __typename } }`, ""));
    assert.equal(query, 'mutation { signIn(handle: "asha", password : "") { __typename } }');
  }
});

test("a typed password stays here, whatever its variable is called", () => {
  const document = (text) => `mutation($p: String! = ${text}) { signIn(handle: "asha", password:\n# mine\n$p) { __typename } }`;
  const { query, variables } = shared(fragment(document('"hunter2"'), '{"p": "hunter2", "handle": "asha"}'));
  assert.equal(query, document('""'));
  assert.deepEqual(JSON.parse(variables), { p: "", handle: "asha" });
  for (const literal of ['# mine\n"hunter2"', '"""a\\"""hunter2"""', ', "hunter2"']) {
    const given = `mutation { changePassword(current: ${literal}, new: $secret) { __typename } }`;
    assert.doesNotMatch(fragment(given, '{"secret": "hunter2"}'), /hunter2/);
  }
});

test("variables that cannot be read are left out, because nobody can say what is secret in them", () => {
  assert.equal(shared(fragment("{ a }", '{ "password": "hunter2", }')).variables, "");
});

test("a placeholder is no secret: its value is not in the text", () => {
  const { variables } = shared(fragment("{ a }", '{"password": "<demo.password>"}'));
  assert.deepEqual(JSON.parse(variables), { password: "<demo.password>" });
});

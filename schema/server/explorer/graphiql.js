// What `build.mjs` bundles for the page.
import "graphiql/style.css";
import { TabFocus } from "monaco-editor/esm/vs/editor/browser/config/tabFocus.js";

TabFocus.setTabFocusMode(true); // Tab leaves an editor: nobody is trapped there

export { GraphiQL } from "graphiql";
export { editor } from "monaco-graphql/esm/monaco-editor.js";
export { createElement } from "react";
export { createRoot } from "react-dom/client";

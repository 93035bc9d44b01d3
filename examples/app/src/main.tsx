/** Begins: the client is known to everything below. */
import { KathaProvider } from "@katha/client/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import { katha, live } from "./session";
import "./style.css";

createRoot(document.getElementById("app")!).render(
  <StrictMode>
    <KathaProvider katha={katha} live={live}>
      <App />
    </KathaProvider>
  </StrictMode>,
);

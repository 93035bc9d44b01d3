// Builds and serves the app; what is asked of Katha goes through to its server.
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The server is reached through this one, so the app is of its origin and needs no CORS. KATHA names another server.
const katha = process.env.KATHA ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [react()],
  server: { host: "127.0.0.1", proxy: { "/graphql": { target: katha } } },
  preview: { host: "127.0.0.1", proxy: { "/graphql": { target: katha } } },
});

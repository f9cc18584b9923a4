/** Two pages, the desk and the technicians' phone; what they load lies under /ui. */
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

import { licences } from "./licences";
import { serviceWorker } from "./service-worker";

const SERVER = process.env.FOREWARN_DEV_SERVER ?? "http://127.0.0.1:8080";

export default defineConfig({
  base: "/",
  plugins: [react(), licences(), serviceWorker()],
  build: {
    outDir: "dist",
    assetsDir: "ui",
    target: "es2022",
    chunkSizeWarningLimit: 900,
    rollupOptions: { input: { desk: "index.html", field: "m.html" } },
  },
  server: { proxy: { "/api": SERVER, "/a/": SERVER, "/download": SERVER } },
});

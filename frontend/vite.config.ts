// How the page is built and served while developing.
// The first chunk holds the sign-in form and the list only; the editor (yjs, bpmn-js, their styles) is a lazy chunk.
// Nothing is inlined: the page runs under a policy without 'unsafe-inline'.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

const server = process.env["COLANE_DEV_SERVER"] ?? "http://127.0.0.1:8000";

/** Writes `.br` and `.gz` beside every text asset, so that the server never compresses anything itself. */
function precompress(): Plugin {
  return {
    name: "colane-precompress",
    apply: ({ build }, { command }) => command === "build" && !build?.ssr,
    writeBundle(options) {
      const folder = options.dir ?? "dist";
      for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
        if (!/\.(js|css|html|svg)$/.test(name)) continue;
        const bytes = readFileSync(join(folder, name));
        writeFileSync(join(folder, `${name}.br`), brotliCompressSync(bytes));
        writeFileSync(join(folder, `${name}.gz`), gzipSync(bytes, { level: 9 }));
      }
    },
  };
}

export default defineConfig({
  plugins: [precompress()],
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 900,
  },
  server: {
    proxy: {
      "/api": server,
      "/signin": server,
      "/collab": { target: server, ws: true },
    },
    fs: { allow: [".."] },
  },
});

// How the page is built and served while developing.
// The first chunk holds the sign-in form and the list only; the editor (yjs, bpmn-js, their styles) is a lazy chunk.
// Nothing is inlined: the page runs under a policy without 'unsafe-inline'.
import { createHash } from "node:crypto";
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

/**
 * Writes the hashes of the style attributes that bpmn-js sets in its align and distribute icons: the page's policy allows
 * these and no others. A style attribute from anywhere else ends the build here, before a browser refuses it.
 */
function hashStyles(): Plugin {
  const attributes = (text: string): string[] =>
    [...text.matchAll(/\bstyle=\\?["']([^"'\\]*)/g)].map(([, style = ""]) => style);
  const icons = ["align-elements/AlignElementsIcons.js", "distribute-elements/DistributeElementsIcons.js"];
  const allowed = new Set(
    icons.flatMap((name) => attributes(readFileSync(join("node_modules/bpmn-js/lib/features", name), "utf8"))),
  );
  return {
    name: "colane-hash-styles",
    apply: ({ build }, { command }) => command === "build" && !build?.ssr,
    generateBundle(_options, bundle) {
      for (const file of Object.values(bundle)) {
        const text = file.type === "chunk" ? file.code : file.fileName.endsWith(".html") ? String(file.source) : "";
        for (const style of attributes(text))
          if (!allowed.has(style))
            this.error(`${file.fileName} sets a style attribute that the policy refuses: ${style}`);
      }
      const hashes = [...allowed]
        .sort()
        .map((style) => `sha256-${createHash("sha256").update(style).digest("base64")}`);
      this.emitFile({ type: "asset", fileName: "styles.json", source: JSON.stringify(hashes) });
    },
  };
}

export default defineConfig({
  plugins: [hashStyles(), precompress()],
  // One preact for us and for diagram-js: what one copy's `html` makes, another copy's `render` draws as nothing (no menus).
  resolve: { dedupe: ["preact"] },
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

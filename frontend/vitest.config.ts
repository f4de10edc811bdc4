// Unit tests run in Node; a file that needs a page says `// @vitest-environment jsdom` in its first line.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { include: ["src/**/*.test.{ts,tsx}"], environment: "node", restoreMocks: true },
});

// Python and TypeScript agree: the same records give the same view, to the letter (tests/fixtures/vectors, made by tests/bpmn/make_vectors.py).
// COLANE_VECTORS names another folder of vectors, for comparing the two over random ones.
import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { textOf } from "./view/bytes.ts";
import { canonical, view, type Rec, type Snapshot } from "./view.ts";

interface Vector {
  name: string;
  meta: Snapshot["meta"];
  nodes: Record<string, Rec>;
  view: unknown;
}

const folder = process.env["COLANE_VECTORS"] ?? resolve(import.meta.dirname, "../../../tests/fixtures/vectors");
const files = readdirSync(folder).filter((file) => file.endsWith(".json"));

describe("the view", () => {
  it("has vectors to agree on", () => {
    expect(files.length).toBeGreaterThan(20);
  });
  for (const file of files) {
    const vector = JSON.parse(readFileSync(resolve(folder, file), "utf8")) as Vector;
    it(vector.name, () => {
      const seen = view({ meta: vector.meta, nodes: new Map(Object.entries(vector.nodes)) });
      expect(JSON.parse(canonical(seen))).toEqual(JSON.parse(textOf(vector.view)));
    });
  }
});

// The view for other programs: a line of records in ({meta, nodes} as JSON), a line of the canonical view out. `colane bpmn fuzz` asks it
// whether Python and TypeScript still show the same; built by `npm run build`, never part of the page.
import { createInterface } from "node:readline";
import { canonical, view, type Rec, type Snapshot } from "./view.ts";

for await (const line of createInterface({ input: process.stdin })) {
  const { meta, nodes } = JSON.parse(line) as { meta: Snapshot["meta"]; nodes: Record<string, Rec> };
  process.stdout.write(canonical(view({ meta, nodes: new Map(Object.entries(nodes)) })) + "\n");
}

// Opens each file with bpmn-moddle and saves it again, as every bpmn.io editor does: node resave.mjs OUT EXPORTER FILE...
// Called by tests/bpmn/test_merge.py; an empty EXPORTER leaves the file's own.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join, resolve } from "node:path";

const require = createRequire(resolve(import.meta.dirname, "../../frontend/package.json"));
const { BpmnModdle } = await import(require.resolve("bpmn-moddle"));
const [out, exporter, ...files] = process.argv.slice(2);
for (const file of files) {
  const moddle = new BpmnModdle();
  const { rootElement } = await moddle.fromXML(readFileSync(file, "utf8"));
  if (exporter) rootElement.exporter = exporter;
  const { xml } = await moddle.toXML(rootElement, { format: true });
  writeFileSync(join(out, basename(file)), xml);
}

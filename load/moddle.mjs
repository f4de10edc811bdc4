// How long bpmn-moddle takes for the same files: node moddle.mjs TIMES FILE... prints a line of JSON a file, in milliseconds of CPU.
// With "text" for TIMES: what it writes after reading, a line of JSON a file. Called by load/model.py and load/fidelity.py;
// the package is the one the front end is built with.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const require = createRequire(resolve(import.meta.dirname, "../frontend/package.json"));
const { BpmnModdle } = await import(require.resolve("bpmn-moddle"));
const [times, ...files] = process.argv.slice(2);

async function median(work) {
  const found = [];
  for (let turn = 0; turn < Number(times); turn++) {
    const before = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(before);
    found.push((user + system) / 1000);
  }
  return found.sort((a, b) => a - b)[Math.floor(found.length / 2)];
}

for (const file of files) {
  const text = readFileSync(file, "utf8");
  const moddle = new BpmnModdle();
  if (times === "text") {
    let written = null;
    try {
      const { rootElement } = await moddle.fromXML(text);
      written = (await moddle.toXML(rootElement, { format: true })).xml;
    } catch {
      // It cannot read every file, or write what it has read: null says so.
    }
    console.log(JSON.stringify(written));
    continue;
  }
  let root;
  const read = await median(async () => ({ rootElement: root } = await moddle.fromXML(text)));
  const write = await median(() => moddle.toXML(root, { format: true }));
  console.log(JSON.stringify({ read, write }));
}

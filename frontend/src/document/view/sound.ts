// References: what is referred to lives on, connections need both ends, boundary events a host, the rest is left out.
// definition, ends, host, part, shape, plane, reference. Mirror of collab/bpmn/repair/sound.py.
import { sorted } from "./bytes.ts";
import { flagged, parentOf, target, type Draft } from "./draft.ts";
import { members, shape } from "./grammar.ts";
import { DEEPEST, above, attach, climbs, holds } from "./places.ts";

const KEPT = new Set(
  ("message error signal escalation itemDefinition dataObject dataStore category categoryValue interface operation resource " +
    "resourceParameter correlationProperty partnerEntity partnerRole endPoint property dataInput dataOutput bpmndi:BPMNLabelStyle").split(" "),
);
const CATCH = new Set(["messageEventDefinition", "timerEventDefinition", "conditionalEventDefinition", "signalEventDefinition"]);

/** Writes down who refers to whom among shown nodes. */
export function collect(draft: Draft, keys: readonly string[]): void {
  for (const key of keys) {
    const record = draft.record(key);
    const referring: string[] = [];
    for (const name in record)
      if ((name === "x" || name.startsWith("@")) && target(record[name]) !== null) referring.push(name);
    // Registers come in no order of their own.
    for (const name of referring.length > 1 ? sorted(referring) : referring) {
      const to = target(record[name]) as string;
      const list = draft.referrers.get(to);
      if (list) list.push([key, name]);
      else draft.referrers.set(to, [[key, name]]);
    }
  }
}

/** Shows deleted definitions again while something shown refers to them. */
export function keepDefinitions(draft: Draft): void {
  collect(draft, sorted(draft.parents.keys()));
  for (;;) {
    const missing = sorted(draft.referrers.keys()).filter((to) => !draft.parents.has(to) && draft.nodes.has(to));
    const revived = missing.filter((to) => KEPT.has(draft.kind(to)) && revive(draft, to));
    if (revived.length === 0) return;
    for (const key of revived) {
      const by = draft.referrers.get(key)?.[0]?.[0] ?? "";
      draft.report("definition", key, `${draft.called(key)} kept: ${draft.called(by)} refers to it`, by);
    }
  }
}

function revive(draft: Draft, key: string, outer: ReadonlySet<string> = new Set()): boolean {
  const before = new Set(draft.parents.keys());
  let parent = parentOf(draft.record(key));
  const kind = draft.kind(key);
  const inside = new Set(outer).add(key); // records may name each other in a ring, or go deeper than anybody shows
  const hidden = parent !== null && draft.nodes.has(parent) && !draft.parents.has(parent);
  if (parent !== null && hidden && KEPT.has(draft.kind(parent)) && !inside.has(parent) && inside.size < DEEPEST)
    revive(draft, parent, inside);
  if (parent === null || !draft.parents.has(parent) || !holds(draft, parent, kind)) parent = climbs(kind) ? above(draft, key, parent) : null;
  if (parent === null || draft.parents.has(key)) return false;
  attach(draft, key, parent);
  collect(draft, sorted([...draft.parents.keys()].filter((shown) => !before.has(shown))));
  return true;
}

/** Looks at every reference to what is not shown, until nothing more hides. */
export function settle(draft: Draft): void {
  draft.queue.push(...sorted(draft.referrers.keys()).filter((to) => !draft.parents.has(to)));
  for (const key of sorted(draft.parents.keys())) if (draft.parents.has(key)) checkParts(draft, key);
  drain(draft);
}

/** Works off what `hide` queued. */
export function drain(draft: Draft): void {
  for (let to = draft.queue.shift(); to !== undefined; to = draft.queue.shift()) {
    if (draft.parents.has(to)) continue;
    for (const [key, name] of [...(draft.referrers.get(to) ?? [])])
      if (draft.parents.has(key) && target(draft.value(key, name)) === to) lost(draft, key, name, to);
  }
}

/** Hides a node; its parent may then lack a part it must have. */
export function remove(draft: Draft, key: string): void {
  const parent = draft.parents.get(key) ?? "";
  draft.hide(key);
  if (draft.parents.has(parent)) checkParts(draft, parent);
}

function checkParts(draft: Draft, key: string): void {
  const required = (shape(draft.kind(key))?.least ?? []).filter(([, least]) => least > 0);
  if (required.length === 0 || key === draft.root) return;
  const have = draft.shown(key).map((child) => draft.kind(child));
  const record = draft.record(key);
  if (Array.isArray(record["b"])) have.push("dc:Bounds");
  const points = record["w"];
  if (Array.isArray(points)) for (let i = Math.floor((points.length - 2) / 2); i > 0; i--) have.push("di:waypoint");
  for (const [kinds, least] of required) {
    if (have.filter((kind) => kinds.has(kind)).length >= least) continue;
    if (draft.fires("part", key, [record["t"], sorted(have)])) {
      const part = sorted(kinds)[0] ?? "";
      draft.report("part", key, `${draft.called(key)} hidden: it has lost its ${part.slice(part.lastIndexOf(":") + 1)}`);
      remove(draft, key);
    }
    return;
  }
}

/** One reference points at nothing. */
function lost(draft: Draft, key: string, name: string, to: string): void {
  const kind = draft.kind(key);
  const why = `${draft.name(to)} ${draft.gone(to)}`;
  if (name === "@bpmnElement") {
    if (kind === "bpmndi:BPMNPlane") return replane(draft, key, to);
    const record = draft.nodes.get(to);
    if (!record || flagged(record["d"])) draft.report("shape", key, `${draft.called(key)} hidden: ${why}`, to);
    remove(draft, key);
  } else if (name === "x") {
    const owner = draft.parents.get(key) ?? "";
    if (!["incoming", "outgoing", "flowNodeRef"].includes(kind))
      draft.report("reference", owner, `${draft.called(owner)} shown without ${kind}: ${why}`, to);
    remove(draft, key);
  } else if (kind === "boundaryEvent" && name === "@attachedToRef") unhost(draft, key, why, to);
  else if (shape(kind)?.attributes.get(name.slice(1))?.[1]) {
    draft.report("ends", key, `${draft.called(key)} hidden: its ${name.slice(1).replace(/Ref$/, "")} ${why}`, to);
    remove(draft, key);
  } else {
    draft.report("reference", key, `${draft.called(key)} shown without ${name.slice(1)}: ${why}`, to);
    draft.change(key, name, null);
  }
}

/** The plane of a deleted element shows another, or goes when it was one of several. */
function replane(draft: Draft, key: string, to: string): void {
  const diagram = draft.parents.get(key) ?? "";
  const siblings = draft.shown(draft.parents.get(diagram) ?? "");
  const others = siblings.filter((other) => other !== diagram && draft.kind(other) === "bpmndi:BPMNDiagram");
  if (others.length > 0 && draft.nodes.has(to) && !["process", "collaboration", "choreography"].includes(draft.kind(to))) {
    remove(draft, diagram);
    return;
  }
  const shown = sorted(draft.parents.keys());
  const instead = shown.find((k) => draft.kind(k) === "collaboration") ?? shown.find((k) => draft.kind(k) === "process");
  draft.change(key, "@bpmnElement", instead === undefined ? null : { r: instead });
  const where = instead === undefined ? "nothing" : draft.called(instead);
  draft.report("plane", key, `${draft.called(key)} shows ${where}: ${draft.name(to)} ${draft.gone(to)}`, to);
  if (instead === undefined) return;
  const list = draft.referrers.get(instead);
  if (list) list.push([key, "@bpmnElement"]);
  else draft.referrers.set(instead, [[key, "@bpmnElement"]]);
}

/** A boundary event without host. */
export function unhost(draft: Draft, key: string, why: string, to: string | null): void {
  const kinds = draft.shown(key).map((child) => draft.kind(child));
  const definitions = kinds.filter((kind) => members("eventDefinition").has(kind) || kind === "eventDefinitionRef");
  if (definitions.length > 1 || (definitions[0] !== undefined && !CATCH.has(definitions[0]))) {
    draft.report("host", key, `${draft.called(key)} hidden: its host ${why}`, to);
    remove(draft, key);
    return;
  }
  draft.report("host", key, `${draft.called(key)} shown as an intermediate event: its host ${why}`, to);
  draft.retag(key, definitions.length > 0 ? "intermediateCatchEvent" : "intermediateThrowEvent");
  for (const name of ["@attachedToRef", "@cancelActivity"]) draft.change(key, name, null);
}

/** A boundary event stands in the container of its host. */
export function besideHost(draft: Draft): void {
  for (const key of sorted(draft.parents.keys())) {
    if (draft.kind(key) !== "boundaryEvent") continue;
    const host = target(draft.value(key, "@attachedToRef"));
    const to = host === null ? undefined : draft.parents.get(host);
    if (host === null || to === undefined || to === draft.parents.get(key)) continue;
    const reading = [draft.record(key)["p"], draft.record(key)["@attachedToRef"], draft.record(host)["p"]];
    if (!holds(draft, to, "boundaryEvent") || !draft.fires("host", key, reading)) continue;
    draft.show(key, to);
    draft.report("host", key, `${draft.called(key)} moved to ${draft.called(to)}, where its host is`, host);
  }
}

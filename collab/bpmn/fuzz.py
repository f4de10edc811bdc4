"""Random concurrent editing of real files, and what must hold after every merge. Seeded: a seed is a whole run again.

Several replicas make the edits an editor makes, hear of each other in pieces and in any order, and meet at the end. Then:
all show the same to the byte; the text is valid where the file was; no reference leads nowhere that led somewhere before;
the text imports into what was shown; and an edit made alone changed nothing but what it touched. Pure, but for its length.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from collab.bpmn import compare, document, imports, repair, schema, validate, xml
from collab.bpmn.match import parent_of
from collab.bpmn.place import after
from collab.bpmn.records import Change, Snapshot, Value
from collab.bpmn.repair.derive import flow_nodes

ALONE: Final = 0.1  # how many edits are looked at by themselves
_TASKS: Final = ("task", "userTask", "serviceTask", "manualTask", "scriptTask")
_HOLDERS: Final = ("process", "subProcess")
_WORDS: Final = ("", "Prüfen", "a < b & c", "  two  spaces ", "新しい")


@dataclass(frozen=True, slots=True)
class Failure:
    """What did not hold, and the way back to it."""

    file: str
    seed: int
    merge: int
    rule: str
    detail: str


@dataclass(slots=True)
class Report:
    """Counts of a run, and what it found."""

    files: int = 0
    merges: int = 0
    edits: int = 0
    exchanges: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)


def run(file: str, text: bytes, seed: int, replicas: int, edits: int, merges: int, report: Report) -> None:
    """So many merges of so many edits each, over one file. Raises the errors of collab.bpmn.errors for the file itself."""
    snapshot = imports.from_tree(xml.parse(text))
    first = document.seed(snapshot, 1)
    shown = _text(first)
    start = _Start(file, seed, first, not schema.problems(shown), _unresolved(shown))
    report.files += 1
    for number in range(merges):
        rng = random.Random(f"{seed}/{file}/{number}")  # noqa: S311 -- to be had again
        _Round(start, number, rng, replicas, report).run(edits)
        report.merges += 1


@dataclass(frozen=True, slots=True)
class _Start:
    file: str
    seed: int
    update: bytes
    valid: bool
    unresolved: frozenset[tuple[str | None, str]]


class _Round:
    def __init__(self, start: _Start, number: int, rng: random.Random, replicas: int, report: Report) -> None:
        self._start, self._number, self._rng, self._report = start, number, rng, report
        self._docs = [document.load([start.update], 100 + one) for one in range(replicas)]
        self._undo: list[list[list[tuple[Change, Value | None]]]] = [[] for _ in self._docs]
        self._made = 0

    def run(self, edits: int) -> None:
        for _ in range(edits):
            which = self._rng.randrange(len(self._docs))
            if self._rng.random() < 0.15 and len(self._docs) > 1:
                self._exchange(which, self._rng.choice([n for n in range(len(self._docs)) if n != which]))
            self._edit(which)
        states = [doc.get_update() for doc in self._docs]
        for doc in self._docs:
            order = list(states)
            self._rng.shuffle(order)
            for state in order:
                doc.apply_update(state)
        self._judge()

    # -- editing -------------------------------------------------------------------------------------------------------

    def _exchange(self, to: int, source: int) -> None:
        self._docs[to].apply_update(self._docs[source].get_update(self._docs[to].get_state()))
        self._report.exchanges += 1

    def _edit(self, which: int) -> None:
        doc = self._docs[which]
        live = document.read(doc)
        seen = imports.from_tree(repair.tree(repair.view(live)))
        kind, edit = self._rng.choice(list(EDITS.items()))
        changes = self._take_back(which, live) if kind == "undo" else edit(seen, self._rng, self._new_key)
        if not changes:
            return
        was = [(change, live.nodes.get(change.key, {}).get(change.register)) for change in changes]
        alone = self._rng.random() < ALONE
        before = repair.tree(repair.view(live)) if alone else None
        document.write(doc, changes)
        if kind != "undo":
            self._undo[which].append(was)
        self._report.edits += 1
        self._report.by_kind[kind] = self._report.by_kind.get(kind, 0) + 1
        if before is not None and kind in ("rename", "move"):
            self._touched(xml.write(before), doc, kind, {change.key for change in changes}, seen)

    def _new_key(self) -> str:
        self._made += 1
        return f"~f.{self._rng.randrange(36**6):x}.{self._made}"

    def _take_back(self, which: int, live: Snapshot) -> list[Change]:
        if not self._undo[which]:
            return []
        step = self._undo[which].pop()
        made = {change.key for change, _ in step if change.register == "t"}
        back = [
            Change(change.key, change.register, was)
            for change, was in step
            if change.key not in made and live.nodes.get(change.key, {}).get(change.register) == change.value
        ]
        return back + [Change(key, "d", 1) for key in sorted(made)]

    # -- judging -------------------------------------------------------------------------------------------------------

    def _fail(self, rule: str, detail: str) -> None:
        start = self._start
        self._report.failures.append(Failure(start.file, start.seed, self._number, rule, detail[:500]))

    def _touched(self, before: bytes, doc: document.Shared, kind: str, keys: set[str], seen: Snapshot) -> None:
        """An edit made alone changes what it touched, and nothing else."""
        found = compare.compare(before, xml.write(repair.tree(repair.view(document.read(doc)))))
        told = {one.element for entries in (found.added, found.removed, found.changed, found.moved) for one in entries}
        told |= {one.element for one in found.layout_only} if kind != "move" else set()
        if told - {_id(seen, key) for key in keys}:
            self._fail("touched", f"{kind} of {sorted(keys)} changed {sorted(told)}")

    def _judge(self) -> None:
        texts = {xml.write(repair.tree(repair.view(document.read(doc)))) for doc in self._docs}
        if len(texts) != 1:
            self._fail("equal", f"{len(texts)} different texts")
        text = min(texts)
        if self._start.valid and (problems := schema.problems(text)):
            self._fail("valid", problems[0].text)
        if lost := _unresolved(text) - self._start.unresolved:
            self._fail("sound", str(sorted(lost, key=str)[:3]))
        again = xml.write(repair.tree(repair.view(imports.from_tree(xml.parse(text)))))
        if again != text:
            self._fail("stable", "its import shows something else")


def _text(update: bytes) -> bytes:
    return xml.write(repair.tree(repair.view(document.read(document.load([update])))))


def _unresolved(text: bytes) -> frozenset[tuple[str | None, str]]:
    snapshot = imports.from_tree(xml.parse(text))
    found = validate.unresolved(snapshot)
    return frozenset((one.element, one.message) for one in found if one.rule == "unresolved")


def _id(seen: Snapshot, key: str) -> str:
    return str(seen.nodes.get(key, {}).get("@id") or key)


# -- the edits of an editor ------------------------------------------------------------------------------------------------

Make = Callable[[], str]
Edit = Callable[[Snapshot, random.Random, Make], list[Change]]


def _of(seen: Snapshot, *kinds: str) -> list[str]:
    return [key for key in seen.nodes if imports.kind_of(seen, key) in kinds]


def _prefix(seen: Snapshot, key: str) -> str:
    prefix, colon, _ = str(seen.nodes[key]["t"]).rpartition(":")
    return prefix + colon


def _drawings(seen: Snapshot, key: str) -> list[str]:
    return [one for one, record in seen.nodes.items() if _leads(record.get("@bpmnElement")) == key]


def _leads(value: Value | None) -> str | None:
    return str(value["r"]) if isinstance(value, dict) and "r" in value else None


def _last(seen: Snapshot, parent: str) -> str:
    held = [str(r["p"][1]) for r in seen.nodes.values() if parent_of(r) == parent and isinstance(r.get("p"), list)]  # type: ignore[index]
    return after(max(held)) if held else "a0"


def _home(seen: Snapshot, key: str) -> Value:
    placed = seen.nodes[key].get("p")
    return placed[2] if isinstance(placed, list) and len(placed) > 2 else ""


def _flowing(seen: Snapshot) -> list[str]:
    return [key for key in seen.nodes if imports.kind_of(seen, key) in flow_nodes()]


def _rename(seen: Snapshot, rng: random.Random, _make: Make) -> list[Change]:
    named = [key for key, record in seen.nodes.items() if "@name" in record and "@id" in record]
    return [Change(rng.choice(named), "@name", rng.choice(_WORDS))] if named else []


def _move(seen: Snapshot, rng: random.Random, _make: Make) -> list[Change]:
    shapes = [key for key, record in seen.nodes.items() if isinstance(record.get("b"), list)]
    if not shapes:
        return []
    key = rng.choice(shapes)
    bounds = seen.nodes[key]["b"]
    assert isinstance(bounds, list)
    return [Change(key, "b", [*bounds[:2], str(rng.randrange(900)), str(rng.randrange(600)), *bounds[4:]])]


def _delete(seen: Snapshot, rng: random.Random, _make: Make) -> list[Change]:
    nodes = [
        *_flowing(seen),
        *_of(seen, "sequenceFlow", "textAnnotation", "dataObjectReference", "lane", "participant"),
    ]
    if not nodes:
        return []
    gone = {rng.choice(nodes)}
    for _ in range(8):  # what is inside, hangs on it, or leads from and to it
        gone |= {
            key for key, r in seen.nodes.items()
            if parent_of(r) in gone or any(_leads(r.get(n)) in gone for n in ("@sourceRef", "@targetRef", "@attachedToRef"))
        }  # fmt: skip
    drawn = {one for key in gone for one in _drawings(seen, key)}
    return [Change(key, "d", 1) for key in sorted(gone | drawn)]


def _holder(seen: Snapshot, rng: random.Random) -> str | None:
    holders = _of(seen, *_HOLDERS)
    return rng.choice(holders) if holders else None


def _shape(seen: Snapshot, rng: random.Random, make: Make, element: str, width: str, height: str) -> list[Change]:
    planes = _of(seen, "bpmndi:BPMNPlane")
    bounds = next((r["b"] for r in seen.nodes.values() if isinstance(r.get("b"), list)), None)
    if not planes or not isinstance(bounds, list):
        return []
    plane, key = planes[0], make()
    return [
        Change(key, "t", _prefix(seen, plane) + "BPMNShape"), Change(key, "@bpmnElement", {"r": element}),
        Change(key, "p", [plane, _last(seen, plane), _home(seen, plane)]),
        Change(key, "@id", "Shape" + key.replace("~", "_")),
        Change(key, "b", [bounds[0], "a0", str(rng.randrange(900)), str(rng.randrange(600)), width, height]),
    ]  # fmt: skip


def _create(seen: Snapshot, rng: random.Random, make: Make) -> list[Change]:
    holder = _holder(seen, rng)
    if holder is None:
        return []
    key = make()
    return [
        Change(key, "t", _prefix(seen, holder) + rng.choice(_TASKS)), Change(key, "@id", "New" + key.replace("~", "_")),
        Change(key, "p", [holder, _last(seen, holder), _home(seen, holder) or holder]),
        Change(key, "@name", rng.choice(_WORDS)),
        *_shape(seen, rng, make, key, "100", "80"),
    ]  # fmt: skip


def _connect(seen: Snapshot, rng: random.Random, make: Make) -> list[Change]:
    holder = _holder(seen, rng)
    inside = [key for key in _flowing(seen) if parent_of(seen.nodes[key]) == holder]
    sources = [key for key in inside if imports.kind_of(seen, key) != "endEvent"]
    targets = [key for key in inside if imports.kind_of(seen, key) not in ("startEvent", "boundaryEvent")]
    if holder is None or not sources or not targets:
        return []
    key = make()
    return [
        Change(key, "t", _prefix(seen, holder) + "sequenceFlow"), Change(key, "@id", "Flow" + key.replace("~", "_")),
        Change(key, "p", [holder, _last(seen, holder), _home(seen, holder) or holder]),
        Change(key, "@sourceRef", {"r": rng.choice(sources)}), Change(key, "@targetRef", {"r": rng.choice(targets)}),
    ]  # fmt: skip


def _reconnect(seen: Snapshot, rng: random.Random, _make: Make) -> list[Change]:
    flows = _of(seen, "sequenceFlow")
    if not flows:
        return []
    flow = rng.choice(flows)
    beside = [key for key in _flowing(seen) if parent_of(seen.nodes[key]) == parent_of(seen.nodes[flow])]
    return [Change(flow, rng.choice(["@sourceRef", "@targetRef"]), {"r": rng.choice(beside)})] if beside else []


def _reparent(seen: Snapshot, rng: random.Random, _make: Make) -> list[Change]:
    holder = _holder(seen, rng)
    tasks = [key for key in _flowing(seen) if imports.kind_of(seen, key) != "boundaryEvent"]
    if holder is None or not tasks:
        return []
    key, at = rng.choice(tasks), holder
    while at in seen.nodes:  # nothing is dropped into itself
        if at == key:
            return []
        at = parent_of(seen.nodes[at]) or ""
    return [Change(key, "p", [holder, _last(seen, holder), _home(seen, key)])]


def _retype(seen: Snapshot, rng: random.Random, _make: Make) -> list[Change]:
    tasks = [key for key in _of(seen, *_TASKS) if not any(parent_of(r) == key for r in seen.nodes.values())]
    if not tasks:
        return []
    key = rng.choice(tasks)
    plain = set(seen.nodes[key]) <= {"t", "p", "@id", "@name", "qk", "ioo", "oo"} | {
        r for r in seen.nodes[key] if r.startswith("l:")
    }
    return [Change(key, "t", _prefix(seen, key) + rng.choice(_TASKS))] if plain else []


def _attach(seen: Snapshot, rng: random.Random, make: Make) -> list[Change]:
    hosts = [key for key in _of(seen, *_TASKS, "subProcess") if parent_of(seen.nodes[key]) is not None]
    if not hosts:
        return []
    host, key, definition = rng.choice(hosts), make(), make()
    parent = str(parent_of(seen.nodes[host]))
    return [
        Change(key, "t", _prefix(seen, host) + "boundaryEvent"), Change(key, "@id", "Edge" + key.replace("~", "_")),
        Change(key, "p", [parent, _last(seen, parent), _home(seen, host)]), Change(key, "@attachedToRef", {"r": host}),
        Change(definition, "t", _prefix(seen, host) + "timerEventDefinition"),
        Change(definition, "p", [key, "a0", _home(seen, host)]),
        *_shape(seen, rng, make, key, "36", "36"),
    ]  # fmt: skip


def _relane(seen: Snapshot, rng: random.Random, _make: Make) -> list[Change]:
    lanes = _of(seen, "lane")
    members = [(key, r) for key, record in seen.nodes.items() for r in record if r.startswith("l:")]
    if not lanes or not members:
        return []
    key, register = rng.choice(members)
    same = [lane for lane in lanes if parent_of(seen.nodes[lane]) == register[2:]]
    return [Change(key, register, [rng.choice(same), "z" + str(rng.randrange(9))])] if same else []


def _none(_seen: Snapshot, _rng: random.Random, _make: Make) -> list[Change]:
    return []


EDITS: Final[dict[str, Edit]] = {
    "rename": _rename, "move": _move, "delete": _delete, "create": _create, "connect": _connect, "reconnect": _reconnect,
    "re-parent": _reparent, "type": _retype, "boundary": _attach, "lane": _relane, "undo": _none,
}  # fmt: skip

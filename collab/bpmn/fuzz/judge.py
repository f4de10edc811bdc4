"""What must hold of a diagram that several people left: named here, asked by the rounds of __init__.py."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Self

from collab.bpmn import compare, diff, imports, repair, schema, validate, xml
from collab.bpmn.fuzz.page import Page
from collab.bpmn.match import parent_of
from collab.bpmn.records import Change, Record, Snapshot
from collab.bpmn.repair.derive import flow_nodes


@dataclass(frozen=True, slots=True)
class Soundness:
    """What a file was before anybody edited it: whatever held then has to hold afterwards."""

    valid: bool
    unresolved: frozenset[str]
    faults: frozenset[str]

    @classmethod
    def of(cls, text: bytes) -> Self:
        """Of a text as the view writes it."""
        snapshot = imports.from_tree(xml.parse(text))
        faults = frozenset(rule for rule, fault in FAULTS.items() if any(fault(snapshot)))
        return cls(not schema.problems(text), _unresolved(snapshot), faults)

    def judge(self, text: bytes) -> list[tuple[str, str]]:
        """(rule, detail) of what does not hold."""
        found: list[tuple[str, str]] = []
        if self.valid and (problems := schema.problems(text)):
            found.append(("valid", problems[0].text))
        snapshot = imports.from_tree(xml.parse(text))
        if lost := _unresolved(snapshot) - self.unresolved:
            found.append(("sound", ", ".join(sorted(lost)[:3])))
        found += [
            (rule, at) for rule in FAULTS.keys() - self.faults for at in itertools.islice(FAULTS[rule](snapshot), 1)
        ]
        if xml.write(repair.tree(repair.view(snapshot))) != text:
            found.append(("stable", "its import shows something else"))
        return sorted(found)


def _unresolved(snapshot: Snapshot) -> frozenset[str]:
    """What references name that is not there, or there twice; whoever says so may be renamed and repeated."""
    found = (one.message for one in validate.unresolved(snapshot) if one.rule in ("unresolved", "ambiguous"))
    return frozenset(message.partition("“")[2].partition("”")[0] for message in found)


# -- what the schema does not see: one small function a fault, giving the keys of where it is -----------------------------


def _lists(snapshot: Snapshot) -> Iterator[str]:
    """Incoming, outgoing and members are what flows and lanes say: else the import keeps them as they are written."""
    return (key for key in snapshot.nodes if imports.kind_of(snapshot, key) in ("incoming", "outgoing", "flowNodeRef"))


def _boundary(snapshot: Snapshot) -> Iterator[str]:
    """A boundary event is in the container of its host."""
    for key, record in snapshot.nodes.items():
        if imports.kind_of(snapshot, key) == "boundaryEvent":
            host = snapshot.nodes.get(_led(record, "@attachedToRef"))
            if host is None or parent_of(host) != parent_of(record):
                yield key


def _default(snapshot: Snapshot) -> Iterator[str]:
    """A default flow leaves whoever says so."""
    for key, record in snapshot.nodes.items():
        flow = snapshot.nodes.get(_led(record, "@default"), {})
        if "@default" in record and _led(flow, "@sourceRef") not in ("", key):
            yield key


def _drawn(snapshot: Snapshot) -> Iterator[str]:
    """What flows is drawn, where one can look into what it is in."""
    drawings = {
        (imports.kind_of(snapshot, key), _led(record, "@bpmnElement")): record for key, record in snapshot.nodes.items()
    }
    drawn = {element for _, element in drawings}
    kinds = flow_nodes() | {"sequenceFlow", "participant", "messageFlow"}
    for key, record in snapshot.nodes.items():
        if key in drawn or imports.kind_of(snapshot, key) not in kinds:
            continue
        container = parent_of(record) or ""
        pools = {_led(one, "@processRef"): parent_of(one) for one in snapshot.nodes.values() if "@processRef" in one}
        open_ = drawings.get(("bpmndi:BPMNShape", container), {}).get("@isExpanded") == "true"
        if open_ or any(("bpmndi:BPMNPlane", one) in drawings for one in (container, pools.get(container))):
            yield key


def _twice(snapshot: Snapshot) -> Iterator[str]:
    """Nothing is drawn twice on one plane."""
    met = set()
    for key, record in snapshot.nodes.items():
        if "@bpmnElement" in record and imports.kind_of(snapshot, key) in ("bpmndi:BPMNShape", "bpmndi:BPMNEdge"):
            where = (parent_of(record), str(record["@bpmnElement"]))
            if where in met:
                yield key
            met.add(where)


def _shared(snapshot: Snapshot) -> Iterator[str]:
    """A process has one pool at most."""
    met = set()
    for key, record in snapshot.nodes.items():
        process = _led(record, "@processRef") if imports.kind_of(snapshot, key) == "participant" else ""
        if process and process in met:
            yield key
        met.add(process)


FAULTS: Final[dict[str, Callable[[Snapshot], Iterator[str]]]] = {
    "lists": _lists, "boundary": _boundary, "default": _default, "drawn": _drawn, "twice": _twice, "pools": _shared,
}  # fmt: skip


def _led(record: Record, register: str) -> str:
    value = record.get(register)
    return str(value["r"]) if isinstance(value, dict) and "r" in value else ""


def text_of(live: Snapshot) -> bytes:
    """What is shown, as XML."""
    return xml.write(repair.tree(repair.view(live)))


def touched(before: bytes, after: bytes, meant: set[str]) -> str | None:
    """An edit made alone changes what it means to, and nothing else; None when that is so."""
    found = compare.told(diff.Edit(*(imports.plainly(xml.parse(text)) for text in (before, after))))
    told = {
        one.element
        for entries in (found.added, found.removed, found.changed, found.moved, found.layout_only)
        for one in entries
    }
    return f"an edit of {sorted(meant)} changed {sorted(told - meant)}" if told - meant else None


def names(page: Page, changes: list[Change]) -> set[str]:
    """By which ids these changes may be told: the nearest above each, and of what it draws or connects."""
    return {name for change in changes for name in _names(page, change.key)}


def _names(page: Page, key: str) -> set[str]:
    at, found = key, {key}
    while at in page.nodes:
        record = page.nodes[at]
        for led in filter(None, (page.target(at, name) for name in ("@bpmnElement", "@sourceRef", "@targetRef"))):
            found |= {led, str(page.nodes.get(led, {}).get("@id"))}
        if "@id" in record:
            found.add(str(record["@id"]))
            if not page.kind(at).startswith("bpmndi:"):
                break
        at = parent_of(record) or ""
    return found

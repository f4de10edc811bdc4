"""References: what is referred to lives on, connections need both ends, boundary events a host, the rest is left out.

`definition`  a deleted message, error, data object ... that something shown refers to is shown again;
`ends`        a node whose required reference is gone hides (flows, message flows, associations), and its edge with it;
`host`        a boundary event without host becomes an intermediate event, or hides; with one, it stands beside it;
`part`        an element that lost a part the schema demands hides;
`shape`       diagram interchange of what is not shown hides;   `plane`  a plane shows something that exists;
`reference`   any other reference to what is not shown is left out.
Hiding only ever adds to what is hidden, so the order of the queue decides nothing but who is named as the reason.
Mirror of frontend/src/document/view/sound.ts.
"""

from functools import cache
from typing import Final

from collab.bpmn import grammar
from collab.bpmn.repair.draft import Draft, flagged, parent_of, target
from collab.bpmn.repair.places import DEEPEST, above, attach, climbs, holds

_KEPT: Final = frozenset(
    {
        "message",
        "error",
        "signal",
        "escalation",
        "itemDefinition",
        "dataObject",
        "dataStore",
        "category",
        "categoryValue",
        "interface",
        "operation",
        "resource",
        "resourceParameter",
        "correlationProperty",
        "partnerEntity",
        "partnerRole",
        "endPoint",
        "property",
        "dataInput",
        "dataOutput",
        "bpmndi:BPMNLabelStyle",
    }
)
_CATCH: Final = frozenset(
    {"messageEventDefinition", "timerEventDefinition", "conditionalEventDefinition", "signalEventDefinition"}
)


@cache
def _required(kind: str) -> tuple[tuple[frozenset[str], int], ...]:
    known = grammar.shape(kind)
    return tuple((kinds, least) for kinds, least in known.least if least) if known else ()


def collect(draft: Draft, keys: list[str]) -> None:
    """Writes down who refers to whom among shown nodes."""
    for key in keys:
        found = [
            (name, to)
            for name, value in draft.nodes[key].items()
            if isinstance(value, dict) and (name == "x" or name[:1] == "@") and (to := target(value)) is not None
        ]
        for name, to in sorted(found) if len(found) > 1 else found:  # registers come in no order of their own
            draft.referrers.setdefault(to, []).append((key, name))


def keep_definitions(draft: Draft) -> None:
    """Shows deleted definitions again while something shown refers to them."""
    collect(draft, draft.everyone())
    while True:
        missing = [to for to in sorted(draft.referrers) if to not in draft.parents and to in draft.nodes]
        revived = [to for to in missing if draft.kind(to) in _KEPT and _revive(draft, to)]
        if not revived:
            return
        for key in revived:
            by = draft.referrers[key][0][0]
            draft.report("definition", key, f"{draft.called(key)} kept: {draft.called(by)} refers to it", by)


def _revive(draft: Draft, key: str, inside: frozenset[str] = frozenset()) -> bool:
    before = set(draft.parents)
    parent = parent_of(draft.nodes[key])
    kind = draft.kind(key)
    inside |= {key}  # records may name each other in a ring, or go deeper than anybody shows
    hidden = parent is not None and parent in draft.nodes and parent not in draft.parents
    if parent is not None and hidden and draft.kind(parent) in _KEPT and parent not in inside and len(inside) < DEEPEST:
        _revive(draft, parent, inside)
    if parent is None or parent not in draft.parents or not holds(draft, parent, kind):
        parent = above(draft, key, parent) if climbs(kind) else None
    if parent is None or key in draft.parents:
        return False
    attach(draft, key, parent)
    collect(draft, sorted(set(draft.parents) - before))
    return True


def settle(draft: Draft) -> None:
    """Looks at every reference to what is not shown, until nothing more hides."""
    draft.queue += [to for to in sorted(draft.referrers) if to not in draft.parents]
    for key in draft.everyone():
        if key in draft.parents:
            _check_parts(draft, key)
    drain(draft)


def drain(draft: Draft) -> None:
    """Works off what `hide` queued."""
    while draft.queue:
        to = draft.queue.pop(0)
        if to in draft.parents:
            continue
        for key, name in draft.referrers.get(to, ()):
            if key in draft.parents and target(draft.value(key, name)) == to:
                _lost(draft, key, name, to)


def remove(draft: Draft, key: str) -> None:
    """Hides a node; its parent may then lack a part it must have."""
    parent = draft.parents[key]
    draft.hide(key)
    if parent in draft.parents:
        _check_parts(draft, parent)


def _check_parts(draft: Draft, key: str) -> None:
    required = _required(draft.kind(key))
    if not required or key == draft.root:
        return
    have = [draft.kind(child) for child in draft.shown(key)]
    record = draft.nodes[key]
    if isinstance(record.get("b"), list):
        have.append("dc:Bounds")
    if isinstance(points := record.get("w"), list):
        have += ["di:waypoint"] * ((len(points) - 2) // 2)
    for kinds, least in required:
        if sum(kind in kinds for kind in have) < least:
            reading = [record.get("t"), sorted(have)]
            if draft.fires("part", key, list(reading)):
                part = min(kinds).rpartition(":")[2]
                draft.report("part", key, f"{draft.called(key)} hidden: it has lost its {part}")
                remove(draft, key)
            return


def _lost(draft: Draft, key: str, name: str, to: str) -> None:
    """One reference points at nothing."""
    kind = draft.kind(key)
    why = f"{draft.name(to)} {draft.gone(to)}"
    if name == "@bpmnElement":
        if kind == "bpmndi:BPMNPlane":
            _replane(draft, key, to)
        else:
            if to not in draft.nodes or flagged(draft.nodes[to].get("d")):
                draft.report("shape", key, f"{draft.called(key)} hidden: {why}", to)
            remove(draft, key)
    elif name == "x":
        owner = draft.parents[key]
        if kind not in ("incoming", "outgoing", "flowNodeRef"):
            draft.report("reference", owner, f"{draft.called(owner)} shown without {kind}: {why}", to)
        remove(draft, key)
    elif kind == "boundaryEvent" and name == "@attachedToRef":
        unhost(draft, key, why, to)
    elif is_required(kind, name[1:]):
        draft.report("ends", key, f"{draft.called(key)} hidden: its {_end(name)} {why}", to)
        remove(draft, key)
    else:
        draft.report("reference", key, f"{draft.called(key)} shown without {name[1:]}: {why}", to)
        draft.change(key, name, None)


def is_required(kind: str, attribute: str) -> bool:
    """Does the schema demand this attribute?"""
    known = grammar.shape(kind)
    return known is not None and known.attributes.get(attribute, ("", False))[1]


def _end(name: str) -> str:
    return name[1:].removesuffix("Ref")


def _replane(draft: Draft, key: str, to: str) -> None:
    """The plane of a deleted element shows another, or goes when it was one of several."""
    diagram = draft.parents[key]
    others = [d for d in draft.shown(draft.parents[diagram]) if d != diagram and draft.kind(d) == "bpmndi:BPMNDiagram"]
    was = draft.nodes.get(to)
    if others and was is not None and draft.kind(to) not in ("process", "collaboration", "choreography"):
        remove(draft, diagram)
        return
    instead = next(iter(draft.of("collaboration") or draft.of("process")), None)
    draft.change(key, "@bpmnElement", None if instead is None else {"r": instead})
    why = f"{draft.name(to)} {draft.gone(to)}"
    where = "nothing" if instead is None else draft.called(instead)
    draft.report("plane", key, f"{draft.called(key)} shows {where}: {why}", to)
    if instead is not None:
        draft.referrers.setdefault(instead, []).append((key, "@bpmnElement"))


def unhost(draft: Draft, key: str, why: str, to: str | None) -> None:
    """A boundary event without host."""
    kinds = [draft.kind(child) for child in draft.shown(key)]
    definitions = [k for k in kinds if k in grammar.members("eventDefinition") or k == "eventDefinitionRef"]
    if len(definitions) > 1 or (definitions and definitions[0] not in _CATCH):
        draft.report("host", key, f"{draft.called(key)} hidden: its host {why}", to)
        remove(draft, key)
        return
    local = "intermediateCatchEvent" if definitions else "intermediateThrowEvent"
    draft.report("host", key, f"{draft.called(key)} shown as an intermediate event: its host {why}", to)
    draft.retag(key, local)
    for name in ("@attachedToRef", "@cancelActivity"):
        draft.change(key, name, None)


def beside_host(draft: Draft) -> None:
    """A boundary event stands in the container of its host."""
    for key in draft.of("boundaryEvent"):
        host = target(draft.value(key, "@attachedToRef"))
        if host is None or host not in draft.parents or draft.parents[host] == draft.parents[key]:
            continue
        to = draft.parents[host]
        reading = [draft.nodes[key].get("p"), draft.nodes[key].get("@attachedToRef"), draft.nodes[host].get("p")]
        if holds(draft, to, "boundaryEvent") and draft.fires("host", key, reading):
            draft.parents[key] = to
            draft.children.setdefault(to, []).append(key)
            draft.report("host", key, f"{draft.called(key)} moved to {draft.called(to)}, where its host is", host)

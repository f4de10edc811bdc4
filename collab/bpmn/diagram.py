"""The bench's front: whole pieces of work on a diagram, bytes in, plain data out.

Everything here runs in a process of the workshop, so arguments and results are bytes and frozen data, and nothing waits
for anything. The shared document is the truth: XML is made from it, and what replaces content is written as an edit.
Called by collab/save.py, checkpoint.py, fold.py and by the command line.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from xml.sax.saxutils import quoteattr

from collab.bpmn import diff, document, grammar, imports, repair, schema, summary, svg, validate, xml
from collab.bpmn import merge as merging
from collab.bpmn.diff import Difference
from collab.bpmn.records import Change, Value
from collab.bpmn.tree import Tree

_UTF8 = ("utf-8", "utf8", "us-ascii", "ascii")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_ROUNDS = 30


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a version keeps of a document: its text and what is to be known without reading it."""

    xml: bytes
    sha256: bytes  # of `xml`, which is the same for the same state everywhere
    summary: dict[str, Any]
    valid: bool
    problems: list[dict[str, Any]]
    repairs: list[dict[str, Any]]
    thumbnail: str


@dataclass(frozen=True, slots=True)
class Imported:
    """A file as a fresh document. `rendered.xml` is the file in our spelling; `verbatim` the text to keep as sent."""

    update: bytes
    rendered: Rendered
    verbatim: bytes


@dataclass(frozen=True, slots=True)
class Edited:
    """A text as an edit of a live document; `update` is None when it says what the document shows already."""

    update: bytes | None
    rendered: Rendered
    verbatim: bytes
    exact: bool  # the document now shows exactly the text that was sent
    kept: list[dict[str, str]] = field(default_factory=list)  # what the text lacks because its tool drops it


@dataclass(frozen=True, slots=True)
class Clash:
    """Where a text and what its base has become both changed the same: element, property, base, yours, theirs."""

    both: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class ElementChange:
    """One register that one logged update changed."""

    seq: int
    node_key: str
    register: str
    before: Value | None
    after: Value | None


def from_xml(data: bytes, charset: str | None, client_id: int) -> Imported:
    """A BPMN file as a seeded document. Raises the errors of collab.bpmn.errors."""
    tree = validate.read(data, charset)
    snapshot = imports.from_tree(tree)
    update = document.seed(snapshot, client_id)
    return Imported(update, _rendered(repair.view(snapshot)), _verbatim(data, charset, tree))


def render(updates: Sequence[bytes]) -> Rendered:
    """The document that these updates make, as a version keeps it."""
    return _rendered(repair.view(document.read(document.load(updates))))


def text(updates: Sequence[bytes]) -> bytes:
    """Only the XML of that document."""
    return xml.write(repair.tree(repair.view(document.read(document.load(updates)))))


def edit_towards(updates: Sequence[bytes], data: bytes, charset: str | None, client_id: int) -> Edited:
    """The edit that makes this document show a text, touching nothing the text leaves as it is."""
    tree = validate.read(data, charset)
    doc = document.load(updates, client_id)
    live = document.read(doc)
    seen = repair.view(live)
    edit = diff.Edit.of(repair.tree(seen), tree)
    changes = edit.registers(live, client_id).changes
    if not changes:
        return Edited(None, _rendered(seen), _verbatim(data, charset, tree), exact=True)
    before = doc.get_state()
    document.write(doc, changes)
    after = _bless(doc, seen)
    shown = xml.write(repair.tree(after))
    exact = shown == xml.write(tree)
    return Edited(doc.get_update(before), _rendered(after), _verbatim(data, charset, tree), exact=exact)


def merge(updates: Sequence[bytes], base: bytes, data: bytes, charset: str | None, client_id: int) -> Edited | Clash:
    """A text that is based on an older one, carried over to this document; or where both changed the same."""
    tree = validate.read(data, charset)
    doc = document.load(updates, client_id)
    live = document.read(doc)
    seen = repair.view(live)
    ancestor, yours, theirs = (imports.from_tree(one) for one in (xml.parse(base), tree, repair.tree(seen)))
    found = merging.merge(ancestor, yours, theirs, live, client_id)
    if found.conflicts:
        return Clash([asdict(one) for one in found.conflicts])
    before = doc.get_state()
    if not document.write(doc, found.changes):
        return Edited(None, _rendered(seen), _verbatim(data, charset, tree), exact=False, kept=found.kept)
    after = _bless(doc, seen, found.faults)
    verbatim = _verbatim(data, charset, tree)
    return Edited(doc.get_update(before), _rendered(after), verbatim, exact=False, kept=found.kept)


def _bless(doc: document.Shared, seen: repair.View, faults: Mapping[str, set[str]] | None = None) -> repair.View:
    """The text's own faults stay as they are: they are its author's, not a merge's. `seen` is the view before the edit.

    Whatever is repaired now and was not before is noted as a quirk, until nothing new is repaired; of a text that was
    merged only its own `faults` (key to rules) are: what the two sides broke together is repaired.
    """
    before = {(one.rule, one.key) for one in seen.repairs}
    for _ in range(_ROUNDS):  # what is allowed may bring more to light
        now = document.read(doc)
        after = repair.view(now)
        found: dict[str, dict[str, str]] | None = None
        notes: dict[str, dict[str, Value]] = {}
        for one in after.repairs:
            record = now.nodes.get(one.key)
            if (one.rule, one.key) in before or record is None:
                continue
            if faults is not None and one.rule not in faults.get(one.key, ()):
                continue
            found = repair.quirks(now) if found is None else found
            # A rule may name what it read ("attribute@color"), or leave the word to another; what was repaired before
            # stays repaired.
            seals = {
                rule: seal
                for rule, seal in found.get(one.key, {}).items()
                if (rule.partition("@")[0], one.key) not in before
            }
            told = {rule: seal for rule, seal in seals.items() if rule.partition("@")[0] == one.rule}
            known = record.get("qk")
            held = notes.get(one.key) or (dict(known) if isinstance(known, dict) else {})
            if not held.items() >= (told or seals).items():
                notes[one.key] = held | (told or seals)
        if not notes:
            return after
        document.write(doc, [Change(key, "qk", note) for key, note in notes.items()])
    return repair.view(document.read(doc))


def differences(base: bytes, other: bytes) -> list[Difference]:
    """What `other` changes in `base`, by element and property."""
    return diff.Edit.of(xml.parse(base), xml.parse(other)).differences()


def compact(updates: Sequence[bytes]) -> bytes:
    """The same document in one update: a replay, never a merge of many (that is superlinear)."""
    doc = document.load(updates)
    return bytes(doc.get_update())


def changes(before: Sequence[bytes], log: Sequence[tuple[int, bytes]]) -> Iterator[ElementChange]:
    """Which registers each logged update changed, in order and one update after the other; for the history of elements."""
    doc = document.load(before)
    watcher = document.Watcher(doc)
    for seq, update in log:
        doc.apply_update(update)
        for one in watcher.take():
            yield ElementChange(seq, one.key, one.register, one.before, one.after)


def blank(title: str) -> bytes:
    """A valid diagram with nothing but a beginning: one process, one plane, one start event."""
    name = quoteattr(title)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<bpmn:definitions xmlns:bpmn="{grammar.MODEL}" xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI" '
        'xmlns:dc="http://www.omg.org/spec/DD/20100524/DC" xmlns:di="http://www.omg.org/spec/DD/20100524/DI" '
        f'id="Definitions_1" name={name} targetNamespace="http://bpmn.io/schema/bpmn" exporter="Colane">\n'
        f'  <bpmn:process id="Process_1" name={name} isExecutable="false">\n'
        '    <bpmn:startEvent id="StartEvent_1"/>\n'
        "  </bpmn:process>\n"
        '  <bpmndi:BPMNDiagram id="BPMNDiagram_1">\n'
        '    <bpmndi:BPMNPlane id="BPMNPlane_1" bpmnElement="Process_1">\n'
        '      <bpmndi:BPMNShape id="StartEvent_1_di" bpmnElement="StartEvent_1">\n'
        '        <dc:Bounds x="180" y="160" width="36" height="36"/>\n'
        "      </bpmndi:BPMNShape>\n"
        "    </bpmndi:BPMNPlane>\n"
        "  </bpmndi:BPMNDiagram>\n"
        "</bpmn:definitions>\n"
    ).encode()


def roundtrip(data: bytes) -> tuple[bytes, int, int]:
    """Any XML through a document, its bytes and a fresh document: the text, its elements, the bytes of the update."""
    tree = xml.parse(data)
    update = document.seed(imports.from_tree(tree), client_id=1)
    seen = repair.tree(repair.view(document.read(document.load([update]))))
    return xml.write(seen), summary.summarise(seen)["elements"], len(update)


def _verbatim(data: bytes, charset: str | None, tree: Tree) -> bytes:
    """The text as sent where it is UTF-8 and says nothing else, else in our spelling (a version is always UTF-8)."""
    declared = tree.declaration[1] if tree.declaration else None
    plain = all(name is None or name.lower().replace("_", "-") in _UTF8 for name in (charset, declared))
    return data if plain and not data.startswith(_UTF16_MARKS) else xml.write(tree)


def _rendered(seen: repair.View) -> Rendered:
    tree = repair.tree(seen)
    written = xml.write(tree)
    problems = schema.problems(written)
    return Rendered(
        xml=written,
        sha256=hashlib.sha256(written).digest(),
        summary=dict(summary.summarise(tree)),
        valid=not problems and validate.sound(tree),
        problems=[asdict(problem) for problem in problems],
        repairs=[asdict(one) for one in seen.repairs],
        thumbnail=svg.draw(tree),
    )


def conflict(base: bytes, yours: bytes, theirs: bytes) -> dict[str, Any]:
    """What two texts changed in a common base, and where both changed the same thing to different values."""
    ancestor, mine, others = (imports.from_tree(xml.parse(one)) for one in (base, yours, theirs))
    both = merging.merge(ancestor, mine, others, others, 1).conflicts
    return {
        "auto_mergeable": not both,
        "yours": [_told(d) for d in differences(base, yours)],
        "theirs": [_told(d) for d in differences(base, theirs)],
        "both": [asdict(one) for one in both],
    }


def _told(one: Difference) -> dict[str, Any]:
    return {"element": one.element, "property": one.property, "base": one.base, "value": one.value}

"""Do stale saves merge? Random pairs of edit sets to one base, over real files: `./run bench merges --seconds N FILE...`

Two people edit the same base; one saves, the other's text is merged as `PUT content?on_conflict=merge` merges it. The
judge never looks at the merge: it compares the records of three views by their keys, which the merge does not have.
What both left apart has to merge by itself and be both edits applied; else exactly what both changed has to be named.
"""

import random
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from collab.bpmn import diagram, document, imports, repair, schema, xml
from collab.bpmn.errors import BpmnError
from collab.bpmn.fuzz import EDITS
from collab.bpmn.fuzz.page import Page
from collab.bpmn.match import parent_of
from collab.bpmn.records import Change, Record, Snapshot, Value
from collab.bpmn.tree import Node, Tree

MOST: Final = 5  # edits a side
LARGE: Final = 300  # records of a file
# Two first pools around one process, two ways to say when: a tie that keys decide, and a merged text's new records have
# other keys. Only one side makes these edits.
_TIES: Final = ("put_into_pool", "wait")
_HABITS: Final = frozenset({"qk", "oo", "ioo", "cd"})  # how a file is written, not what it says
_WORDS: Final = {"p": "parent", "b": "bounds", "w": "waypoints", "t": "type"}
Told = tuple[str, str]  # element and property


@dataclass(slots=True)
class Report:
    """Pairs by edits a side; of them, those that left each other alone, and those that merged. In a file of five elements
    two people meet more often than in one that needs two people: `large` ones are counted once more by themselves.
    """

    pairs: Counter[int] = field(default_factory=Counter)
    apart: Counter[int] = field(default_factory=Counter)
    merged: Counter[int] = field(default_factory=Counter)
    large: Counter[int] = field(default_factory=Counter)
    large_merged: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    ambiguous: int = 0  # files in which one id names two things: nobody can say which of them was edited


@dataclass(frozen=True, slots=True)
class _Side:
    update: bytes
    shown: Snapshot
    text: bytes
    repairs: int
    kinds: list[str] = field(default_factory=list)
    wrote: frozenset[tuple[str, str]] = frozenset()  # (key, register)
    took_back: frozenset[tuple[str, str]] = frozenset()  # of these, what is again as it was


def pairs(name: str, data: bytes, seed: int, count: int, report: Report) -> None:
    """So many pairs for each number of edits a side, over one file. Raises the errors of collab.bpmn.errors."""
    snapshot = imports.from_tree(xml.parse(data))
    if _ambiguous(snapshot):
        report.ambiguous += 1
        return
    start = document.seed(snapshot, 1)
    base = _shown(start, [])
    for edits in range(1, MOST + 1):
        for number in range(count):
            rng = random.Random(f"{seed}/{name}/{edits}/{number}")
            yours, theirs = (_edited(start, rng, edits, client) for client in (100, 200))
            twice = _made(yours, base) & _made(theirs, base)
            silent = (yours.wrote & theirs.took_back) | (theirs.wrote & yours.took_back)
            if twice or silent or max(yours.repairs, theirs.repairs) > base.repairs:
                continue  # one thing made twice, and what no text says: the fuzz looks at those
            report.pairs[edits] += 1
            report.large[edits] += len(base.shown.nodes) >= LARGE
            if wrong := _judged(start, base, yours, theirs, report, edits):
                did = f"{'+'.join(yours.kinds)} | {'+'.join(theirs.kinds)}"
                report.failures.append(f"{name} seed {seed}, {edits} edits, pair {number} ({did}): {wrong}")


def _made(side: _Side, base: _Side) -> set[str]:
    """New keys, and ids that were not there: who of two gets another id is a tie that keys decide."""
    ids, known = ({str(one.get("@id", "")) for one in each.shown.nodes.values()} for each in (side, base))
    return ({key for key, _ in side.wrote} - base.shown.nodes.keys()) | (ids - known)


def _ambiguous(snapshot: Snapshot) -> bool:
    ids = [str(record["@id"]) for record in snapshot.nodes.values() if "@id" in record]
    return len(ids) != len(set(ids))


def _edited(start: bytes, rng: random.Random, edits: int, client: int) -> _Side:
    doc = document.load([start], client)
    made, done, wrote = iter(range(10_000)), list[str](), set[tuple[str, str]]()
    before, was = doc.get_state(), document.read(doc).nodes
    for _ in range(10 * edits):
        live = document.read(doc)
        page = Page(live, rng, lambda: f"~{client}.{next(made)}")
        kind = rng.choice([one for one in EDITS if client == 100 or one not in _TIES])
        changes = [one for one in EDITS[kind](page) if live.nodes.get(one.key, {}).get(one.register) != one.value]
        if changes and _telling(page, kind, changes):
            document.write(doc, changes)
            done.append(kind)
            wrote |= {(one.key, one.register) for one in changes}
        if len(done) == edits:
            break
    update = bytes(doc.get_update(before))
    now = document.read(doc).nodes
    same = {
        (key, name)
        for key, name in wrote
        if _bare(name, now.get(key, {}).get(name)) == _bare(name, was.get(key, {}).get(name))
    }
    shown = _shown(start, [update])
    return replace(shown, update=update, kinds=done, wrote=frozenset(wrote), took_back=frozenset(same))


def _telling(page: Page, kind: str, changes: list[Change]) -> bool:
    """Does a text tell what happened? Not when nothing says that an element with another id is the same one, or that one
    without an id was exchanged for its like."""
    if kind == "identify":
        return bool(page.drawings(changes[0].key))
    if kind == "change_trigger":
        made = {str(one.value) for one in changes if one.register == "t"}
        return all(page.nodes[one.key].get("t") not in made for one in changes if one.register == "d")
    return True


def _shown(start: bytes, updates: list[bytes]) -> _Side:
    seen = repair.view(document.read(document.load([start, *updates])))
    tree = repair.tree(seen)
    return _Side(b"", imports.plainly(tree), xml.write(tree), len(seen.repairs))


# -- the judge -------------------------------------------------------------------------------------------------------------


def _judged(start: bytes, base: _Side, yours: _Side, theirs: _Side, report: Report, edits: int) -> str | None:
    wanted = _both(base.shown, yours.shown, theirs.shown)
    found = diagram.merge([start, theirs.update], base.text, yours.text, None, 300)
    if isinstance(found, diagram.Clash):
        named = {(str(one["element"]), str(one["property"])) for one in found.both}
        report.apart[edits] += not wanted
        return None if named == wanted else f"named {sorted(named - wanted)}, did not name {sorted(wanted - named)}"
    report.merged[edits] += 1
    report.large_merged[edits] += len(base.shown.nodes) >= LARGE
    if wanted:
        return f"merged, although both changed {sorted(wanted)}"
    report.apart[edits] += 1
    together = _shown(start, [theirs.update, yours.update])
    if (a := _said(xml.parse(found.rendered.xml))) != (b := _said(xml.parse(together.text))):
        return f"is not both edits applied: {_first(a, b)}"
    if not schema.problems(base.text) and (problems := schema.problems(found.rendered.xml)):
        return f"is not valid: {problems[0].text}"
    return None


def _both(base: Snapshot, yours: Snapshot, theirs: Snapshot) -> set[Told]:
    """What both changed, to different values; what one took away and the other changed or leaned on."""
    found: set[Told] = set()
    for key in base.nodes:
        was = base.nodes.get(key, {})
        mine, other = (_changed(was, side.nodes[key]) if key in side.nodes else None for side in (yours, theirs))
        if mine is None or other is None:
            if mine or other:
                found.add((_named(base, key), "element"))
            continue
        for register in mine.keys() & other.keys():
            if mine[register] != other[register]:
                found.add((_named(base, key), _word(base, key, register)))
    mine_gone, other_gone = (base.nodes.keys() - side.nodes.keys() for side in (yours, theirs))
    found |= {(_named(base, gone), "element") for _, _, gone in _leaning(base, theirs, mine_gone)}
    for key, register, _ in _leaning(base, yours, other_gone):
        known = key in base.nodes
        found.add((_named(base, key), _word(base, key, register)) if known else (_named(yours, key), "element"))
    return found


def _leaning(base: Snapshot, side: Snapshot, gone: set[str]) -> Iterator[tuple[str, str, str]]:
    """(key, register, what it leads to) where a side newly leads to what the other took away."""
    for key in side.nodes.keys() - gone:
        was = base.nodes.get(key, {})
        before = {one for register, value in was.items() for one in _leads(register, value)}
        for register, value in side.nodes[key].items():
            for one in (_leads(register, value) & gone) - before:
                yield key, register, one


def _changed(was: Record, now: Record) -> dict[str, Value | None]:
    names = (was.keys() | now.keys()) - _HABITS
    return {
        name: _bare(name, now.get(name)) for name in names if _bare(name, was.get(name)) != _bare(name, now.get(name))
    }


def _bare(register: str, value: Value | None) -> Value | None:
    """Without what only says where something stands among its siblings."""
    if isinstance(value, list):
        return str(value[0]) if register == "p" or register.startswith("l:") else value[2:]
    return str(value["r"]) if isinstance(value, dict) and "r" in value else value


def _leads(register: str, value: Value | None) -> set[str]:
    if isinstance(value, dict) and "r" in value:
        return {str(value["r"])}
    placed = isinstance(value, list) and (register == "p" or register.startswith("l:"))
    return {str(value[0])} if placed and isinstance(value, list) else set()


def _named(side: Snapshot, key: str) -> str:
    at = key
    while at in side.nodes:
        if "@id" in side.nodes[at]:
            return str(side.nodes[at]["@id"])
        at = parent_of(side.nodes[at]) or ""
    return key


def _word(base: Snapshot, key: str, register: str) -> str:
    if register == "x":
        return str(base.nodes[key].get("t")).rpartition(":")[2]
    return register[1:] if register.startswith("@") else "lane" if register.startswith("l:") else _WORDS[register]


Said = tuple[str, tuple[tuple[str, str], ...], str, tuple["Said", ...]]


def _said(tree: Tree) -> Said:
    """A text without the order of siblings: points of a line keep theirs."""
    return _said_of(tree.root)


def _said_of(node: Node) -> Said:
    children = [_said_of(child) for child in node.children]
    points = any(child[0].endswith("waypoint") for child in children)
    return (
        node.tag,
        tuple(sorted(node.attributes.items())),
        node.text,
        tuple(children if points else sorted(children, key=repr)),
    )


def _first(a: Said, b: Said) -> str:
    """Where two first differ, briefly."""
    if a[:3] != b[:3]:
        return f"{a[:3]} for {b[:3]}"
    left = [repr(one) for one in a[3] if one not in b[3]]
    right = [repr(one) for one in b[3] if one not in a[3]]
    twins = [(x, y) for x in a[3] for y in b[3] if x != y and x[0] == y[0] and x[1] == y[1] and x not in b[3]]
    return _first(*twins[0]) if twins else f"{str(left)[:300]} for {str(right)[:300]}"


def run(seconds: float, files: list[Path]) -> bool:
    """Random files until the time is over; the table and the seed on stdout. True when nothing failed."""
    report, seed, end = Report(), secrets.randbelow(2**32), time.monotonic() + seconds
    rng = random.Random(seed)
    used = 0
    while time.monotonic() < end:
        file = rng.choice(files)
        try:
            pairs(file.name, file.read_bytes(), seed + used, 1, report)
        except BpmnError:
            continue
        used += 1
    print(f"seed {seed}, {used} times a file, {sum(report.pairs.values())} pairs, {report.ambiguous} files left out")
    print(f"| edits a side | pairs | apart | merged by themselves | share | of {LARGE} records or more |")
    print("|---|---|---|---|---|---|")
    for edits, count in sorted(report.pairs.items()):
        share = 100 * report.merged[edits] / count
        large = 100 * report.large_merged[edits] / max(report.large[edits], 1)
        told = f"{large:.1f} % of {report.large[edits]}"
        print(f"| {edits} | {count} | {report.apart[edits]} | {report.merged[edits]} | {share:.1f} % | {told} |")
    print(f"{len(report.failures)} failures")
    for one in report.failures[:20]:
        print(f"  {one}")
    return not report.failures

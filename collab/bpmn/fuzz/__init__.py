"""Random concurrent editing of real files, and what must hold after every merge. Seeded: a seed is a whole run again.

Several replicas make the edits an editor makes, hear of each other in pieces and in any order, and meet at the end. Then:
all show the same to the byte, and tell the same repairs; the text is valid where the file was; no reference leads nowhere
that led somewhere before; the text imports into what was shown; and an edit made alone changed nothing but what it touched.
Pure, but for its length.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from collab.bpmn import document, imports, repair, xml
from collab.bpmn.fuzz import edits, scenery
from collab.bpmn.fuzz.judge import Soundness, names, text_of, touched
from collab.bpmn.fuzz.page import Page
from collab.bpmn.records import Change, Snapshot, Value

ALONE: Final = 0.05  # how many edits are looked at by themselves
ANEW: Final = 0.3  # how often a page is made anew without having heard of others
HEARS: Final = 0.15  # how often somebody hears of somebody before an edit
SAMPLE: Final = 5  # of so many merges the other language is asked about one

Edit = Callable[[Page], list[Change]]
Mirror = Callable[[Snapshot], str]  # the view of the other language, as canonical JSON

# An edit of these kinds is only what it writes; the others have an effect on neighbours (a flow goes with its end).
PLAIN: Final[tuple[Edit, ...]] = (
    edits.rename, edits.document, edits.create, edits.append, edits.nest, edits.connect, edits.condition, edits.loop,
    edits.change_type, scenery.move, scenery.resize, scenery.bend, scenery.label, scenery.fold, scenery.add_pool,
    scenery.talk, scenery.add_data, scenery.note, scenery.group, scenery.extend,
)  # fmt: skip
FAR: Final[tuple[Edit, ...]] = (
    edits.identify, edits.delete, edits.reconnect, edits.default, edits.move_into, edits.change_trigger, edits.wait,
    edits.attach, edits.attach_elsewhere, edits.send, edits.forget, scenery.change_lane, scenery.add_lane,
    scenery.delete_lane, scenery.put_into_pool, scenery.delete_pool,
)  # fmt: skip
EDITS: Final = {edit.__name__: edit for edit in (*PLAIN, *FAR)}
KINDS: Final = (*EDITS, "undo")


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
    """Counts of a run, and what it found. `mirrored` merges were compared with the other language."""

    files: int = 0
    merges: int = 0
    edits: int = 0
    exchanges: int = 0
    mirrored: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)


def run(
    file: str,
    text: bytes,
    seed: int,
    replicas: int,
    edits: int,
    merges: int,
    report: Report,
    mirror: Mirror | None = None,
) -> None:
    """So many merges over one file, before each so many edits of every replica.

    Raises the errors of collab.bpmn.errors for the file itself.
    """
    snapshot = imports.from_tree(xml.parse(text))
    update = document.seed(snapshot, 1)
    shown = text_of(document.read(document.load([update])))
    start = _Start(file, seed, update, Soundness.of(shown), mirror)
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
    soundness: Soundness
    mirror: Mirror | None


@dataclass(slots=True)
class _Replica:
    """One person: the document, what is on the screen of it, and what was done here, for taking it back."""

    doc: document.Shared
    live: Snapshot | None = None  # what it holds, while nobody was heard
    page: Page | None = None
    done: list[list[tuple[Change, Value | None]]] = field(default_factory=list)


class _Round:
    def __init__(self, start: _Start, number: int, rng: random.Random, replicas: int, report: Report) -> None:
        self._start, self._number, self._rng, self._report = start, number, rng, report
        self._all = [_Replica(document.load([start.update], 100 + one)) for one in range(replicas)]
        self._made = 0

    def run(self, edits: int) -> None:
        for _ in range(edits * len(self._all)):
            who = self._rng.choice(self._all)
            if self._rng.random() < HEARS and len(self._all) > 1:
                self._hear(who, self._rng.choice([one for one in self._all if one is not who]))
            self._edit(who)
        states = [one.doc.get_update() for one in self._all]
        for one in self._all:
            order = list(states)
            self._rng.shuffle(order)
            for state in order:
                one.doc.apply_update(state)
        self._judge()

    def _hear(self, who: _Replica, other: _Replica) -> None:
        who.doc.apply_update(other.doc.get_update(who.doc.get_state()))
        who.live = who.page = None
        self._report.exchanges += 1

    # -- editing -------------------------------------------------------------------------------------------------------

    def _edit(self, who: _Replica) -> None:
        if who.live is None:
            who.live = document.read(who.doc)
        live = who.live
        if who.page is None or self._rng.random() < ANEW:
            who.page = Page(live, self._rng, self._new_key)
        kind = self._rng.choice(KINDS)
        changes = _undone(who, live) if kind == "undo" else EDITS[kind](who.page)
        changes = [one for one in changes if live.nodes.get(one.key, {}).get(one.register) != one.value]
        if not changes:
            return
        alone = EDITS.get(kind) in PLAIN and self._rng.random() < ALONE
        before, meant = (text_of(live), names(who.page, changes)) if alone else (b"", set())
        if kind != "undo":
            who.done.append([(one, live.nodes.get(one.key, {}).get(one.register)) for one in changes])
        document.write(who.doc, changes)
        document.read_again(who.doc, live, {one.key for one in changes})
        who.page.follow(changes)
        self._report.edits += 1
        self._report.by_kind[kind] = self._report.by_kind.get(kind, 0) + 1
        if alone:
            meant |= names(who.page, changes)
            if wrong := touched(before, text_of(live), meant):
                self._fail("touched", f"{kind}: {wrong}")

    def _new_key(self) -> str:
        self._made += 1
        return f"~{self._rng.randrange(36**6):x}.{self._made}"

    # -- judging -------------------------------------------------------------------------------------------------------

    def _fail(self, rule: str, detail: str) -> None:
        start = self._start
        self._report.failures.append(Failure(start.file, start.seed, self._number, rule, detail[:500]))

    def _judge(self) -> None:
        records = [document.read(one.doc) for one in self._all]
        views = [repair.view(one) for one in records]
        texts = {xml.write(repair.tree(one)) for one in views}
        if len(texts) != 1:
            self._fail("equal", f"{len(texts)} different texts")
        if len(told := {tuple(one.repairs) for one in views}) != 1:
            self._fail("told", f"{len(told)} different lists of repairs")
        for rule, detail in self._start.soundness.judge(min(texts)):
            self._fail(rule, detail)
        if self._start.mirror is not None and self._number % SAMPLE == 0:
            self._report.mirrored += 1
            if self._start.mirror(records[0]) != repair.canonical(views[0]):
                self._fail("mirror", "Python and TypeScript show something else")


def _undone(who: _Replica, live: Snapshot) -> list[Change]:
    """The last thing done here, taken back where it is still as it was left; what was made is deleted."""
    if not who.done:
        return []
    step = who.done.pop()
    made = {change.key for change, was in step if change.register == "t" and was is None}
    back = [
        Change(change.key, change.register, was)
        for change, was in step
        if change.key not in made and live.nodes.get(change.key, {}).get(change.register) == change.value
    ]
    return back + [Change(key, "d", 1) for key in sorted(made)]

"""Three-way merge on records: what a text changed in its base, carried over to what the base has become meanwhile.

Register by register; where both sides changed the same to different values, or one took away what the other changed or
leans on, there is a conflict and nothing is merged. When merging, another tool's spelling is no edit, and what tools are
known to drop on the way is not deleted (`kept`). Pure; called by diagram.py.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from collab.bpmn import grammar, imports
from collab.bpmn.diff import Edit, bare, translated
from collab.bpmn.match import children_of, match, parent_of
from collab.bpmn.records import Change, Snapshot, Value

# How a file is written, not what it says.
_HABITS: Final = frozenset(("qk", "oo", "ioo", "cd", "q"))
_LISTED: Final = frozenset(("incoming", "outgoing", "flowNodeRef"))  # follow from flows and lanes
_GONE: Final = "\0"  # begins the names of base records that the other side took away
# What the schema says when nothing is said: tools leave these out, or write them.
_DEFAULTS: Final = {
    "associationDirection": "None", "behavior": "All", "cancelActivity": "true", "cancelRemainingInstances": "true",
    "completionQuantity": "1", "eventGatewayType": "Exclusive", "gatewayDirection": "Unspecified",
    "instantiate": "false", "isClosed": "false", "isCollection": "false", "isForCompensation": "false",
    "isInterrupting": "true", "isSequential": "false",
    "isUnlimited": "true", "itemKind": "Information", "maximum": "1", "minimum": "0", "ordering": "Parallel",
    "parallelMultiple": "false", "processType": "None", "startQuantity": "1", "testBefore": "false",
    "textFormat": "text/plain", "triggeredByEvent": "false", "waitForCompletion": "true",
    "expressionLanguage": "http://www.w3.org/1999/XPath", "typeLanguage": "http://www.w3.org/2001/XMLSchema",
}  # fmt: skip
# Attributes that tools on bpmn-moddle are known to lose although the schema has them.
_LOST: Final = frozenset(("messageVisibleKind",))
_LOST_ELEMENTS: Final = frozenset(("outMessageRef",))
# Types whose values have several spellings.
_SPELLED: Final = frozenset(("xsd:boolean", "xsd:double", "xsd:int", "xsd:integer"))
_TRUTH: Final = {"1": "true", "0": "false"}


@dataclass(frozen=True, slots=True)
class Conflict:
    """One property that both sides changed; `property` "element" where one of them took the whole away (None)."""

    element: str
    property: str
    base: Any
    yours: Any
    theirs: Any


@dataclass(slots=True)
class Merge:
    """`changes` make `theirs` say what yours changed too; only when there are no conflicts.

    `faults` are rules that records of yours break by themselves: their author's, not the merge's.
    """

    changes: list[Change] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    kept: list[dict[str, str]] = field(default_factory=list)
    faults: dict[str, set[str]] = field(default_factory=dict)


def merge(base: Snapshot, yours: Snapshot, theirs: Snapshot, live: Snapshot, client_id: int) -> Merge:
    """`theirs` is the view of `live`, with its keys; the changes are for `live`."""
    return _Merging(base, yours, theirs).onto(live, client_id)


class _Merging:
    def __init__(self, base: Snapshot, yours: Snapshot, theirs: Snapshot) -> None:
        self._theirs = theirs
        names = match(theirs, base)
        names |= {key: _GONE + key for key in base.nodes if key not in names}
        meta = {**base.meta, "root": names[str(base.meta["root"])]}
        self._base = Snapshot(meta, {names[key]: translated(record, names) for key, record in base.nodes.items()})
        self._edit = Edit(self._base, yours)
        self._both: set[str] = set()  # records that both sides added
        self._below = children_of(self._base)
        self._points: set[str] = set()  # waypoints that are records in the base and are not in yours
        self._meet_additions()
        self._foreign = _exporter(self._base) != _exporter(yours)
        self._found = Merge()
        self._seen: set[tuple[str, str]] = set()

    def _meet_additions(self) -> None:
        """What both added under one id, or as the one part that an element has, is one thing."""
        ids = {record["@id"]: key for key, record in self._theirs.nodes.items() if isinstance(record.get("@id"), str)}
        for key in list(self._edit.added):
            record = self._edit.text.nodes[key]
            owner, slash, part = key.rpartition("/")
            same = ids.get(str(record["@id"])) if "@id" in record else None
            if same is None and slash and owner in self._edit.to_base and part in imports.SINGLETONS.values():
                same = f"{self._edit.to_base[owner]}/{part}"
            if same is not None and same in self._theirs.nodes and same not in self._base.nodes:
                self._base.nodes[same] = self._theirs.nodes[same]
                self._edit.to_base[key] = same
                self._both.add(same)

    def onto(self, live: Snapshot, client_id: int) -> Merge:
        found = self._found
        mine = self._mine()
        removed = self._removed()
        self._my_edits(mine)
        self._my_additions()
        self._my_removals(removed)
        if found.conflicts:
            return found
        written = self._edit.registers(live, client_id)
        for key, record in self._edit.text.nodes.items():
            if isinstance(faults := record.get("qk"), dict):
                found.faults[written.keys[key]] = {rule.partition("@")[0] for rule in faults}
        for change in written.changes:
            if self._wanted(change, mine, removed, live) and _GONE not in change.key:
                found.changes.append(change)
        return found

    # -- what each side did --------------------------------------------------------------------------------------------

    def _mine(self) -> dict[tuple[str, str], tuple[Value | None, Value | None]]:
        """(base key, register) -> before and after, for what yours changed in what was there."""
        found = {}
        for key, old in self._edit.to_base.items():
            was, now = self._base.nodes[old], self._edit.translated(key, self._edit.to_base)
            kinds = (imports.kind_of(self._base, old), imports.kind_of(self._edit.text, key))
            for register in sorted(was.keys() | now.keys()):
                a, b = was.get(register), now.get(register)
                if _alike(register, a, b, kinds) or (register == "w" and a is None and self._same_points(old, b)):
                    continue
                if b is None and self._drops_attribute(register):
                    told = self._edit.told(old, register, a, None)
                    self._found.kept.append({"element": _known(told.element), "property": told.property})
                    continue
                found[old, register] = (a, b)
        return found

    def _their(self, key: str, register: str) -> tuple[bool, Value | None]:
        """Did the other side change this, and to what?"""
        was, now = self._base.nodes[key].get(register), self._theirs.nodes[key].get(register)
        if key in self._both:
            return True, now
        kinds = (imports.kind_of(self._base, key), imports.kind_of(self._theirs, key))
        return not _alike(register, was, now, kinds), now

    def _removed(self) -> set[str]:
        """Base records that yours took away, without what its tool is known to drop."""
        removed = {key for key in self._edit.removed if not key.startswith(_GONE)} - self._points
        if not self._foreign:
            return removed
        lost = {key for key in removed if self._drops_element(key)}
        # What stands in something that was really taken away goes with it.
        kept = {key for key in lost if parent_of(self._base.nodes[key]) not in removed - lost}
        for key in sorted(kept):
            told = self._edit.told(key, "d", None, None)
            self._found.kept.append({"element": told.element, "property": str(self._base.nodes[key].get("t", ""))})
        return removed - kept

    def _same_points(self, edge: str, folded: Value | None) -> bool:
        """Waypoints that said more than their place (their xsi:type), written plainly by another tool: the same line."""
        points = [key for key in self._below.get(edge, []) if imports.kind_of(self._base, key) == "di:waypoint"]
        places = [_plain(self._base.nodes[key].get(name)) for key in points for name in ("@x", "@y")]
        if not points or not isinstance(folded, list) or places != [_plain(one) for one in folded[2:]]:
            return False
        self._points.update(points)
        return True

    def _drops_attribute(self, register: str) -> bool:
        name = register[1:]
        return self._foreign and register.startswith("@") and (name in _LOST or name.startswith("xml:"))

    def _drops_element(self, key: str) -> bool:
        tag = str(self._base.nodes[key].get("t", ""))
        if tag[:1] in ("!", "?", "#"):
            return True
        kind = imports.kind_of(self._base, key)
        parent = parent_of(self._base.nodes[key])
        above = imports.kind_of(self._base, parent) if parent in self._base.nodes else ""
        return kind in _LOST_ELEMENTS or (kind == "" and above != "extensionElements")

    # -- where they meet -----------------------------------------------------------------------------------------------

    def _my_edits(self, mine: dict[tuple[str, str], tuple[Value | None, Value | None]]) -> None:
        yours = {old: key for key, old in self._edit.to_base.items()}
        for (key, register), (before, after) in mine.items():
            if key.startswith(_GONE):
                self._taken(key, by_me=False)
                continue
            changed, now = self._their(key, register)
            kinds = (imports.kind_of(self._edit.text, yours[key]), imports.kind_of(self._theirs, key))
            if changed and not _alike(register, after, now, kinds):
                self._clash(key, register, None if key in self._both else before, after, now)
            elif _leans_on_gone(after):
                self._clash(key, register, before, after, None)

    def _my_additions(self) -> None:
        for key in self._edit.added:
            record = self._edit.translated(key, {**self._edit.to_base, **{one: one for one in self._edit.added}})
            if any(map(_leans_on_gone, record.values())):
                self._tell(Conflict(self._edit.new_name(key), "element", None, str(record.get("t", "")), None))

    def _my_removals(self, removed: set[str]) -> None:
        for key in sorted(removed):
            if imports.kind_of(self._base, key) in _LISTED:
                continue
            record = self._base.nodes[key]
            registers = record.keys() | self._theirs.nodes[key].keys()
            if any(register not in _HABITS and self._their(key, register)[0] for register in registers):
                self._taken(key)
        for key, record in self._theirs.nodes.items():
            if key in removed:
                continue
            was = self._base.nodes.get(key, {})
            for register, value in record.items():
                if was.get(register) != value and register not in _HABITS:
                    for name in _named(register, value):
                        if name in removed and name not in _named(register, was.get(register)):
                            self._taken(name)

    def _taken(self, key: str, *, by_me: bool = True) -> None:
        """One side took away what the other changed, or leans on."""
        tag = self._base.nodes[key].get("t")
        self._clash(key, "d", tag, *((None, tag) if by_me else (tag, None)))

    def _clash(self, key: str, register: str, base: Value | None, yours: Value | None, theirs: Value | None) -> None:
        told = self._edit.told(key, register, base, yours)
        other = self._edit.told(key, register, base, theirs)
        self._tell(Conflict(told.element, told.property, told.base, told.value, other.value))

    def _tell(self, one: Conflict) -> None:
        """Once: an element that is gone with all its parts is one thing that is gone."""
        one = Conflict(*map(_known, (one.element, one.property, one.base, one.yours, one.theirs)))
        if (one.element, one.property) not in self._seen:
            self._seen.add((one.element, one.property))
            self._found.conflicts.append(one)

    # -- what is written -----------------------------------------------------------------------------------------------

    def _wanted(
        self,
        change: Change,
        mine: dict[tuple[str, str], tuple[Value | None, Value | None]],
        removed: set[str],
        live: Snapshot,
    ) -> bool:
        key, register = change.key, change.register
        if not key:
            return False  # declaration, comments around the root, habits: the other side's stay
        held = live.nodes.get(key)
        if key not in self._base.nodes or held is None:
            return True  # new
        if register == "d":
            return key in removed
        if (key, "x" if register == "cd" else register) in mine:
            return held.get(register) != change.value
        # Only the place among its siblings changed: in another tool's file that says nothing.
        placed = register in ("p", "b", "w") and bare(register, change.value) == bare(register, held.get(register))
        return placed and not self._foreign


def _exporter(snapshot: Snapshot) -> tuple[Value | None, Value | None]:
    root = snapshot.nodes[str(snapshot.meta["root"])]
    return root.get("@exporter"), root.get("@exporterVersion")


def _named(register: str, value: Value | None) -> set[str]:
    """Records that a register names: a parent, a lane, what a reference leads to."""
    if isinstance(value, dict) and "r" in value:
        return {str(value["r"])}
    if isinstance(value, list) and value and (register == "p" or register.startswith("l:")):
        return {str(value[0])}
    return set()


def _known(value: Any) -> Any:
    """A name, or a value with names in it, as the base knows them."""
    if isinstance(value, list):
        return [_known(one) for one in value]
    return value.removeprefix(_GONE) if isinstance(value, str) else value


def _leans_on_gone(value: Value | None) -> bool:
    return any(name.startswith(_GONE) for name in _named("p" if isinstance(value, list) else "@", value))


def _alike(register: str, a: Value | None, b: Value | None, kinds: tuple[str, str]) -> bool:  # noqa: PLR0911 -- one kind a line
    """The same, said in another way? `kinds` of both records, for tags with another prefix."""
    if a == b or register in _HABITS or register.startswith("@xmlns"):
        return True
    if register == "t":
        return bool(a is not None and b is not None and kinds[0] == kinds[1] and kinds[0])
    if register == "p" or register.startswith("l:"):
        return _named(register, a) == _named(register, b)
    if isinstance(a, dict) and isinstance(b, dict) and "r" in a and "r" in b:
        return bool(a["r"] == b["r"])
    if register in ("b", "w") and isinstance(a, list) and isinstance(b, list):
        return [_plain(one) for one in a[2:]] == [_plain(one) for one in b[2:]]
    if register == "x" and isinstance(a, str) and isinstance(b, str):
        return a.strip() == b.strip()
    if not register.startswith("@"):
        return False
    default = _DEFAULTS.get(register[1:])
    known = grammar.shape(kinds[0])
    if known is None or known.attributes.get(register[1:], ("",))[0] not in _SPELLED:
        return _unbroken(register, default if a is None else a) == _unbroken(register, default if b is None else b)
    return bool(_plain(default if a is None else a) == _plain(default if b is None else b))


def _unbroken(register: str, value: Value | None) -> Value | None:
    """Line ends and the prefix of a type's name as one tool or another writes them."""
    if not isinstance(value, str):
        return value
    return value.rpartition(":")[2] if register.endswith(":type") else value.replace("\r\n", "\n").replace(" \n", "\n")


def _plain(value: Value | None) -> Any:
    """Numbers and truths without their spelling."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return _TRUTH.get(value, value)

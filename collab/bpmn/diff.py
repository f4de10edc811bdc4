"""What one file changes in another, as registers to write.

Both sides are trees: a base (with the keys of a live document, when it is a view of one) and a text somebody hands in.
Comparing texts rather than records keeps repairs out of it: what the base showed otherwise than its records say is no
edit of the person who sends the same back. Called by diagram.py.
"""

from bisect import bisect_left
from dataclasses import dataclass
from typing import Final

from collab.bpmn import grammar, imports
from collab.bpmn.match import children_of, match, parent_of
from collab.bpmn.place import after, before, between
from collab.bpmn.records import Change, Record, Snapshot, Value
from collab.bpmn.tree import Tree

META: Final = ""  # the key under which changes of `meta` travel
_PLACED: Final = ("p", "b", "w", "qk")
_COMPARED_META: Final = ("decl", "pro", "epi", "io", "lref")


@dataclass(frozen=True, slots=True)
class Difference:
    """One property of one element that differs; None where it is not there. `property` "element" is the whole of it."""

    element: str
    property: str
    base: Value | None
    value: Value | None


@dataclass(frozen=True, slots=True)
class Written:
    """Changes for a live document, and what the keys of the text are called there."""

    changes: list[Change]
    keys: dict[str, str]


class Edit:
    """The way from a base to a text. `registers` gives the changes; `differences` tells people."""

    def __init__(self, base: Snapshot, text: Snapshot) -> None:
        self.base, self.text = base, text
        self._to_base = match(base, text)

    @classmethod
    def of(cls, base: Tree, text: Tree) -> "Edit":
        """Between two trees; nodes of the base that carry keys keep them."""
        return cls(imports.from_tree(base), imports.from_tree(text))

    @property
    def added(self) -> list[str]:
        """Keys of the text that the base does not have, in document order."""
        return [key for key in self.text.nodes if key not in self._to_base]

    @property
    def removed(self) -> list[str]:
        """Keys of the base that the text does not have."""
        kept = set(self._to_base.values())
        return [key for key in self.base.nodes if key not in kept]

    def differences(self) -> list[Difference]:
        """By element id (or key, where there is none) and property as written."""
        names = _Names(self.base, self.text, self._to_base)
        found = [Difference(names.new(key), "element", None, self.text.nodes[key]["t"]) for key in self.added]
        found += [Difference(names.old(key), "element", self.base.nodes[key]["t"], None) for key in self.removed]
        for key, old in self._to_base.items():
            was, now = self.base.nodes[old], self.translated(key, self._to_base)
            for register in sorted(was.keys() | now.keys()):
                a, b = bare(register, was.get(register)), bare(register, now.get(register))
                if a != b and register not in ("qk", "oo", "ioo"):
                    found.append(names.told(old, register, a, b))
        return found

    def translated(self, key: str, keys: dict[str, str]) -> Record:
        """A record of the text with every key replaced by what it is called on the other side."""
        return translated(self.text.nodes[key], keys)

    def told(self, key: str, register: str, a: Value | None, b: Value | None) -> Difference:
        """One register of a base record in words; "d" is the element as a whole."""
        names = _Names(self.base, self.text, self._to_base)
        if register == "d":
            return Difference(names.old(key), "element", a, b)
        return names.told(key, register, a, b)

    def new_name(self, key: str) -> str:
        """The element a record of the text belongs to, by its id."""
        return _Names(self.base, self.text, self._to_base).new(key)

    def registers(self, live: Snapshot, client_id: int) -> "Written":
        """The changes that make the live document show the text.

        `live` holds the records that the base is a view of; `client_id` names the author of new ones.
        """
        return _Writing(self, live, client_id).written()

    @property
    def to_base(self) -> dict[str, str]:
        """Keys of the text -> keys of the base."""
        return self._to_base


def translated(record: Record, keys: dict[str, str]) -> Record:
    """A record with every key in it replaced; what has no other name becomes "" (and stays in a list of flows)."""
    made: Record = {}
    for register, value in record.items():
        if register.startswith("l:"):
            made["l:" + keys.get(register[2:], register[2:])] = [keys.get(str(_at(value, 0)), ""), _at(value, 1)]
        elif register == "p":
            made["p"] = [keys.get(str(_at(value, 0)), ""), _at(value, 1), keys.get(str(_at(value, 2)), "")]
        elif register == "ioo" and isinstance(value, dict):
            made["ioo"] = {name: [keys.get(str(k), k) for k in listed] for name, listed in _lists(value)}
        elif isinstance(value, dict) and "r" in value:
            made[register] = {**value, "r": keys.get(str(value["r"]), "")}
        else:
            made[register] = value
    return made


def _at(value: Value, index: int) -> Value:
    if not isinstance(value, list) or len(value) <= index:
        return ""
    item: Value = value[index]
    return item


def _lists(value: dict[str, Value]) -> list[tuple[str, list[Value]]]:
    return [(name, listed) for name, listed in value.items() if isinstance(listed, list)]


def bare(register: str, value: Value | None) -> Value | None:
    """A register without what only says where it stands among its siblings."""
    if value is None or not isinstance(value, list):
        return value
    if register == "p" or register.startswith("l:"):
        return str(value[0])
    return [value[0], *value[2:]] if register in ("b", "w") else value


class _Names:
    """Elements and properties in the words of the file."""

    def __init__(self, base: Snapshot, text: Snapshot, to_base: dict[str, str]) -> None:
        self._base, self._text, self._to_base = base, text, to_base

    def old(self, key: str) -> str:
        """The element a base record belongs to: its own id, else that of the nearest parent with one."""
        return self._named(self._base, key)

    def new(self, key: str) -> str:
        """The same for a record of the text."""
        return self._named(self._text, key)

    def _named(self, side: Snapshot, key: str) -> str:
        at: str | None = key
        while at is not None and at in side.nodes:
            id_ = side.nodes[at].get("@id")
            if isinstance(id_, str):
                return id_
            at = parent_of(side.nodes[at])
        return key

    def told(self, key: str, register: str, a: Value | None, b: Value | None) -> Difference:
        """One register as a property: an attribute by its name, text by its element, layout by its kind."""
        word = {"p": "parent", "b": "bounds", "w": "waypoints", "t": "type"}.get(register, register)
        if register.startswith("@"):
            word = register[1:]
        elif register.startswith("l:"):
            word = "lane"
        elif register in ("x", "cd"):
            word = str(self._base.nodes[key].get("t")).rpartition(":")[2]
        return Difference(self.old(key), word, _shown(a), _shown(b))


def _shown(value: Value | None) -> Value | None:
    if isinstance(value, dict) and "r" in value:
        return str(value["r"])
    return value


class _Writing:
    """Turns an Edit into changes of a live document's records."""

    def __init__(self, edit: Edit, live: Snapshot, client_id: int) -> None:
        self._edit, self._live = edit, live
        self._keys = dict(edit.to_base)
        self._changes: list[Change] = []
        self._name_new(client_id)

    def _name_new(self, client_id: int) -> None:
        """Keys for what is new; an id that was deleted comes back as the record it was."""
        number = 0
        taken = set(self._keys.values())
        for key in self._edit.added:
            record = self._live.nodes.get(key)
            owner, slash, part = key.rpartition("/")
            wanted = ""
            if record is not None and record.get("d") and key not in taken:
                wanted = key
            elif slash and owner in self._keys and part in imports.SINGLETONS.values():
                wanted = f"{self._keys[owner]}/{part}"
            if not wanted or wanted in taken or (wanted in self._live.nodes and not self._live.nodes[wanted].get("d")):
                wanted = f"~{_base36(client_id)}.{_base36(number)}"
                number += 1
            self._keys[key] = wanted
            taken.add(wanted)

    def written(self) -> Written:
        edit = self._edit
        places = _Places(edit, self._live, self._keys).changed()
        for name in _COMPARED_META:
            if edit.base.meta.get(name) != edit.text.meta.get(name):
                self._put(META, name, edit.text.meta.get(name))
        for key in edit.text.nodes:
            now = edit.translated(key, self._keys)
            mine = self._keys[key]
            moved = places.get(key, {})
            if key in edit.to_base:
                self._update(key, mine, now, moved)
            else:
                self._create(mine, now, moved)
        for key in edit.removed:
            self._put(key, "d", 1)
        self._lanes()
        return Written(self._changes, self._keys)

    def _put(self, key: str, register: str, value: Value | None) -> None:
        self._changes.append(Change(key, register, value))

    def _create(self, mine: str, now: Record, moved: Record) -> None:
        for register, value in {**now, **moved}.items():
            if register != "qk":
                self._put(mine, register, value)
        for register in self._live.nodes.get(mine, {}):
            if register not in now and register not in moved:
                self._put(mine, register, None)

    def _update(self, key: str, mine: str, now: Record, moved: Record) -> None:
        was = self._edit.base.nodes[self._edit.to_base[key]]
        for register in sorted((was.keys() | now.keys()) - {"p", "qk"}):
            if register.startswith("l:"):
                continue
            a, b = was.get(register), now.get(register)
            if bare(register, a) == bare(register, b) and register not in moved:
                continue
            if register in ("b", "w") and isinstance(b, list):
                held = self._live.nodes.get(mine, {}).get(register)
                slot = _at(moved[register], 1) if register in moved else _at(held or b, 1)
                self._put(mine, register, [b[0], slot, *b[2:]])
            else:
                self._put(mine, register, b)
        if "p" in moved:
            self._put(mine, "p", moved["p"])

    def _lanes(self) -> None:
        """A lane whose members or their order changed gets all its registers anew; others keep theirs."""
        edit = self._edit
        was = _lanes_of({key: edit.base.nodes[key] for key in edit.base.nodes})
        now = _lanes_of({self._keys[key]: edit.translated(key, self._keys) for key in edit.text.nodes})
        written: set[tuple[str, str]] = set()
        for lane, members in now.items():
            if [m[1:3] for m in members] != [m[1:3] for m in was.get(lane, [])]:
                for index, register, member in members:
                    self._put(member, register, [lane, index])
                    written.add((member, register))
        belongs = {(member, register) for members in now.values() for _, register, member in members}
        for members in was.values():
            for _, register, member in members:
                if (member, register) not in belongs and member in set(self._keys.values()):
                    self._put(member, register, None)


def _lanes_of(nodes: dict[str, Record]) -> dict[str, list[tuple[str, str, str]]]:
    """Lane key -> (index, register, member) in order."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for key, record in nodes.items():
        for register, value in record.items():
            if register.startswith("l:"):
                found.setdefault(str(_at(value, 0)), []).append((str(_at(value, 1)), register, key))
    return {lane: sorted(members) for lane, members in found.items()}


class _Places:
    """Where children stand: only what was moved or is new gets another index."""

    def __init__(self, edit: Edit, live: Snapshot, keys: dict[str, str]) -> None:
        self._edit, self._live, self._keys = edit, live, keys
        self._found: dict[str, Record] = {}

    def changed(self) -> dict[str, Record]:
        """Key of the text -> the registers (p, b, w) that say its new place."""
        for parent, children in children_of(self._edit.text).items():
            self._arrange(parent, children)
        return self._found

    def _arrange(self, parent: str, children: list[str]) -> None:
        """One parent: the longest run of children in order stays, the others get indices between them."""
        record = self._edit.text.nodes[parent]
        items = [(str(_at(self._edit.text.nodes[key].get("p", ""), 1)), "p", key) for key in children]
        items += [(str(_at(record[name], 1)), name, parent) for name in ("b", "w") if name in record]
        groups: dict[int, list[tuple[str, str]]] = {}
        for rank, name, key in self._ranked(parent, sorted(items)):
            groups.setdefault(rank, []).append((name, key))
        for group in groups.values():
            self._fill(parent, group)

    def _ranked(self, parent: str, items: list[tuple[str, str, str]]) -> list[tuple[int, str, str]]:
        """Children are sorted by schema rank first; order matters within a rank; unranked ones go with the next."""
        nodes = self._edit.text.nodes
        shape = grammar.shape(imports.kind_of(self._edit.text, parent))
        as_written = shape is None or "oo" in nodes[parent]
        ranked: list[tuple[int, str, str]] = []
        following = 1_000_000_000
        for _, name, key in reversed(items):
            rank = 0
            if not as_written and shape is not None:
                kind = (
                    imports.kind_of(self._edit.text, key)
                    if name == "p"
                    else {"b": "dc:Bounds", "w": "di:waypoint"}[name]
                )
                rank = following = shape.ranks.get(kind, following)
            ranked.append((rank, name, key))
        return ranked[::-1]

    def _held(self, parent: str, name: str, key: str) -> str | None:
        """The index a child has in the live document, while it stays with its parent."""
        mine = self._keys.get(key, "")
        record = self._live.nodes.get(mine, {})
        if key not in self._edit.to_base or "p" not in record or record.get("d"):
            return None
        if name != "p":
            return str(_at(record[name], 1)) if name in record else None
        was = parent_of(self._edit.base.nodes[self._edit.to_base[key]])
        return str(_at(record.get("p", ""), 1)) if was == self._keys[parent] else None

    def _fill(self, parent: str, group: list[tuple[str, str]]) -> None:
        held = [self._held(parent, name, key) for name, key in group]
        stay = _longest_rising(held)
        low = ""
        for number, (name, key) in enumerate(group):
            index = held[number]
            if number in stay and index is not None:
                low = index
                continue
            high = next((held[n] for n in range(number, len(group)) if n in stay), None)
            low = self._room(low, high)
            self._place(parent, name, key, low)

    def _room(self, low: str, high: str | None) -> str:
        if high is None:
            return after(low) if low else "a0"
        return between(low, high) if low else before(high)

    def _place(self, parent: str, name: str, key: str, index: str) -> None:
        record = self._edit.text.nodes[key]
        if name == "p":
            home = self._keys.get(str(_at(record["p"], 2)), "")
            self._found.setdefault(key, {})["p"] = [self._keys[parent], index, home]
        else:
            value = record[name]
            assert isinstance(value, list)
            self._found.setdefault(key, {})[name] = [value[0], index, *value[2:]]


def _longest_rising(indices: list[str | None]) -> set[int]:
    """Positions of a longest strictly rising run; those without an index are not in it."""
    tails: list[str] = []  # the smallest index that ends a run of this length
    ends: list[int] = []  # and where it stands
    previous: dict[int, int] = {}
    for at, index in enumerate(indices):
        if index is None:
            continue
        length = bisect_left(tails, index)
        if length:
            previous[at] = ends[length - 1]
        tails[length : length + 1] = [index]
        ends[length : length + 1] = [at]
    stay: set[int] = set()
    step: int | None = ends[-1] if ends else None
    while step is not None:
        stay.add(step)
        step = previous.get(step)
    return stay


def _base36(number: int) -> str:
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    text = ""
    while True:
        number, digit = divmod(number, 36)
        text = digits[digit] + text
        if number == 0:
            return text

"""What one person has on the screen, and the means to change it as the editor does.

A page is the shown diagram as records. It follows its own changes by itself; what others did, and what the view makes of
it all, it learns when it is made anew. Used by edits.py and drawings.py; called by the rounds of __init__.py.
"""

import random
from collections.abc import Callable, Iterable

from collab.bpmn import grammar, imports, repair
from collab.bpmn.match import parent_of
from collab.bpmn.place import after
from collab.bpmn.records import Change, Record, Snapshot, Value
from collab.bpmn.repair.derive import flow_nodes


class Page:
    """The shown diagram, for one edit after another."""

    def __init__(self, live: Snapshot, rng: random.Random, make: Callable[[], str]) -> None:
        seen, self._kinds = repair.shown(live)
        self.nodes: dict[str, Record] = seen.nodes
        self.root = str(seen.meta["root"])
        self.rng, self.make = rng, make

    # -- looking -------------------------------------------------------------------------------------------------------

    def kind(self, key: str) -> str:
        """The kind of a record; nothing for what BPMN does not know."""
        return self._kinds.get(key, "")

    def of(self, *kinds: str) -> list[str]:
        """The keys of these kinds."""
        return [key for key, kind in self._kinds.items() if kind in kinds]

    def flowing(self, *, inside: str | None = None) -> list[str]:
        """Events, activities and gateways; of one container, if it is named."""
        known = flow_nodes()
        found = [key for key, kind in self._kinds.items() if kind in known and self.parent(key) in self.nodes]
        return found if inside is None else [key for key in found if self.parent(key) == inside]

    def one(self, keys: Iterable[str]) -> str | None:
        """Any of them."""
        choice = list(keys)
        return self.rng.choice(choice) if choice else None

    def parent(self, key: str) -> str:
        """The parent's key; empty for the root."""
        return parent_of(self.nodes[key]) or ""

    def children(self, key: str) -> list[str]:
        """Keys of what is directly inside."""
        return [one for one, record in self.nodes.items() if parent_of(record) == key]

    def target(self, key: str, register: str) -> str:
        """The key a reference leads to; empty where it leads nowhere."""
        value = self.nodes[key].get(register)
        return str(value["r"]) if isinstance(value, dict) and "r" in value else ""

    def drawings(self, key: str) -> list[str]:
        """The shapes and edges of an element."""
        return [one for one in self.nodes if self.target(one, "@bpmnElement") == key]

    def could_be(self, key: str, kind: str) -> bool:
        """Nothing is said of this element that another type could not carry."""
        known = grammar.shape(kind)
        said = [name[1:] for name in self.nodes[key] if name[0] == "@"]
        return (
            known is not None
            and all(":" in name or name in known.attributes for name in said)
            and all(self.kind(one) in known.ranks for one in self.children(key))
        )

    def holds(self, outer: str, inner: str) -> bool:
        """`inner` is `outer`, or anywhere within it."""
        at = inner
        while at in self.nodes:
            if at == outer:
                return True
            at = self.parent(at)
        return False

    def drawn_beside(self, key: str) -> str | None:
        """The plane on which an element is drawn, else any."""
        planes = [self.parent(one) for one in self.drawings(key)]
        return next((one for one in planes if self.kind(one) == "bpmndi:BPMNPlane"), None) or self.one(
            self.of("bpmndi:BPMNPlane")
        )

    # -- making --------------------------------------------------------------------------------------------------------

    def tag(self, beside: str, local: str) -> str:
        """A tag with the prefix of a neighbour."""
        prefix, colon, _ = str(self.nodes[beside]["t"]).rpartition(":")
        return prefix + colon + local

    def inside(self, parent: str) -> Value:
        """The last place in a parent."""
        held = [str(r["p"][1]) for r in self.nodes.values() if parent_of(r) == parent and isinstance(r.get("p"), list)]  # type: ignore[index]
        return [parent, after(max(held)) if held else "a0", self._home(parent)]

    def _home(self, parent: str) -> Value:
        placed = self.nodes[parent].get("p") if parent in self.nodes else None
        home = placed[2] if isinstance(placed, list) and len(placed) > 2 else ""
        return home or parent

    def element(self, parent: str, local: str, **registers: Value) -> tuple[str, list[Change]]:
        """A new element with an id, and its key."""
        key = self.make()
        made = [
            Change(key, "t", self.tag(parent, local)),
            Change(key, "@id", local + key.replace("~", "_")),
            Change(key, "p", self.inside(parent)),
        ]
        return key, made + [Change(key, "@" + name, value) for name, value in registers.items()]

    def part(self, key: str, owner: str, local: str, **registers: Value) -> list[Change]:
        """A part of an element, without an id; its key is given: two people may mean the same one."""
        prefix = owner if owner in self.nodes else self.root
        placed = self.inside(owner) if owner in self.nodes else [owner, "a0", ""]
        made = [Change(key, "t", self.tag(prefix, local)), Change(key, "p", placed)]
        return made + [Change(key, name.replace("at_", "@"), value) for name, value in registers.items()]

    def shape(self, element: str, plane: str | None, width: str, height: str) -> list[Change]:
        """A shape somewhere on the plane; none in a file that knows no drawings."""
        if plane is None:
            return []
        tag = self._declared("dc:", "Bounds")
        bounds = [tag, "a0", str(self.rng.randrange(900)), str(self.rng.randrange(600)), width, height]
        return [*self._drawing(element, plane, "BPMNShape"), Change(f"{element}@{plane}", "b", bounds)]

    def edge(self, element: str, plane: str | None) -> list[Change]:
        """An edge of two points on the plane."""
        if plane is None:
            return []
        tag = self._declared("di:", "waypoint")
        points = [tag, "a0", *(str(self.rng.randrange(900)) for _ in range(4))]
        return [*self._drawing(element, plane, "BPMNEdge"), Change(f"{element}@{plane}", "w", points)]

    def _declared(self, plain: str, local: str) -> str:
        """A tag of one of the drawing's namespaces, by the prefix that the root declares, else by the usual one."""
        for name, uri in self.nodes[self.root].items():
            if name.startswith("@xmlns") and grammar.PREFIXES.get(str(uri)) == plain:
                prefix = name.removeprefix("@xmlns").removeprefix(":")
                return f"{prefix}:{local}" if prefix else local
        return plain + local

    def _drawing(self, element: str, plane: str, local: str) -> list[Change]:
        key = f"{element}@{plane}"
        return [
            Change(key, "t", self.tag(plane, local)), Change(key, "@bpmnElement", {"r": element}),
            Change(key, "p", self.inside(plane)), Change(key, "@id", element.replace("~", "_").replace("/", "_") + "_di"),
        ]  # fmt: skip

    # -- following -----------------------------------------------------------------------------------------------------

    def follow(self, changes: Iterable[Change]) -> None:
        """One's own changes, as they are shown at once."""
        for key, register, value in ((one.key, one.register, one.value) for one in changes):
            if register == "d":
                if not value:
                    continue
                self.nodes.pop(key, None)
                self._kinds.pop(key, None)
                continue
            record = self.nodes[key] = dict(self.nodes.get(key, {}))
            if value is None:
                record.pop(register, None)
            else:
                record[register] = value
        seen = Snapshot({"root": self.root}, self.nodes)
        for key in {one.key for one in changes if one.register == "t"} & self.nodes.keys():
            self._kinds[key] = imports.kind_of(seen, key)

"""Tree to records: how a file becomes a diagram, so that the view of the records is the file again.

Whatever the view can derive exactly (incoming and outgoing lists, lanes' members) is left to it; whatever it would show
otherwise stays as it was written, as ordinary records. That is not argued but checked: the view is computed and
compared with the tree, and a place that differs is imported to the letter. Called by diagram.py.
"""

from dataclasses import dataclass, field
from typing import Final

from collab.bpmn import grammar, repair
from collab.bpmn.place import nth
from collab.bpmn.records import VERSION, Record, Snapshot, Value
from collab.bpmn.repair.derive import flow_nodes
from collab.bpmn.tree import TEXT, Node, Tree

# Parts an element has once at most: known by their owner, so that two people who add one at once add the same one.
SINGLETONS: Final = {
    "extensionElements": "extensionElements",
    "conditionExpression": "conditionExpression",
    "multiInstanceLoopCharacteristics": "loopCharacteristics",
    "standardLoopCharacteristics": "loopCharacteristics",
    "ioSpecification": "ioSpecification",
    "text": "text",
    "script": "script",
    "bpmndi:BPMNLabel": "BPMNLabel",
}
_REFERENCE: Final = frozenset({"xsd:QName", "xsd:IDREF"})
_BOUNDS: Final = ("x", "y", "width", "height")
_POINT: Final = ("x", "y")
ATTEMPTS: Final = 4


def from_tree(tree: Tree) -> Snapshot:
    """The records of a parsed file. Their view equals the tree: same elements, order, values, text and comments.

    Nodes that carry a key already (a view's) keep it.
    """
    literal: set[int] = set()
    for _ in range(ATTEMPTS):
        snapshot = _Import(tree, literal).run()
        different = _different(tree.root, repair.view(snapshot).root)
        if not different:
            break
        literal |= different
    return snapshot


def plainly(tree: Tree) -> Snapshot:
    """The records of a tree without the proof that they are it: for looking at what a view shows, not for keeping."""
    return _Import(tree, set()).run(learn=False)


def _different(wanted: Node, seen: Node) -> set[int]:
    """The parsed nodes whose own name, attributes or list of children the view shows otherwise."""
    found: set[int] = set()
    pairs = [(wanted, seen)]
    while pairs:
        a, b = pairs.pop()
        same = (a.tag, a.text, a.cdata, a.attributes) == (b.tag, b.text, b.cdata, b.attributes)
        if not same or [c.tag for c in a.children] != [c.tag for c in b.children]:
            found.add(id(a))
        else:
            for x, y in zip(a.children, b.children, strict=True):
                if not x.is_element and (x.text, x.cdata) != (y.text, y.cdata):
                    found.add(id(a))
                elif not x.children and (x.attributes != y.attributes or y.children):
                    found |= {id(a), id(x)}
                else:
                    pairs.append((x, y))
    return found


@dataclass(slots=True)
class _Met:
    """What is known of a node before its record is made."""

    node: Node
    kind: str
    parent: "_Met | None"
    prefixes: dict[str, str]
    key: str = ""
    index: str = ""
    skipped: bool = False  # derived or folded: it gets no record
    children: list["_Met"] = field(default_factory=list)


class _Import:
    """One pass over a tree. `literal` holds the identities of nodes that must be taken to the letter."""

    def __init__(self, tree: Tree, literal: set[int]) -> None:
        self._tree = tree
        self._literal = literal
        self._all: list[_Met] = []
        self._ids: dict[str, _Met] = {}
        self._ends: dict[str, dict[str, list[str]]] = {"incoming": {}, "outgoing": {}}
        self._namespace = tree.root.attributes.get("targetNamespace", "")
        self._nodes: dict[str, Record] = {}
        self._lists_flows = False
        self._lists_members = False

    def run(self, *, learn: bool = True) -> Snapshot:
        root = self._meet(self._tree.root, None, {})
        self._name()
        self._find_flows()
        self._find_habits()
        for met in self._all:
            self._place_children(met)
        for met in self._all:
            if not met.skipped:
                # Lane registers may have been put on a record before its own turn came.
                self._nodes[met.key] = self._record(met) | self._nodes.get(met.key, {})
        for met in self._all:
            if met.kind in flow_nodes():
                self._list(met)
            elif met.kind == "lane":
                self._members(met)
        snapshot = Snapshot(self._meta(root), self._nodes)
        for key, broken in (repair.quirks(snapshot) if learn else {}).items():
            if key in self._nodes:
                self._nodes[key]["qk"] = dict(broken)
        return snapshot

    # -- meeting: kinds, ids, keys -----------------------------------------------------------------------------------

    def _meet(self, top: Node, parent: _Met | None, prefixes: dict[str, str]) -> _Met:
        first: _Met | None = None
        open_: list[tuple[Node, _Met | None, dict[str, str]]] = [(top, parent, prefixes)]
        while open_:
            node, above, scope = open_.pop()
            if node.is_element:
                declared = {name[6:]: v for name, v in node.attributes.items() if name.startswith("xmlns:")}
                if "xmlns" in node.attributes:
                    declared[""] = node.attributes["xmlns"]
                if declared:
                    scope = scope | declared
            met = _Met(node, _kind(node, scope), above, scope)
            if above is None:
                first = met
            else:
                above.children.append(met)
            self._all.append(met)
            open_ += [(child, met, scope) for child in reversed(node.children)]
        assert first is not None
        return first

    def _name(self) -> None:
        """Keys: a unique id, else the owner's name for a singleton, else a number in document order."""
        count: dict[str, int] = {}
        for met in self._all:
            if id_ := self._id(met):
                count[id_] = count.get(id_, 0) + 1
        taken: set[str] = set()
        for met in self._all:
            id_ = self._id(met)
            met.key = met.node.key or ""
            if id_ and count[id_] == 1:
                met.key = met.key or id_
                self._ids[id_] = met
            if met.key:
                taken.add(met.key)
        for number, met in enumerate(self._all):
            if met.key:
                continue
            single = SINGLETONS.get(met.kind)
            if single and met.parent is not None and not self._id(met):
                met.key = f"{met.parent.key}/{single}"
            if not met.key or met.key in taken:
                met.key = f"~{number}"
                while met.key in taken:  # a view's nodes bring numbers of their own
                    met.key += "_"
            taken.add(met.key)

    def _id(self, met: _Met) -> str:
        id_ = met.node.attributes.get("id", "") if met.kind and met.node.is_element else ""
        return "" if id_.startswith("~") or "/" in id_ else id_

    # -- references --------------------------------------------------------------------------------------------------

    def _resolve(self, value: str, scope: dict[str, str]) -> Value | None:
        """The reference a value is, when it names an element of this file; the view writes it back the same."""
        if value in self._ids:
            return {"r": self._ids[value].key}
        prefix, colon, local = value.partition(":")
        if colon and local in self._ids and self._namespace and scope.get(prefix) == self._namespace:
            return {"r": self._ids[local].key, "q": prefix}
        return None

    def _points_at(self, met: _Met) -> _Met | None:
        """What a reference element (<incoming>, <flowNodeRef>) names, when it is plainly written."""
        children = met.node.children
        if met.node.attributes or len(children) != 1 or children[0].tag != TEXT or children[0].cdata is not None:
            return None
        return self._ids.get(children[0].text)

    # -- habits of the file ------------------------------------------------------------------------------------------

    def _find_flows(self) -> None:
        """Which flows end and begin where, in document order."""
        for met in self._all:
            if met.kind != "sequenceFlow" or id(met.node) in self._literal:
                continue
            for side, name in (("incoming", "targetRef"), ("outgoing", "sourceRef")):
                end = self._resolve(met.node.attributes.get(name, ""), met.prefixes)
                if isinstance(end, dict):
                    self._ends[side].setdefault(str(end["r"]), []).append(met.key)

    def _find_habits(self) -> None:
        kinds = {met.kind for met in self._all}
        self._lists_flows = not kinds.isdisjoint(("incoming", "outgoing")) or "sequenceFlow" not in kinds
        self._lists_members = "flowNodeRef" in kinds or "lane" not in kinds

    def _meta(self, root: _Met) -> dict[str, Value]:
        tree = self._tree
        meta: dict[str, Value] = {
            "v": VERSION,
            "root": root.key,
            "io": "all" if self._lists_flows else "none",
            "lref": "all" if self._lists_members else "none",
        }
        if tree.declaration is not None:
            meta["decl"] = [part or "" for part in tree.declaration]
        for name, nodes in (("pro", tree.prolog), ("epi", tree.epilog)):
            if nodes:
                meta[name] = [[node.tag, node.text] for node in nodes]
        return meta

    # -- records -----------------------------------------------------------------------------------------------------

    def _place_children(self, met: _Met) -> None:
        for number, child in enumerate(met.children):
            child.index = nth(number)

    def _record(self, met: _Met) -> Record:
        node = met.node
        made: Record = {"t": node.tag}
        if met.parent is not None:
            made["p"] = [met.parent.key, met.index, self._home(met)]
        if not node.is_element:
            made["x"] = node.text
            if node.cdata is not None:
                made["cd"] = _pieces(node)
            return made
        literal = id(node) in self._literal
        shape = grammar.shape(met.kind)
        for name, value in node.attributes.items():
            type_ = shape.attributes.get(name, ("", False))[0] if shape and not literal else ""
            reference = self._resolve(value, met.prefixes) if type_ in _REFERENCE else None
            made["@" + name] = value if reference is None else reference
        self._fold_text(met, made)
        if not literal:
            self._fold_layout(met, made)
        if literal or not grammar.in_order(met.kind, [child.kind for child in met.children]):
            made["oo"] = "1"
        return made

    def _home(self, met: _Met) -> str:
        """The nearest root-level element: where a node goes when its parents make a circle."""
        at = met
        while at.parent is not None and at.parent.parent is not None:
            at = at.parent
        return at.parent.key if at is met and at.parent is not None else at.key

    def _fold_text(self, met: _Met, made: Record) -> None:
        """Text that is all an element holds becomes its register `x`."""
        if len(met.children) != 1:
            return
        only = met.children[0]
        if only.node.tag != TEXT or not only.node.text or id(met.node) in self._literal:
            return
        only.skipped = True
        text = only.node.text
        reference = None
        if only.node.cdata is None and grammar.content_type(met.kind) in _REFERENCE:
            reference = self._resolve(text, met.prefixes)
        made["x"] = text if reference is None else reference
        if only.node.cdata is not None:
            made["cd"] = _pieces(only.node)

    def _fold_layout(self, met: _Met, made: Record) -> None:
        """dc:Bounds and di:waypoints become one register each: a move is one write."""
        bounds = [child for child in met.children if child.kind == "dc:Bounds"]
        if len(bounds) == 1 and _plain(bounds[0], _BOUNDS):
            node = bounds[0].node
            bounds[0].skipped = True
            made["b"] = [node.tag, bounds[0].index, *(node.attributes[name] for name in _BOUNDS)]
        points = [child for child in met.children if child.kind == "di:waypoint"]
        first = met.children.index(points[0]) if points else 0
        together = met.children[first : first + len(points)] == points
        if points and together and all(_plain(point, _POINT) for point in points):
            tags = {point.node.tag for point in points}
            if len(tags) == 1:
                for point in points:
                    point.skipped = True
                places = [point.node.attributes[name] for point in points for name in _POINT]
                made["w"] = [tags.pop(), points[0].index, *places]

    # -- lists that follow from flows and lanes ----------------------------------------------------------------------

    def _list(self, met: _Met) -> None:
        """<incoming> and <outgoing> of a flow node: left to the view where it writes the same, else kept."""
        if not self._lists_flows:
            return
        habit: dict[str, Value] = {}
        omitted: list[str] = []
        for side, name in (("incoming", "in"), ("outgoing", "out")):
            entries = [child for child in met.children if child.kind == side]
            flows = self._ends[side].get(met.key, [])
            named = [found.key if (found := self._points_at(entry)) else "" for entry in entries]
            exact = (
                "oo" not in self._nodes[met.key]
                and len(set(named)) == len(named)
                and all(key in flows for key in named)
                and all(entry.node.tag == _sibling(met.node.tag, side) for entry in entries)
            )
            if exact:
                for entry in entries:
                    self._drop(entry)
                if named != [flow for flow in flows if flow in named]:
                    habit[name] = list(named)
            else:
                for entry, key in zip(entries, named, strict=True):
                    if key not in flows:
                        self._keep_as_text(entry)
            omitted += [flow for flow in flows if flow not in named]
        if omitted:
            habit["om"] = list(omitted)
        if habit:
            self._nodes[met.key]["ioo"] = habit

    def _members(self, met: _Met) -> None:
        """A lane's members go to a register of the member, one lane a set; what does not fit stays as written."""
        entries = [child for child in met.children if child.kind == "flowNodeRef"]
        if not entries or met.parent is None:
            return
        register = f"l:{met.parent.key}"
        exact = "oo" not in self._nodes[met.key]
        fitting: list[tuple[_Met, _Met]] = []
        for entry in entries:
            member = self._points_at(entry)
            if member is None or member.kind not in flow_nodes() or register in self._nodes[member.key]:
                exact = False
                self._keep_as_text(entry)
                continue
            self._nodes[member.key][register] = [met.key, entry.index]
            fitting.append((entry, member))
        if exact and all(entry.node.tag == _sibling(met.node.tag, "flowNodeRef") for entry in entries):
            for entry, _ in fitting:
                self._drop(entry)

    def _drop(self, entry: _Met) -> None:
        del self._nodes[entry.key]

    def _keep_as_text(self, entry: _Met) -> None:
        """An entry the view would call stale stays to the letter."""
        record = self._nodes[entry.key]
        if isinstance(record.get("x"), dict):
            record["x"] = entry.node.children[0].text


def _kind(node: Node, scope: dict[str, str]) -> str:
    if not node.is_element:
        return node.tag[0]
    prefix, colon, local = node.tag.partition(":")
    if not colon:
        prefix, local = "", node.tag
    plain = grammar.PREFIXES.get(scope.get(prefix, ""))
    return "" if plain is None else plain + local


def kind_of(snapshot: Snapshot, key: str) -> str:
    """The kind of an imported record, by the namespaces declared on the way to it."""
    record = snapshot.nodes[key]
    tag = str(record["t"])
    if tag[0] in "#!?":
        return tag[0]
    prefix, colon, local = tag.partition(":")
    if not colon:
        prefix, local = "", tag
    name = f"@xmlns:{prefix}" if prefix else "@xmlns"
    at: str | None = key
    while at is not None and at in snapshot.nodes:
        if (namespace := snapshot.nodes[at].get(name)) is not None:
            plain = grammar.PREFIXES.get(str(namespace))
            return "" if plain is None else plain + local
        p = snapshot.nodes[at].get("p")
        at = str(p[0]) if isinstance(p, list) else None
    return ""


def _plain(met: _Met, names: tuple[str, ...]) -> bool:
    return not met.children and sorted(met.node.attributes) == sorted(names)


def _pieces(node: Node) -> Value:
    return [[str(length), str(cdata)] for length, cdata in node.cdata or ()]


def _sibling(tag: str, local: str) -> str:
    prefix, colon, _ = tag.partition(":")
    return f"{prefix}:{local}" if colon else local

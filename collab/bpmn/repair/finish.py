"""From the draft to the finished tree: child order, folded bounds and waypoints, references by id, missing prefixes.

Child order is a stable sort by (schema rank, index, key). What has no rank (comments, text, foreign elements) stays
before the sibling it precedes. A parent that was imported out of order (`oo`) keeps the order of the indices.
Mirror of frontend/src/document/view/tree.ts.
"""

from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final

from collab.bpmn.grammar import shape
from collab.bpmn.records import Record, Value
from collab.bpmn.repair.draft import Draft, Repair, declared, flagged, target
from collab.bpmn.repair.names import fit, is_tag
from collab.bpmn.tree import Node

_LAST: Final = 1_000_000_000
_BY_INDEX: Final = itemgetter(0, 1)
_BY_RANK: Final = itemgetter(0)
_KNOWN: Final = {
    "bpmn": "http://www.omg.org/spec/BPMN/20100524/MODEL",
    "bpmndi": "http://www.omg.org/spec/BPMN/20100524/DI",
    "dc": "http://www.omg.org/spec/DD/20100524/DC",
    "di": "http://www.omg.org/spec/DD/20100524/DI",
    "xsi": "http://www.w3.org/2001/XMLSchema-instance",
    "bioc": "http://bpmn.io/schema/bpmn/biocolor/1.0",
    "color": "http://www.omg.org/spec/BPMN/non-normative/color/1.0",
    "camunda": "http://camunda.org/schema/1.0/bpmn",
    "zeebe": "http://camunda.org/schema/zeebe/1.0",
}


@dataclass(slots=True)
class View:
    """The finished tree and what had to be shown otherwise."""

    declaration: tuple[str, str | None, str | None] | None
    prolog: list[Node]
    root: Node
    epilog: list[Node]
    repairs: list[Repair]
    nodes: dict[str, Node] = field(default_factory=dict)  # every node of the tree that has a record
    kinds: dict[str, str] = field(default_factory=dict)


_Placed = tuple[str, str, int | None, Node]  # index, key, rank, node


def outside(listed: Value | None) -> list[Node]:
    """The comments and processing instructions around the root."""
    return [
        Node(entry[0], {}, [], _fitting(entry[0], entry[1]))
        for entry in (listed if isinstance(listed, list) else [])
        if isinstance(entry, list) and len(entry) > 1 and isinstance(entry[0], str) and isinstance(entry[1], str)
        if entry[0] != "#" and entry[0][:1] in ("!", "?") and is_tag(entry[0])
    ]


class Finish:
    """Builds the nodes; derive.py then adds the lists."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.nodes: dict[str, Node] = {}
        # Prefixes can only be missing where something moved or was made: with one declaring root, look nowhere else.
        self._simple = draft.declaring <= {draft.root}
        self._prefixes: dict[str, str] = {}
        self._looked_in: dict[str, str] | None = None
        self._tags: set[str] = set()  # names of elements and attributes that need no declaration in there
        self._names: set[str] = set()

    def build(self, key: str, scope: dict[str, str]) -> Node:
        """One node with all its content."""
        draft = self.draft
        record, tag, kind = draft.nodes[key], draft.tag(key), draft.kind(key)
        node = self.nodes[key] = Node(tag, {}, [], "", None, key)
        content = record.get("x")
        if kind in ("#", "!", "?"):
            node.text = _fitting(tag, content if isinstance(content, str) else "")
            node.cdata = _marks(node.text, record.get("cd"))
            return node
        node.attributes = self._attributes(key, record)
        folded = unfold(record)
        scope = self._declare(key, node, record, scope, folded)
        known = shape(kind)
        ranks = known.ranks if known else {}
        parents, nodes, kind_of = draft.parents, draft.nodes, draft.kind
        placed: list[_Placed] = [
            (_index(nodes[child]), child, ranks.get(kind_of(child)), self.build(child, scope))
            for child in dict.fromkeys(draft.children.get(key, ()))
            if parents.get(child) == key
        ]
        placed += [(index, "", ranks.get(plain), inner) for plain, index, inner in folded]
        if placed:
            node.children = _arrange(placed, as_written=flagged(record.get("oo")) or known is None)
        text = self.written(draft.value(key, "x"))
        if text:
            text = fit(text)
            node.children.insert(0, Node("#", {}, [], text, _marks(text, record.get("cd"))))
        return node

    def written(self, value: Value | None) -> str | None:
        """A value as it stands in the file: a reference is written as the id its target has now."""
        if isinstance(value, str):
            return value
        to = target(value)
        if to is None or not isinstance(value, dict):
            return None
        prefix = value.get("q")
        id_ = self.identity(to)
        return f"{prefix}:{id_}" if isinstance(prefix, str) and prefix else id_

    def identity(self, key: str) -> str:
        """The id an element is shown with."""
        id_ = self.draft.value(key, "@id") if key in self.draft.nodes else None
        return id_ if isinstance(id_, str) else key

    def _attributes(self, key: str, record: Record) -> dict[str, str]:
        changed = self.draft.changed.get(key)
        source = record if changed is None else record | changed
        made = {}
        for name, value in source.items():
            if name[0] == "@":
                text = value if isinstance(value, str) else self.written(value)
                if text is not None:
                    made[name[1:]] = text
        return made

    def _declare(
        self, key: str, node: Node, record: Record, scope: dict[str, str], folded: list[tuple[str, str, Node]]
    ) -> dict[str, str]:
        """Declares here what the node, its bounds and waypoints use and its place does not know."""
        draft = self.draft
        if key in draft.declaring:
            scope = scope | declared(record)
        if self._simple and key != draft.root and draft.root in draft.declaring and self._usual(node, scope, folded):
            return scope
        own = draft.scope(key).prefixes if key in draft.parents else {}
        tags = (node.tag, *(inner.tag for _, _, inner in folded))
        for prefix in sorted({self._prefix(n) for n in tags} | {self._prefix(n) for n in node.attributes if ":" in n}):
            if prefix in ("xml", "xmlns"):
                continue
            wanted = own.get(prefix)  # "" is a namespace that was undone, not one that is missing
            if wanted is None:
                wanted = draft.everywhere.get(prefix) or _KNOWN.get(prefix)
            if wanted is None or scope.get(prefix) == wanted or (not prefix and prefix not in own):
                continue
            scope = scope | {prefix: wanted}
            node.attributes[f"xmlns:{prefix}" if prefix else "xmlns"] = wanted
        return scope

    def _usual(self, node: Node, scope: dict[str, str], folded: list[tuple[str, str, Node]]) -> bool:
        """Every prefix is known here; most nodes are called like others before them."""
        if scope is not self._looked_in:
            self._looked_in, self._tags, self._names = scope, set(), set()
        tags = self._tags
        for tag in (node.tag, *[inner.tag for _, _, inner in folded[:2]]):
            if tag not in tags:
                if self._prefix(tag) not in scope:
                    return False
                tags.add(tag)
        if not node.attributes.keys() <= self._names:
            if not all(not (prefix := self._prefix(name)) or prefix in scope for name in node.attributes):
                return False
            self._names.update(node.attributes)
        return True

    def _prefix(self, name: str) -> str:
        prefix = self._prefixes.get(name)
        if prefix is None:
            prefix = self._prefixes[name] = name.partition(":")[0] if ":" in name else ""
        return prefix


def _fitting(tag: str, text: str) -> str:
    """Text that XML can hold at this place."""
    text = fit(text)
    if tag == "!":
        text = text.replace("--", "- -").replace("--", "- -")
        return text + " " if text.endswith("-") else text
    return text.replace("?>", "? >") if tag.startswith("?") else text


def _index(record: Record) -> str:
    p = record.get("p")
    return p[1] if isinstance(p, list) and len(p) > 1 and isinstance(p[1], str) else ""


def _arrange(placed: list[_Placed], *, as_written: bool) -> list[Node]:
    if len(placed) == 1:
        return [placed[0][3]]
    placed.sort(key=_BY_INDEX)
    if as_written:
        return [node for _, _, _, node in placed]
    following = _LAST
    ranked: list[tuple[int, Node]] = []
    for _, _, own, node in reversed(placed):
        if own is not None:
            following = own
        ranked.append((following, node))
    ranked.reverse()
    ranked.sort(key=_BY_RANK)
    return [node for _, node in ranked]


def unfold(record: Record) -> list[tuple[str, str, Node]]:
    """Bounds and waypoints as elements: (kind, index, node)."""
    made: list[tuple[str, str, Node]] = []
    if (b := _texts(record.get("b"), 6)) is not None:
        tag, index, x, y, width, height = b[:6]
        made.append(("dc:Bounds", index, Node(tag, {"x": x, "y": y, "width": width, "height": height}, [])))
    if (w := _texts(record.get("w"), 4)) is not None:
        tag, index = w[:2]
        made += [
            ("di:waypoint", index, Node(tag, {"x": x, "y": y}, [])) for x, y in zip(w[2::2], w[3::2], strict=False)
        ]
    return made


def _texts(value: Value | None, least: int) -> list[str] | None:
    if not isinstance(value, list) or len(value) < least:
        return None
    parts = [part for part in value if isinstance(part, str)]
    return parts if len(parts) == len(value) else None


def _marks(text: str, cd: Value | None) -> list[tuple[int, int]] | None:
    """CDATA segments, while they still fit the text."""
    if not isinstance(cd, list):
        return None
    pairs = [
        (int(str(pair[0])), int(str(pair[1])))
        for pair in cd
        if isinstance(pair, list) and len(pair) == 2 and all(str(part).isdecimal() for part in pair)
    ]
    return pairs if pairs and sum(length for length, _ in pairs) == len(text) else None

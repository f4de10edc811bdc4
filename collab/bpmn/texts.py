"""What people wrote into a diagram, element by element, for search: names, documentation, annotations. Pure."""

from dataclasses import dataclass
from typing import Final

from collab.bpmn import words, xml
from collab.bpmn.kinds import walk
from collab.bpmn.tree import Node

ENTRIES: Final = 20_000  # of one diagram; what stands further down in the file is not found
LONGEST_TEXT: Final = 10_000  # characters of one entry
LONGEST_ID: Final = 200  # an element with a longer id is not found
_OF_PARENT: Final = ("documentation", "text")
_WEIGHTS: Final = {"name": "B", "documentation": "C", "text": "B"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One text of one element, ready for the index."""

    field: str
    element_id: str
    element_type: str
    body: str
    words: str


def entries(data: bytes, tag: str) -> list[Entry]:
    """The texts of a BPMN file, each element and field once, for the owner of a tag. Raises collab.bpmn.errors."""
    found: dict[tuple[str, str], tuple[str, list[str]]] = {}
    owners: dict[int, tuple[str, str]] = {}  # of every element's children: whose documentation a text is
    for node, kind in walk(xml.parse(data).root):
        plain = kind and ":" not in kind and kind not in _OF_PARENT
        own = node.attributes.get("id", "") if plain else ""
        owner = (own, kind) if own and len(own) <= LONGEST_ID else owners.get(id(node))
        if owner is None or len(found) >= ENTRIES:
            continue
        owners.update((id(child), owner) for child in node.children)
        element, type_ = owner
        if own and (name := node.attributes.get("name", "").strip()):
            found.setdefault(("name", element), (type_, []))[1].append(name)
        if kind in _OF_PARENT and (said := _said(node)):
            found.setdefault((kind, element), (type_, []))[1].append(said)
    return [_entry(field, element, type_, "\n".join(texts), tag) for (field, element), (type_, texts) in found.items()]


def _entry(field: str, element: str, type_: str, body: str, tag: str) -> Entry:
    kept = body[:LONGEST_TEXT]
    return Entry(field, element, type_, kept, words.vector(kept, _WEIGHTS[field], tag))


def _said(node: Node) -> str:
    return "".join(child.text for child in node.children if child.tag == "#").strip()

"""Walks a finished tree and says what each element is, whatever prefixes the file uses.

For readers of whole files (summary, thumbnail); the view knows the kinds of its records itself.
"""

from collections.abc import Iterator

from collab.bpmn.grammar import PREFIXES
from collab.bpmn.tree import Node


def walk(root: Node) -> Iterator[tuple[Node, str]]:
    """Every element with its kind (see grammar.py; "" is foreign), in the order of the file."""
    open_: list[tuple[Node, dict[str, str]]] = [(root, {})]
    while open_:
        node, outer = open_.pop()
        own = {
            name[6:]: value for name, value in node.attributes.items() if name == "xmlns" or name.startswith("xmlns:")
        }
        scope = outer | own if own else outer
        prefix, colon, local = node.tag.partition(":")
        if not colon:
            prefix, local = "", node.tag
        plain = PREFIXES.get(scope.get(prefix, ""))
        yield node, "" if plain is None else plain + local
        open_ += [(child, scope) for child in reversed(node.children) if child.is_element]

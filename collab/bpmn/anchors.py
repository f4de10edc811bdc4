"""Where comments are anchored: which elements a document shows, and what those are called that it does not show any more.

Pure; runs in the workshop for collab/comments.py.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from collab.bpmn import document, repair

LONGEST: Final = 200  # characters of a name


@dataclass(frozen=True, slots=True)
class Anchor:
    """An element by its last name; `shown` while people can see it."""

    name: str | None
    shown: bool


def look(updates: Sequence[bytes], wanted: Collection[str]) -> dict[str, Anchor]:
    """What became of these elements, by id. One that is not in the answer is not remembered, or never was."""
    snapshot = document.read(document.load(updates))
    found = {
        str(record["@id"]): Anchor(_name(record.get("@name")), shown=False)
        for record in snapshot.nodes.values()
        if record.get("@id") in wanted
    }
    for node in repair.view(snapshot).nodes.values():
        if (element := node.attributes.get("id")) in wanted:
            found[str(element)] = Anchor(_name(node.attributes.get("name")), shown=True)
    return found


def _name(value: Any) -> str | None:
    return value[:LONGEST] if isinstance(value, str) and value else None

"""XML as plain data: what the parser reads, what the view yields, what the writer prints. Names stand as written.

One type for all three, so that there is one way through the house: text -> Tree -> records -> Tree -> text.
"""

from dataclasses import dataclass, field
from typing import Final

TEXT: Final = "#"
COMMENT: Final = "!"
INSTRUCTION: Final = "?"  # followed by the target: "?xml-stylesheet"


@dataclass(slots=True)
class Node:
    """An element, a run of text, a comment or a processing instruction."""

    tag: str  # lexical name; "#" text, "!" comment, "?target" processing instruction
    attributes: dict[str, str] = field(default_factory=dict)  # as written, namespace declarations included
    children: list["Node"] = field(default_factory=list)
    text: str = ""  # of "#", "!" and "?..." only
    cdata: list[tuple[int, int]] | None = None  # of "#": (length, 1 inside CDATA | 0) pieces; None = no CDATA
    key: str | None = None  # the record this came from; None on parsed and on derived nodes

    @property
    def is_element(self) -> bool:
        """Neither text nor comment nor instruction."""
        return self.tag[0] not in "#!?"


@dataclass(slots=True)
class Tree:
    """A whole document: the XML declaration as found, the root, and what stands before and after it."""

    declaration: tuple[str, str | None, str | None] | None  # version, encoding, standalone ("yes" | "no")
    root: Node
    prolog: list[Node] = field(default_factory=list)
    epilog: list[Node] = field(default_factory=list)

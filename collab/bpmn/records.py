"""The shape of a diagram as a flat table of records; the shared document holds exactly this.

`meta`  v       "1", version of shape and rules
        root    key of the root element's record
        decl    [version, encoding | "", standalone | ""], absent where the file had no XML declaration
        pro epi nodes before and after the root: [["!", text] | ["?target", data], ...]
        io      "all" | "none": whether the file writes <incoming>/<outgoing>; lref: the same for a lane's <flowNodeRef>

record  t       lexical tag; "#" text, "!" comment, "?target" processing instruction
        p       [parent key, index, home key]: parent and position move together; home is the nearest root-level element
        d       1 = deleted (soft: what others edited meanwhile must not be lost)
        @name   one register per attribute, the value as written; a reference that resolved: {"r": key, "q": prefix}
        x       text: a string, a {"r": key}, or (in the shared document) a Y.Text, which reads as a string
        cd      CDATA pieces of that text: [[length, "1" | "0"], ...] as strings
        b       folded dc:Bounds: [tag, index, x, y, width, height]; w: folded di:waypoints [tag, index, x1, y1, ...]
        l:KEY   membership in a lane of lane set KEY: [lane key, index]; one register, so one lane a set at most
        oo      "1" = this parent's children stood out of schema order when imported; they keep their order
        ioo     {"in": [...], "out": [...], "om": [...]}: flows as the file listed them, and those it left out
        qk      {rule: hash}: rules this record broke at import; the view skips a rule while the hash still matches

One register is one unit of conflict. Numbers are strings (but for `d`): pycrdt gives integers in arrays back as floats.
Keys: an imported element's unique id, else "~n"; created ones "~client.n"; singletons "owner/name". Keys never change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

Value: TypeAlias = str | int | float | Sequence["Value"] | Mapping[str, "Value"]
Record: TypeAlias = dict[str, Value]

VERSION: Final = "1"


@dataclass(slots=True)
class Snapshot:
    """All registers of one document as plain data."""

    meta: dict[str, Value]
    nodes: dict[str, Record]


@dataclass(frozen=True, slots=True)
class Change:
    """One register to write; None takes it away. A record appears with its first register."""

    key: str
    register: str
    value: Value | None

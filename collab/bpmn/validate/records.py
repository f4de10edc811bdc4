"""The same question asked of records, for those who have no text at hand: the fuzz asks it of every merge."""

from collections.abc import Iterator
from typing import Final

from collab.bpmn import grammar, imports
from collab.bpmn.records import Snapshot
from collab.bpmn.validate.model import Problem

_REFERENCES: Final = frozenset(("xsd:IDREF", "xsd:QName"))


def unresolved(snapshot: Snapshot) -> Iterator[Problem]:
    """A reference that the import could not resolve: it names something that is not in the file, or is there twice."""
    there = {record["@id"] for record in snapshot.nodes.values() if isinstance(record.get("@id"), str)}
    for key, record in snapshot.nodes.items():
        shape = grammar.shape(imports.kind_of(snapshot, key))
        if shape is None:
            continue
        for register, value in record.items():
            type_ = shape.attributes.get(register[1:], ("",))[0] if register.startswith("@") else ""
            if type_ in _REFERENCES and isinstance(value, str) and value and ":" not in value:
                rule, what = (
                    ("ambiguous", "there more than once") if value in there else ("unresolved", "not in the file")
                )
                yield Problem(
                    rule, str(record.get("@id") or key), f"{register[1:]} names “{value}”, which is {what}", "error"
                )

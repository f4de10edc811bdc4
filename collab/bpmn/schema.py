"""Is this text valid against the BPMN 2.0 schema? Answers with problems in plain words, never raises for a bad diagram.

The five schema files are not ours and not in the repository: `./run` copies them from the npm package bpmn-moddle
into collab/bpmn/xsd/. The one door to lxml. The compiled schema is kept for the life of the process.
"""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from itertools import islice
from typing import Any, Final

from lxml import etree

MOST: Final = 50  # problems reported for one file; a broken file has thousands
_NAMESPACE: Final = re.compile(r"\{[^}]*\}")


@dataclass(frozen=True, slots=True)
class Problem:
    """One place where the text breaks the schema."""

    line: int
    text: str
    element: str | None = None  # the nearest id


@cache
def _schema() -> etree.XMLSchema:
    with as_file(files("collab.bpmn").joinpath("xsd")) as folder:
        return etree.XMLSchema(etree.parse(str(folder / "BPMN20.xsd"), _parser()))


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)


def problems(xml: bytes) -> list[Problem]:
    """What is wrong with the text, first things first; an empty list means valid."""
    try:
        document = etree.fromstring(xml, _parser()).getroottree()
    except etree.XMLSyntaxError as error:
        told = str(error.msg).partition(", line ")[0]  # the line is told beside it
        return [Problem(error.lineno or 0, f"namespaces are not well-formed: {told}")]
    schema = _schema()
    if schema.validate(document):
        return []
    entries = list(islice(schema.error_log, MOST))  # type: ignore[call-overload]
    ids = _ids(document, {entry.line for entry in entries})
    return [Problem(entry.line, _plain(entry.message), ids.get(entry.line)) for entry in entries]


def _ids(document: Any, lines: set[int]) -> dict[int, str]:
    """The nearest id of the first element that begins on each of these lines."""
    found: dict[int, str] = {}
    for element in document.iter(etree.Element):
        if element.sourceline in lines and element.sourceline not in found:
            named = next((one.get("id") for one in (element, *element.iterancestors()) if one.get("id")), None)
            if named is not None:
                found[element.sourceline] = named
    return found


def _plain(message: str) -> str:
    """libxml2's words without the namespaces, which only make them long."""
    return _NAMESPACE.sub("", message).replace("Element '", "element '", 1).strip()

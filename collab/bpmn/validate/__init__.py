"""Is this a sound model? The schema's rules, references that lead somewhere, flow where BPMN forbids it, what is drawn.

One small function a rule; each gives problems and never raises for a bad diagram. An *error* is what another tool may
not read as it is meant: the diagram is marked as not valid. A *warning* is what BPMN forbids or everybody would ask about.
A save is never refused for either. Pure; called by diagram.py for the mark, by api/validation.py and by the command line.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from collab.bpmn import grammar, schema, xml
from collab.bpmn.errors import MalformedError
from collab.bpmn.tree import Tree
from collab.bpmn.validate import drawing, events, flow, parts, references
from collab.bpmn.validate.model import Model, Problem
from collab.bpmn.validate.records import unresolved

__all__ = ["GRAVE", "RULES", "Problem", "read", "sound", "unresolved", "validate"]

MOST: Final = 200
_UTF8: Final = ("utf-8", "utf8", "us-ascii", "ascii")

Rule = Callable[[Model], Iterator[Problem]]
# Those that may find an error; the mark of a version asks no others.
GRAVE: Final[tuple[Rule, ...]] = (
    references.duplicate,
    references.unresolved,
    references.wrong_target,
    parts.nothing,
    flow.default,
    events.host,
    drawing.wrong_form,
)
RULES: Final[tuple[Rule, ...]] = (
    *GRAVE,
    parts.call,
    parts.lanes,
    flow.into_start,
    flow.out_of_end,
    flow.crossing,
    flow.into_boundary,
    flow.apart,
    flow.condition,
    flow.event_based,
    flow.lists,
    flow.loose,
    flow.message_flow,
    events.trigger,
    events.event_sub_process,
    events.cancel,
    events.timer,
    events.link,
    drawing.no_diagram,
    drawing.undrawn,
    drawing.twice,
    drawing.size,
)


def validate(text: bytes, charset: str | None = None) -> list[Problem]:
    """What is wrong with a file, schema first. Raises the errors of collab.bpmn.errors for what cannot be read at all."""
    tree = read(text, charset)
    # Lines are those of the text where it can be handed on as it is.
    declared = (charset or (tree.declaration[1] if tree.declaration else None) or "utf-8").lower()
    as_sent = declared in _UTF8 and not text.startswith((b"\xff\xfe", b"\xfe\xff"))
    found = [
        Problem("schema", one.element, f"line {one.line}: {one.text}", "error")
        for one in schema.problems(text if as_sent else xml.write(tree))
    ]
    model = Model(tree)
    found += [problem for rule in RULES for problem in islice(rule(model), MOST)]
    return found[:MOST]


def sound(tree: Tree) -> bool:
    """Does no rule of ours find an error? The schema is not asked."""
    model = Model(tree)
    return not any(problem.severity == "error" for rule in GRAVE for problem in rule(model))


def read(data: bytes, charset: str | None = None) -> Tree:
    """Parsed, and with BPMN definitions at the root."""
    tree = xml.parse(data, charset)
    prefix, _, local = tree.root.tag.rpartition(":")
    namespace = tree.root.attributes.get(f"xmlns:{prefix}" if prefix else "xmlns")
    if local != "definitions" or namespace != grammar.MODEL:
        raise MalformedError("this is XML, but not a BPMN 2.0 file: its root is not `definitions` of BPMN 2.0", "root")
    return tree

"""Ids and what refers to them: each id once, each reference to something that is there and of the right kind."""

from collections.abc import Iterator
from functools import cache
from typing import Final

from collab.bpmn import grammar
from collab.bpmn.repair.derive import flow_nodes
from collab.bpmn.validate.model import Element, Model, Problem, kinds_of

_TYPES: Final = frozenset(("xsd:IDREF", "xsd:QName"))
# What may be said of things outside the file: types of data, implementations, what another file defines.
_OUTWARD: Final = frozenset(
    ("structureRef", "type", "evaluatesToTypeRef", "implementationRef", "definition", "calledElement", "supports",
     "calledCollaborationRef", "calledChoreographyRef", "supportedInterfaceRef", "source", "target", "endPointRef")
)  # fmt: skip
# Those that are called like what they lead to.
_NAMED: Final = frozenset(
    ("messageRef", "errorRef", "signalRef", "escalationRef", "dataObjectRef", "dataStoreRef", "processRef", "operationRef",
     "interfaceRef", "categoryValueRef", "participantRef", "resourceRef", "messageFlowRef", "correlationPropertyRef",
     "correlationKeyRef")
)  # fmt: skip
_CALLABLE: Final = frozenset(
    ("process", "globalTask", "globalUserTask", "globalManualTask", "globalScriptTask", "globalBusinessRuleTask")
)


@cache
def _targets(kind: str, name: str) -> frozenset[str] | None:
    """The kinds that a reference of this name may lead to; None when any may."""
    if kind == "sequenceFlow" and name in ("sourceRef", "targetRef"):
        return flow_nodes()
    if name in _NAMED:
        return frozenset((name.removesuffix("Ref"),))
    return {
        "incoming": frozenset(("sequenceFlow",)),
        "outgoing": frozenset(("sequenceFlow",)),
        "default": frozenset(("sequenceFlow",)),
        "flowNodeRef": flow_nodes(),
        "attachedToRef": kinds_of("activity"),
        "activityRef": kinds_of("activity"),
        "calledElement": _CALLABLE,
        "itemRef": frozenset(("itemDefinition",)),
        "itemSubjectRef": frozenset(("itemDefinition",)),
        "inMessageRef": frozenset(("message",)),
        "outMessageRef": frozenset(("message",)),
        "eventDefinitionRef": grammar.members("eventDefinition"),
        "labelStyle": frozenset(("bpmndi:BPMNLabelStyle",)),
        "choreographyActivityShape": frozenset(("bpmndi:BPMNShape",)),
    }.get(name)


def _references(model: Model) -> Iterator[tuple[Element, str, str]]:
    """Every reference: the element that makes it, its name, its value. A list's entry is its owner's reference."""
    for kind in grammar.known():
        shape = grammar.shape(kind)
        names = [name for name, (type_, _) in shape.attributes.items() if type_ in _TYPES] if shape else []
        written = grammar.content_type(kind) in _TYPES
        for element in model.of(kind) if names or written else ():
            yield from ((element, name, value) for name in names if (value := element.get(name)))
            if written and element.text:
                yield element.above or element, kind, element.text


def duplicate(model: Model) -> Iterator[Problem]:
    """An id that several elements have."""
    for id_, found in model.by_id.items():
        for other in found[1:]:
            message = f"the id {id_} is taken already, by {found[0]}; give {other} another"
            yield other.problem("duplicate", message, "error")


def unresolved(model: Model) -> Iterator[Problem]:
    """A reference to something that is not in the file, or is there twice."""
    for element, name, value in _references(model):
        id_ = model.local(element, value)
        if id_ is None or name in _OUTWARD:
            continue
        found = model.by_id.get(id_, ())
        if len(found) > 1:
            message = f"{name} of {element} names “{value}”, which is there more than once; make the ids differ"
            yield element.problem("ambiguous", message, "error")
        elif not found:
            message = f"{name} of {element} names “{value}”, which is not in the file; add it, or choose another"
            yield element.problem("unresolved", message, "error")


def wrong_target(model: Model) -> Iterator[Problem]:
    """A reference to something of another kind than it may name."""
    for element, name, value in _references(model):
        wanted = _targets(element.kind, name)
        found = model.led(element, value)
        if wanted is not None and found is not None and found.kind not in wanted:
            one = f"a {next(iter(wanted))}" if len(wanted) == 1 else "something else"
            message = f"{name} of {element} names {found}; it must be {one}"
            yield element.problem("target", message, "error")

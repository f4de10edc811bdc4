"""Diagram interchange: what is drawn, once, as what it is."""

from collections.abc import Iterator
from typing import Final

from collab.bpmn import grammar
from collab.bpmn.repair.derive import flow_nodes
from collab.bpmn.validate.model import Element, Model, Problem

_SHAPES: Final = ("bpmndi:BPMNShape",)
_EDGES: Final = ("bpmndi:BPMNEdge",)
_LINES: Final = frozenset(
    ("sequenceFlow", "messageFlow", "association", "conversationLink", "dataInputAssociation", "dataOutputAssociation")
)


def _boxes() -> frozenset[str]:
    """What is drawn as a shape."""
    more = {"participant", "lane", "textAnnotation", "group", "dataObjectReference", "dataStoreReference"}
    return flow_nodes() | more | (grammar.members("conversationNode") - {"conversationNode"})


def _drawn(model: Model) -> Iterator[tuple[Element, Element]]:
    """Every shape and edge with what it draws."""
    for form in model.of(*_SHAPES, *_EDGES):
        if (element := model.led(form, form.get("bpmnElement"))) is not None:
            yield form, element


def no_diagram(model: Model) -> Iterator[Problem]:
    """A file in which nothing is drawn."""
    if not model.of("bpmndi:BPMNDiagram") and model.nodes():
        yield model.root.problem("drawing", "nothing in this file is drawn; lay it out in an editor")


def undrawn(model: Model) -> Iterator[Problem]:
    """An element without a shape or edge, where its neighbours have theirs."""
    drawn = {element for _, element in _drawn(model)}
    shown = {element.above for element in drawn}
    for element in model.of(*sorted(_boxes()), *sorted(_LINES - {"dataInputAssociation", "dataOutputAssociation"})):
        in_steps = (
            element.kind in ("messageFlow", "participant")
            and element.above is not None
            and (
                element.above.kind == "choreography"  # its activities show who takes part
            )
        )
        if element not in drawn and element.above in shown and not in_steps:
            form = "edge" if element.kind in _LINES else "shape"
            yield element.problem("drawing", f"{element} has no {form} and is not seen; draw it")


def twice(model: Model) -> Iterator[Problem]:
    """Two shapes of one element on one plane."""
    seen: set[tuple[Element, Element | None, str]] = set()
    for form, element in _drawn(model):
        place = (element, form.above, form.get("choreographyActivityShape"))
        if place in seen:
            yield element.problem("drawing", f"{element} is drawn twice on one plane; take one away")
        seen.add(place)


def wrong_form(model: Model) -> Iterator[Problem]:
    """A shape of a line, or an edge of what is no line."""
    boxes = _boxes()
    for form, element in _drawn(model):
        if form.kind in _SHAPES and element.kind in _LINES:
            yield form.problem("drawing", f"{element} is drawn as a shape; draw it as an edge", "error")
        elif form.kind in _EDGES and element.kind in boxes:
            yield form.problem("drawing", f"{element} is drawn as an edge; draw it as a shape", "error")


def size(model: Model) -> Iterator[Problem]:
    """A shape without extent."""
    for form, element in _drawn(model):
        for bounds in form.holds("dc:Bounds"):
            if _least(bounds) <= 0 and element.kind in _boxes():
                yield element.problem("drawing", f"{element} has no width or no height and is not seen; resize it")


def _least(bounds: Element) -> float:
    try:
        return min(float(bounds.get("width")), float(bounds.get("height")))
    except ValueError:
        return 1.0  # the schema says what is wrong with it

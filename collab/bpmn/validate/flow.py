"""Sequence and message flow: where it may lead, what guards it, and what nothing reaches."""

from collections.abc import Iterator
from typing import Final

from collab.bpmn.validate.model import Element, Model, Problem, kinds_of

_CATCHING: Final = frozenset(
    ("messageEventDefinition", "timerEventDefinition", "conditionalEventDefinition", "signalEventDefinition")
)
_SPLITTING: Final = frozenset(("exclusiveGateway", "inclusiveGateway", "complexGateway"))
_CONTAINERS: Final = frozenset(("process", "subProcess", "transaction", "adHocSubProcess"))
_ENOUGH: Final = 2  # ways out of an event-based gateway


def into_start(model: Model) -> Iterator[Problem]:
    """Flow into a start event."""
    for event in model.of("startEvent"):
        for flow in model.incoming.get(event, ()):
            yield flow.problem("start", f"{flow} leads into {event}, where a process begins; let it end elsewhere")


def out_of_end(model: Model) -> Iterator[Problem]:
    """Flow out of an end event."""
    for event in model.of("endEvent"):
        for flow in model.outgoing.get(event, ()):
            message = f"{flow} leads out of {event}, where a process ends; make it an intermediate event"
            yield flow.problem("end", message)


def into_boundary(model: Model) -> Iterator[Problem]:
    """Flow into an event on a border, which only its host can set off."""
    for event in model.of("boundaryEvent"):
        for flow in model.incoming.get(event, ()):
            yield flow.problem("boundary", f"{flow} leads into {event}, which stands on a border; let it end elsewhere")


def crossing(model: Model) -> Iterator[Problem]:
    """Flow from one process or sub-process into another."""
    for flow in model.of("sequenceFlow"):
        source, target = (model.led(flow, flow.get(name)) for name in ("sourceRef", "targetRef"))
        if source is None or target is None or source.above is target.above:
            continue
        instead = "use a message flow" if _process(source) is not _process(target) else "let it end at the border"
        message = f"{flow} leads from one process or sub-process into another, {source} to {target}; {instead}"
        yield flow.problem("crossing", message)


def _process(element: Element) -> Element | None:
    at: Element | None = element
    while at is not None and at.kind not in ("process", "choreography"):
        at = at.above
    return at


def apart(model: Model) -> Iterator[Problem]:
    """Flow at what is outside the flow: event sub-processes, what only undoes something."""
    for node in model.of(*sorted(kinds_of("activity"))):
        flows = model.incoming.get(node, []) + model.outgoing.get(node, [])
        if flows and node.get("triggeredByEvent") in ("true", "1"):
            message = f"{node} is begun by an event and is no part of the flow; take {flows[0]} away"
            yield node.problem("apart", message)
        elif flows and node.get("isForCompensation") in ("true", "1"):
            yield node.problem("apart", f"{node} only makes good and is no part of the flow; take {flows[0]} away")


def default(model: Model) -> Iterator[Problem]:
    """A default flow that is not one of those that leave, or that has a condition."""
    for node in model.nodes():
        flow = model.led(node, node.get("default"))
        if flow is None or flow.kind != "sequenceFlow":
            continue
        if flow not in model.outgoing.get(node, ()):
            message = f"the default flow of {node} is {flow}, which does not leave it; choose one that does"
            yield node.problem("default", message, "error")
        elif any(flow.holds("conditionExpression")):
            yield flow.problem("default", f"{flow} is the default flow of {node} and has a condition; take one away")


def condition(model: Model) -> Iterator[Problem]:
    """A condition where all flows are taken, or where an event decides."""
    for flow in model.of("sequenceFlow"):
        source = model.led(flow, flow.get("sourceRef"))
        if source is None or not any(flow.holds("conditionExpression")):
            continue
        if source.kind not in _SPLITTING and source.kind not in kinds_of("activity"):
            yield flow.problem("condition", f"{flow} has a condition, and {source} never asks it; take it away")


def event_based(model: Model) -> Iterator[Problem]:
    """What an event-based gateway waits for: catching events or receive tasks, at least two."""
    for gateway in model.of("eventBasedGateway"):
        flows = model.outgoing.get(gateway, [])
        for flow in flows:
            target = model.led(flow, flow.get("targetRef"))
            if target is None or target.kind == "receiveTask":
                continue
            waits = target.kind == "intermediateCatchEvent" and (
                any(target.holds(*_CATCHING)) or any(target.holds("eventDefinitionRef"))
            )
            if not waits:
                message = f"{gateway} leads to {target}, which waits for nothing; put a catching event there"
                yield flow.problem("gateway", message)
        if 0 < len(flows) < _ENOUGH:
            yield gateway.problem("gateway", f"{gateway} has one way out and nothing to choose; add another")


def lists(model: Model) -> Iterator[Problem]:
    """<incoming> and <outgoing> that say otherwise than the flows do."""
    for node in model.nodes():
        for side, flows in (("incoming", model.incoming), ("outgoing", model.outgoing)):
            there = flows.get(node, [])
            listed = [model.led(entry, entry.text) for entry in node.holds(side)]
            wrong = next((one for one in listed if one is not None and one not in there), None)
            if wrong is not None:
                way = "end" if side == "incoming" else "begin"
                yield node.problem(
                    "lists", f"{node} lists {wrong} as {side}, and that does not {way} there; take it out"
                )
            elif listed and len(set(listed)) < len(there):
                yield node.problem("lists", f"{node} does not list every {side} flow; list all or none")


def loose(model: Model) -> Iterator[Problem]:
    """What no flow reaches or leaves, among others that have flow."""
    for node in model.nodes():
        holder = node.above
        if (
            holder is None
            or holder.kind not in _CONTAINERS - {"adHocSubProcess"}
            or not any(holder.holds("sequenceFlow"))
        ):
            continue
        outside = node.kind == "boundaryEvent" or any(
            node.get(name) in ("true", "1") for name in ("triggeredByEvent", "isForCompensation")
        )
        link = any(node.holds("linkEventDefinition", "compensateEventDefinition"))
        if not outside and not link and node not in model.incoming and node not in model.outgoing:
            yield node.problem("loose", f"no flow leads to {node} or from it; connect it")


def message_flow(model: Model) -> Iterator[Problem]:
    """Message flow inside one pool."""
    pools = {process: pool for pool in model.of("participant") if (process := model.led(pool, pool.get("processRef")))}
    for flow in model.of("messageFlow"):
        ends = [model.led(flow, flow.get(name)) for name in ("sourceRef", "targetRef")]
        sides = [
            pools.get(end if end.kind == "process" else _process(end) or end, end) for end in ends if end is not None
        ]
        if len(sides) == len(ends) and sides[0] is sides[1]:
            yield flow.problem(
                "message", f"{flow} stays within {sides[0]}; use a sequence flow, or let it end in another pool"
            )

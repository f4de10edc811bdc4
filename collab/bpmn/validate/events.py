"""Events: what they stand on, what sets them off, which belong together."""

from collections.abc import Iterator
from typing import Final

from collab.bpmn import grammar
from collab.bpmn.validate.model import Element, Model, Problem, kinds_of

_TIMES: Final = ("timeDate", "timeDuration", "timeCycle")


def _definitions(event: Element) -> list[Element]:
    kinds = grammar.members("eventDefinition")
    return [part for part in event.below if part.kind in kinds or part.kind == "eventDefinitionRef"]


def host(model: Model) -> Iterator[Problem]:
    """A boundary event on something that is not beside it."""
    for event in model.of("boundaryEvent"):
        on = model.led(event, event.get("attachedToRef"))
        if on is not None and on.kind in kinds_of("activity") and on.above is not event.above:
            message = f"{event} stands on {on}, which is in another process or sub-process; move it there"
            yield event.problem("host", message, "error")


def trigger(model: Model) -> Iterator[Problem]:
    """An event that waits for nothing where something must set it off."""
    for event in model.of("boundaryEvent", "intermediateCatchEvent"):
        if not _definitions(event):
            yield event.problem("trigger", f"{event} waits for nothing; say what sets it off")


def event_sub_process(model: Model) -> Iterator[Problem]:
    """An event sub-process begins with one event, and that has a trigger."""
    for part in model.of("subProcess"):
        if part.get("triggeredByEvent") not in ("true", "1"):
            continue
        starts = list(part.holds("startEvent"))
        if len(starts) != 1:
            yield part.problem(
                "trigger", f"{part} is begun by an event and has {len(starts)} start events; it needs one"
            )
        elif not _definitions(starts[0]):
            yield starts[0].problem("trigger", f"{starts[0]} begins {part} and waits for nothing; say what sets it off")


def cancel(model: Model) -> Iterator[Problem]:
    """Cancelling outside a transaction."""
    for definition in model.of("cancelEventDefinition"):
        event = definition.above
        if event is None or event.kind not in ("endEvent", "boundaryEvent"):
            continue
        at = model.led(event, event.get("attachedToRef")) if event.kind == "boundaryEvent" else event.above
        if at is not None and at.kind != "transaction":
            yield event.problem("cancel", f"{event} cancels {at}, which is no transaction; make it one")


def timer(model: Model) -> Iterator[Problem]:
    """A timer without a time."""
    for definition in model.of("timerEventDefinition"):
        if not any(definition.holds(*_TIMES)) and definition.above is not None:
            message = f"{definition.above} is set off by a timer and has no time; add a date, a duration or a cycle"
            yield definition.problem("timer", message)


def link(model: Model) -> Iterator[Problem]:
    """Links leave by one name and arrive by it, at one place, in the same process or sub-process."""
    there: dict[tuple[Element | None, str], tuple[list[Element], list[Element]]] = {}
    for definition in model.of("linkEventDefinition"):
        event = definition.above
        if event is None or event.kind not in ("intermediateThrowEvent", "intermediateCatchEvent"):
            continue
        sides = there.setdefault((event.above, definition.get("name")), ([], []))
        sides[event.kind == "intermediateCatchEvent"].append(event)
    for (_, name), (leaving, arriving) in there.items():
        for event in leaving if not arriving else ():
            yield event.problem(
                "link", f"{event} leaves by link “{name}”, and nothing here arrives by it; add its partner"
            )
        for event in arriving if not leaving else ():
            yield event.problem(
                "link", f"{event} arrives by link “{name}”, and nothing here leaves by it; add its partner"
            )
        for event in arriving[1:]:
            yield event.problem("link", f"{event} and {arriving[0]} both arrive by link “{name}”; name one otherwise")

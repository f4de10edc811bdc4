"""What a model must have, and what belongs to what: processes, called elements, lanes."""

from collections.abc import Iterator

from collab.bpmn.validate.model import Model, Problem


def nothing(model: Model) -> Iterator[Problem]:
    """A file without anything to run, draw or talk about."""
    if not model.of("process", "collaboration", "choreography", "globalConversation", "globalChoreographyTask"):
        yield model.root.problem("empty", "the file holds no process; add one", "error")


def call(model: Model) -> Iterator[Problem]:
    """A call activity that does not say what it calls; tools may say it in words of their own."""
    for activity in model.of("callActivity"):
        own = [name for name in activity.node.attributes if ":" in name and not name.startswith("xmlns")]
        extended = any(part.below for part in activity.holds("extensionElements"))
        if not activity.get("calledElement") and not own and not extended:
            yield activity.problem("call", f"{activity} does not say what it calls; set calledElement")


def lanes(model: Model) -> Iterator[Problem]:
    """A lane that lists what is not in its process, or two lanes of one set that list the same."""
    for lane_set in model.of("laneSet", "childLaneSet"):
        holder = lane_set.above
        while holder is not None and holder.kind in ("lane", "laneSet", "childLaneSet"):
            holder = holder.above
        taken: dict[str, str] = {}
        for lane in lane_set.holds("lane"):
            for entry in lane.holds("flowNodeRef"):
                member = model.led(entry, entry.text)
                if member is None:
                    continue
                if member.above is not holder:
                    message = f"{lane} lists {member}, which is not in {holder}; take it out of the lane"
                    yield lane.problem("lane", message)
                first = taken.setdefault(member.id or "", str(lane))
                if first != str(lane):
                    yield member.problem("lane", f"{member} stands in {first} and in {lane}; leave it in one of them")

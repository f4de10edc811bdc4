"""Other people's reference files, imported through the page and edited by two: the XML differs by exactly the edits."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree
from playwright.sync_api import expect

from tests.browser.infoset import canonical, changed, differences, moved, renamed
from tests.browser.pages import Person
from tests.interop.clients import eventually

pytestmark = [pytest.mark.browser]
Arrive = Callable[..., Person]

REFERENCES = 21
IN_A_USUAL_RUN = ("A.1.0", "C.8.0")
LONG = bool(os.environ.get("COLANE_LONG_MINUTES"))


@pytest.fixture
def files(corpus: Path) -> list[Path]:
    found = sorted((corpus / "miwg-reference").glob("*.bpmn"))
    assert len(found) == REFERENCES
    return found if LONG else [path for path in found if path.stem in IN_A_USUAL_RUN]


def tasks(xml: bytes) -> list[str]:
    """Ids of the activities of a file that are drawn."""
    root = etree.fromstring(xml)
    drawn = {str(shape.get("bpmnElement")).rpartition(":")[2] for shape in root.iter("{*}BPMNShape")}
    activity = re.compile(r"\{[^}]*\}(\w*[tT]ask|callActivity)$")
    found = [str(each.get("id")) for each in root.iter("{*}*") if activity.match(str(each.tag))]
    return [id_ for id_ in found if id_ in drawn]


def frames(xml: bytes) -> list[str]:
    """The first pool of a file that shows its process."""
    pools = etree.fromstring(xml).iter("{*}participant")
    return [str(pool.get("id")) for pool in pools if pool.get("processRef")][:1]


def inward(xml: bytes, id_: str) -> int:
    """1 or -1: the way down or up that leads to the middle of whatever an element stands in (a pool grows at its border)."""
    boxes: dict[str, tuple[float, float, float, float]] = {}
    for shape in etree.fromstring(xml).iter("{*}BPMNShape"):
        bounds = shape.find("{*}Bounds")
        assert bounds is not None
        x, y, width, height = (float(str(bounds.get(side))) for side in ("x", "y", "width", "height"))
        boxes[str(shape.get("bpmnElement")).rpartition(":")[2]] = (x, y, x + width, y + height)
    left, top, right, bottom = boxes.pop(id_)
    around = [box for box in boxes.values() if box[0] < left and box[1] < top and box[2] > right and box[3] > bottom]
    if not around:
        return 1
    nearest = max(around, key=lambda box: box[1] - box[3])
    return 1 if (nearest[1] + nearest[3]) > (top + bottom) else -1


def same_screen(ann: Person, bob: Person, id_: str) -> bool:
    return all(abs(a - b) < 1 for a, b in zip(ann.centre(id_), bob.centre(id_), strict=True))


def only(expected: bytes, xml: bytes, what: str) -> None:
    found = differences(canonical(xml), canonical(expected))
    assert not found, f"{what}\n{found}"


def together(ann: Person, bob: Person, path: Path) -> str:
    """Ann drops the file on her list, and both open it."""
    diagram = ann.bring(path.name, path.read_bytes())
    ann.share(diagram, bob)
    ann.open(diagram)
    bob.open(diagram)
    only(path.read_bytes(), ann.live(diagram), "opening changes nothing")
    return diagram


def rename_and_move(ann: Person, bob: Person, diagram: str) -> None:
    original = ann.live(diagram)
    first, *_, last = ann.reachable(tasks(original))
    name = "Renamed by Ann"
    ann.rename(first, name)
    eventually("Bob reads the new name", lambda: bob.label(first).replace(" ", "") == name.replace(" ", ""))
    ann.light("saved")
    with_name = ann.live(diagram)
    only(renamed(original, first, name), with_name, f"the rename of {first} and nothing else")

    start = bob.centre(last)
    bob.move(last, (0, inward(original, last) * 20 * bob.scale()))
    assert bob.centre(last) != start
    eventually("Ann sees it there", lambda: same_screen(ann, bob, last))
    bob.light("saved")
    after = bob.live(diagram)
    only(moved(with_name, after, last), after, f"the move of {last} and nothing else")


def nothing_went_wrong(*people: Person) -> None:
    for one in people:
        assert one.errors == []
        assert one.page.locator("[data-redraws]").count() == 0, "nothing had to be drawn anew"


@pytest.mark.timeout(60 + 30 * REFERENCES)
def test_a_rename_and_a_move_are_all_that_changes_in_a_reference_file(person: Arrive, files: list[Path]) -> None:
    ann, bob = person("Ann"), person("Bob")
    wrong: dict[str, str] = {}
    for path in files:
        try:
            rename_and_move(ann, bob, together(ann, bob, path))
            nothing_went_wrong(ann, bob)
        except AssertionError as error:
            wrong[path.stem] = str(error)
    assert not wrong, "\n".join(f"{name}: {what}" for name, what in wrong.items())


@pytest.mark.timeout(90)
@pytest.mark.parametrize("name", ["C.1.0", *(["A.1.0", "A.4.1", "B.2.0", "C.8.0", "C.9.1"] if LONG else [])])
def test_what_is_drawn_into_a_reference_file_leaves_the_rest_alone(person: Arrive, corpus: Path, name: str) -> None:
    ann, bob = person("Ann"), person("Bob")
    diagram = together(ann, bob, corpus / "miwg-reference" / f"{name}.bpmn")
    before = ann.live(diagram)
    first = ann.reachable(tasks(before))[0]

    # Ann draws a task where there is room: it and its shape are new, and its lane, where there is one, lists it
    ann.create("create.task", ann.room())

    def created() -> str | None:
        return next((id_ for id_ in tasks(ann.live(diagram)) if id_ not in tasks(before)), None)

    task = str(eventually("a new task is in the live XML", created))
    expect(bob.element(task)).to_be_visible()
    ann.light("saved")
    drawn = ann.live(diagram)
    for what, (old, _new) in changed(before, drawn).items():
        assert old is None, f"{what} was {old}"
        assert what.startswith((task, f"{task}_di")) or "/flowNodeRef[" in what, what

    # Bob connects: a flow and its edge are new, and both ends list it where the file has that habit
    lines = ann.page.locator(".djs-connection").count()
    bob.connect(first, task)
    eventually("Ann sees one line more", lambda: ann.page.locator(".djs-connection").count() == lines + 1)
    bob.light("saved")
    connected = bob.live(diagram)
    assert f'sourceRef="{first}" targetRef="{task}"'.encode() in connected
    for what, (old, _new) in changed(drawn, connected).items():
        assert old is None, f"{what} was {old}"
        assert what.startswith("Flow_") or what in (f"{first}/outgoing[{n}]" for n in range(9)) or "/incoming[" in what

    # Ann deletes the task: the flow goes with it, and the file is as it was
    ann.delete(task)
    expect(bob.element(task)).to_have_count(0)
    eventually("the line is gone too", lambda: bob.page.locator(".djs-connection").count() == lines)
    ann.light("saved")
    only(before, ann.live(diagram), "drawing and deleting leaves nothing behind")

    # Bob makes a pool or sub-process larger: bounds of it and of its lanes, nothing else
    for frame in frames(before):
        bob.resize(frame, (24, 24), grip=bob.border(frame))
        bob.light("saved")
        after = bob.live(diagram)
        assert changed(before, after)
        for what, (old, new) in changed(before, after).items():
            assert re.search(r"/(Bounds|waypoint)\[\d+\]$", what), f"{what}: {old} became {new}"
        eventually("Ann sees it grown", lambda frame=frame: abs(ann.box(frame)["width"] - bob.box(frame)["width"]) < 1)
    nothing_went_wrong(ann, bob)

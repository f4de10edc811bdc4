"""Two people, two browsers, one diagram: an edit shows on the other screen and in the live XML, nothing else moves."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.infoset import changed, facts
from tests.browser.pages import Person
from tests.interop.clients import eventually
from tests.serving import Served

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
Arrive = Callable[..., Person]

TASK, SUB = "Task_1", "Sub_1"
XML = (Path(__file__).parent / "order.bpmn").read_bytes()


def settled(server: Served, diagram: str, done: Callable[[bytes], bool]) -> bytes:
    """The live XML once `done` says so."""

    def look() -> bytes | None:
        xml = server.content(diagram, "live")
        return xml if done(xml) else None

    return bytes(eventually("the live XML has the edit", look))


def test_each_kind_of_edit_reaches_the_other_screen_and_the_live_xml(server: Served, person: Arrive) -> None:
    diagram = server.create(XML, "Two people")
    ann, bob = person("Ann", diagram), person("Bob", diagram)

    # rename
    before = server.content(diagram, "live")
    assert changed(XML, before) == {}, "opening a diagram changes nothing"
    ann.rename(TASK, "Check order")
    eventually("Bob reads the new name", lambda: bob.label(TASK) == "Check order")
    after = settled(server, diagram, lambda xml: b"Check order" in xml)
    assert set(changed(before, after)) == {TASK}

    # move: the shape, its label and the waypoints of what hangs on it, nothing else
    before = after
    start = bob.box(TASK)
    ann.move(TASK, (0, 60))
    eventually("Bob sees it moved", lambda: abs(bob.box(TASK)["y"] - start["y"] - 60) <= 6)
    after = settled(server, diagram, lambda xml: xml != before)
    names = set(changed(before, after))
    assert names
    assert all(name.startswith(("Task_1_di", "Flow_1_di", "Flow_2_di")) for name in names), names

    # resize, by the other one
    before = after
    width = ann.box(SUB)["width"]
    bob.resize(SUB, (40, 30))
    eventually("Ann sees it grown", lambda: ann.box(SUB)["width"] > width + 20)
    after = settled(server, diagram, lambda xml: xml != before)
    assert set(changed(before, after)) == {"Sub_1_di/Bounds[1]"}

    # create
    before = after
    known = set(facts(before))
    x, y = ann.centre(TASK)
    ann.create("create.task", (x, y + 160))

    def created() -> str | None:
        new = [
            name
            for name in facts(server.content(diagram, "live"))
            if name not in known and name.startswith("Activity_")
        ]
        return next((name for name in new if not name.endswith("_di") and "/" not in name), None)

    task = str(eventually("a new task is in the live XML", created))
    expect(bob.element(task)).to_be_visible()

    # connect
    bob.connect(TASK, task)
    eventually(
        "the flow is in the live XML",
        lambda: f'sourceRef="{TASK}" targetRef="{task}"'.encode() in server.content(diagram, "live"),
    )
    eventually("Ann sees four flows", lambda: ann.page.locator(".djs-connection").count() == 4)

    # delete: the task, and the flow that hung on it
    ann.delete(task)
    expect(bob.element(task)).to_have_count(0)
    eventually("it is gone from the live XML", lambda: task.encode() not in server.content(diagram, "live"))
    assert set(facts(server.content(diagram, "live"))) == known

    # undo brings back both, on both screens
    ann.undo()
    expect(bob.element(task)).to_be_visible()
    eventually("Ann's undo restored the flow too", lambda: bob.page.locator(".djs-connection").count() == 4)

    # rename what has its label beside it
    ann.rename("Gateway_1", "In stock?")
    eventually("Bob reads that too", lambda: "In stock?" in bob.page.locator(".djs-container").inner_text())
    for one in (ann, bob):
        assert one.errors == []
        expect(one.page.locator("[data-redraws]"), "nothing had to be drawn anew").to_have_count(0)


def test_cursors_and_selections_carry_names(server: Served, person: Arrive) -> None:
    diagram = server.create(XML, "Presence")
    ann, bob = person("Ann", diagram), person("Bob", diagram)
    ann.page.mouse.move(*ann.centre(TASK), steps=5)
    expect(bob.page.get_by_text("Ann").first).to_be_visible()
    ann.page.mouse.click(*ann.centre(TASK))
    eventually(
        "Bob sees a cursor with Ann's name on the canvas",
        lambda: "Ann" in bob.page.locator(".djs-container").inner_text(),
    )
    ann.leave()
    eventually(
        "Ann's cursor is gone from Bob's canvas", lambda: "Ann" not in bob.page.locator(".djs-container").inner_text()
    )
    assert bob.errors == []


def test_a_viewer_sees_edits_and_cannot_make_any(server: Served, person: Arrive) -> None:
    diagram = server.create(XML, "Viewer")
    ann, eve = person("Ann", diagram), person("Eve", diagram, role="viewer")
    assert eve.page.locator(".djs-palette .entry").count() == 0
    expect(eve.page.get_by_text("View only")).to_be_visible()
    place = eve.centre(TASK)
    eve.page.mouse.click(*place)
    eve.page.keyboard.press("Delete")
    eve.page.mouse.dblclick(*place)
    expect(eve.page.locator(".djs-direct-editing-content, .djs-context-pad .entry")).to_have_count(0)
    ann.rename(TASK, "Seen by Eve")
    eventually("Eve reads it", lambda: eve.label(TASK) == "Seen by Eve")
    ann.light("saved")
    assert set(changed(XML, server.content(diagram, "live"))) == {TASK}
    assert eve.errors == []

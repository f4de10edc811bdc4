"""Undo is mine: it takes back my own, still-current values, never a colleague's, and says so in a plain word."""

import pytest
from playwright.sync_api import expect

from tests.browser.infoset import changed
from tests.browser.test_two_people import TASK, XML, Arrive, settled
from tests.interop.clients import eventually
from tests.serving import Served

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
LEFT = "A colleague changed part of this meanwhile"


def name_is(server: Served, diagram: str, name: str) -> None:
    settled(server, diagram, lambda xml: f'id="{TASK}" name="{name}"'.encode() in xml)


def test_undo_takes_back_mine_and_leaves_what_a_colleague_did_since(server: Served, person: Arrive) -> None:
    diagram = server.create(XML, "Undo")
    ann, bob = person("Ann", diagram), person("Bob", diagram)

    # Ann renames, Bob moves: her undo gives the old name back, his move stays
    ann.rename(TASK, "Ann's")
    eventually("Bob reads it", lambda: bob.label(TASK) == "Ann's")
    start = ann.box(TASK)
    bob.move(TASK, (0, 60))
    eventually("Ann sees it moved", lambda: abs(ann.box(TASK)["y"] - start["y"] - 60) <= 6)
    ann.undo()
    name_is(server, diagram, "Check")
    eventually("Bob reads the old name", lambda: bob.label(TASK) == "Check")
    assert abs(ann.box(TASK)["y"] - start["y"] - 60) <= 6
    expect(ann.page.get_by_text(LEFT)).to_have_count(0)

    # both rename: the later one is Bob's, and Ann's undo leaves it and says so
    ann.rename(TASK, "Ann again")
    eventually("Bob reads it", lambda: bob.label(TASK) == "Ann again")
    bob.rename(TASK, "Bob's")
    eventually("Ann reads it", lambda: ann.label(TASK) == "Bob's")
    ann.undo()
    expect(ann.page.get_by_text(LEFT)).to_be_visible()
    name_is(server, diagram, "Bob's")

    # Bob's own undos: his name, then his move; the file is as it came
    bob.undo()
    name_is(server, diagram, "Ann again")
    bob.undo()
    after = settled(server, diagram, lambda xml: set(changed(XML, xml)) == {TASK})
    assert b'name="Ann again"' in after
    assert ann.errors == []
    assert bob.errors == []


def test_undo_of_a_deletion_brings_back_what_a_colleague_drew_to_it_meanwhile(server: Served, person: Arrive) -> None:
    diagram = server.create(XML, "Undo of a deletion")
    ann, bob = person("Ann", diagram), person("Bob", diagram)
    flows = bob.page.locator(".djs-connection")
    count = flows.count()
    bob.context.set_offline(True)
    bob.connect("Sub_1", TASK)
    eventually("Bob sees his flow", lambda: flows.count() == count + 1)
    expect(bob.page.locator("[data-light=offline], [data-light=not-saved]")).to_be_visible(timeout=30_000)
    assert ann.page.locator(".djs-connection").count() == count, "Ann has not heard of it"
    ann.delete(TASK)
    settled(server, diagram, lambda xml: f'id="{TASK}"'.encode() not in xml)
    bob.context.set_offline(False)
    expect(bob.element(TASK)).to_have_count(0, timeout=40_000)
    xml = server.content(diagram, "live")
    assert f'targetRef="{TASK}"'.encode() not in xml, "no flow ends in nothing"
    ann.undo()
    expect(ann.element(TASK)).to_be_visible()
    expect(bob.element(TASK)).to_be_visible()
    settled(server, diagram, lambda xml: f'sourceRef="Sub_1" targetRef="{TASK}"'.encode() in xml)
    eventually("both see Bob's flow too", lambda: flows.count() == count + 1)
    eventually("on both screens", lambda: ann.page.locator(".djs-connection").count() == count + 1)
    assert ann.errors == []


def test_redo_of_what_a_colleague_deleted_throws_nothing(server: Served, person: Arrive) -> None:
    diagram = server.create(XML, "Redo")
    ann, bob = person("Ann", diagram), person("Bob", diagram)
    ann.move(TASK, (0, 60))
    ann.undo()
    settled(server, diagram, lambda xml: changed(XML, xml) == {})
    bob.delete(TASK)
    expect(ann.element(TASK)).to_have_count(0)
    ann.click_canvas()
    ann.page.keyboard.press("Control+y")
    ann.rename("Gateway_1", "Still here?")
    settled(server, diagram, lambda xml: b"Still here?" in xml)
    bob.undo()
    expect(ann.element(TASK)).to_be_visible()
    for one in (ann, bob):
        expect(one.page.locator("[data-redraws]")).to_have_count(0)
        assert one.errors == []

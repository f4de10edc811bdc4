"""What a person does around the drawing: dropping files, versions, export, and what the light says when the server goes."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.infoset import changed
from tests.browser.pages import Person
from tests.browser.test_two_people import TASK, XML, settled
from tests.interop.clients import eventually
from tests.serving import Served, served

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
Arrive = Callable[..., Person]


def test_a_dropped_file_becomes_a_diagram_and_one_that_is_none_says_why(person: Arrive) -> None:
    ann = person("Ann")
    cards = ann.page.locator(".card")
    for name, content, sentence in (
        ("letter.bpmn", b"Dear Ann, this is no diagram.", "not complete, well-formed XML"),
        ("page.xml", b"<html><body/></html>", "not a BPMN 2.0 diagram"),
        ("old.bpmn", b"<!DOCTYPE x []>\n" + XML.partition(b"?>")[2], "document type declaration"),
        ("empty.bpmn", b"", "This file is empty"),
    ):
        ann.drop(name, content)
        expect(ann.page.locator(".imports .import-refused .import-why")).to_contain_text(sentence)
        expect(ann.page.get_by_text("Start with a diagram")).to_be_visible()
    assert cards.count() == 0, "nothing was stored"
    # The browser itself tells its console of every answer over 400: here, of the refusals and nothing else.
    assert all("status of 4" in error for error in ann.errors), ann.errors
    ann.errors.clear()

    diagram = ann.bring("order.bpmn", XML)
    expect(cards).to_have_count(1)
    expect(cards).to_contain_text("order")
    expect(cards.locator("img")).to_have_js_property("complete", value=True)
    ann.page.locator(".imports .import-done a").click()
    expect(ann.element(TASK)).to_be_visible(timeout=20_000)
    assert changed(XML, ann.live(diagram)) == {}
    assert ann.errors == []


def test_an_export_is_what_is_on_the_screens(server: Served, person: Arrive, tmp_path: Path) -> None:
    diagram = server.create(XML, "Order: to/delivery")
    ann = person("Ann", diagram)
    ann.rename(TASK, "Exported")
    ann.page.get_by_role("button", name="Export").click()
    with ann.page.expect_download() as coming:
        ann.page.get_by_text("BPMN file (.bpmn)").click()
    assert coming.value.suggested_filename == "Order to delivery.bpmn"
    coming.value.save_as(tmp_path / "export.bpmn")
    exported = (tmp_path / "export.bpmn").read_bytes()
    assert exported == server.content(diagram, "live")
    assert set(changed(XML, exported)) == {TASK}
    assert ann.errors == []


def test_a_version_is_restored_while_somebody_else_has_it_open(server: Served, person: Arrive) -> None:
    diagram = server.create(XML, "Versions")
    ann, bob = person("Ann", diagram), person("Bob", diagram)
    before = ann.label(TASK)
    ann.page.get_by_role("button", name="Versions", exact=True).click()
    versions = ann.page.locator(".panel .version")
    expect(versions).to_have_count(1)
    ann.page.get_by_placeholder("What is this version?").fill("As it came")
    bob.rename(TASK, "Changed by Bob")
    bob.light("saved")
    eventually("Ann reads it", lambda: ann.label(TASK) == "Changed by Bob")
    ann.page.get_by_role("button", name="Save a version now").click()
    expect(versions).to_have_count(2)
    expect(versions.first).to_contain_text("As it came")
    expect(versions.first).to_contain_text("Current")

    versions.last.get_by_role("button", name=re.compile("^Options for")).click()
    ann.page.get_by_role("menuitem", name="Restore").click()
    ann.page.get_by_role("dialog").get_by_role("button", name="Restore").click()
    for one in (ann, bob):
        eventually("both see the old name", lambda one=one: one.label(TASK) == before)
    expect(versions).to_have_count(3)
    expect(versions.first).to_contain_text("Version 1 restored")
    settled(server, diagram, lambda xml: changed(XML, xml) == {})
    # and the one who sat by goes on editing
    bob.rename(TASK, "After that")
    eventually("Ann reads it", lambda: ann.label(TASK) == "After that")
    for one in (ann, bob):
        assert one.errors == []
        assert one.page.locator("[data-redraws]").count() == 0


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of this module's own, just started: its greeting is still to be read, and it may be killed."""
    with served(tmp_path_factory.mktemp("page") / "data") as running:
        yield running


def test_the_sign_in_link_leads_to_three_diagrams_and_works_once(browser: Browser, own: Served) -> None:
    assert own.process is not None
    assert own.process.stdout is not None
    greeting = own.process.stdout.readline()
    link = greeting.removeprefix("Sign in once with ").strip()
    assert link.startswith(f"{own.url}/signin/"), greeting
    ann = Person.arrive(browser, own)
    ann.page.goto(link)
    cards = ann.page.locator(".card")
    expect(cards).to_have_count(3)
    for title, element in (
        ("Order to delivery", "Pack parcel"),
        ("Incident management", "Find and fix"),
        ("A first try", "Boil water"),
    ):
        ann.page.goto(own.url)
        cards.filter(has_text=title).get_by_role("link").first.click()
        drawn = ann.page.locator(".djs-shape", has_text=element).last
        expect(drawn).to_be_visible(timeout=20_000)
        ann.light("saved")
    # again: for who is signed in the list, for anybody else a plain sentence
    ann.page.goto(link)
    expect(cards).to_have_count(3)
    assert ann.errors == []
    bob = Person.arrive(browser, own)
    bob.page.goto(link)
    expect(bob.page.get_by_text("This sign-in link was used before")).to_be_visible()
    assert bob.errors == []
    ann.leave()
    bob.leave()


def test_R1_the_light_tells_the_truth_when_the_server_is_killed(browser: Browser, own: Served) -> None:
    diagram = own.create(XML, "Light")
    ann = Person.signed_up(browser, own, "Ann", diagram)
    ann.light("saved")
    ann.rename(TASK, "Before the kill")
    ann.light("saved")
    own.kill()
    ann.light("offline", "not-saved")
    ann.rename(TASK, "While it was away")
    assert ann.label(TASK) == "While it was away"
    ann.light("offline", "not-saved")
    expect(ann.page.get_by_text("You are offline. Keep this window open")).to_be_visible()
    ann.errors.clear()
    own.start()
    assert b'name="Before the kill"' in own.content(diagram, "live"), "what was called saved is there"
    # The page comes back by itself, after a pause that grows.
    ann.light("saved")
    assert b'name="While it was away"' in own.content(diagram, "live")
    ann.leave()

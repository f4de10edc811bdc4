"""Links that people are given: whoever opens one gets where they should, signed in or not."""

from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.pages import OPEN_TIMEOUT_MS, Person
from tests.browser.test_two_people import TASK, XML
from tests.serving import Served

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
NEW = "another long password"


def shared(server: Served, diagram: str, **wanted: Any) -> str:
    with server.http() as owner:
        made = owner.post(f"/diagrams/{diagram}/share-links", json=wanted).raise_for_status()
        return str(made.json()["url"])


def invited(server: Served, email: str) -> str:
    with server.http() as owner:
        org = owner.get("/orgs").json()["items"][0]["id"]
        body = {"email": email, "role": "editor"}
        return str(owner.post(f"/orgs/{org}/invitations", json=body).raise_for_status().json()["url"])


def test_a_viewers_link_opens_the_diagram_without_signing_in(browser: Browser, server: Served) -> None:
    diagram = server.create(XML, "For everybody")
    url = shared(server, diagram, role="viewer", password="open sesame")
    visitor = Person.arrive(browser, server)
    page = visitor.page
    page.goto(url)
    page.get_by_label("Password", exact=True).fill("wrong")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("alert")).to_contain_text("not the password of this link")
    page.get_by_label("Password", exact=True).fill("open sesame")
    page.get_by_role("button", name="Open").click()
    expect(visitor.element(TASK)).to_be_visible(timeout=OPEN_TIMEOUT_MS)
    assert page.url == f"{server.url}/d/{diagram}"
    expect(page.locator(".djs-palette")).to_have_count(0)
    page.reload()
    expect(visitor.element(TASK)).to_be_visible(timeout=OPEN_TIMEOUT_MS)
    with server.http() as owner:
        for one in owner.get(f"/diagrams/{diagram}/share-links").json()["items"]:
            owner.delete(f"/diagrams/{diagram}/share-links/{one['id']}").raise_for_status()
    page.goto(url)
    expect(page.get_by_text("This link does not work any more")).to_be_visible()
    visitor.context.close()


def test_an_editors_link_asks_to_sign_in_and_then_opens(browser: Browser, server: Served) -> None:
    diagram = server.create(XML, "For colleagues")
    url = shared(server, diagram, role="editor")
    someone = Person.signed_up(browser, server, "Gus")
    someone.page.goto(url)
    expect(someone.element(TASK)).to_be_visible(timeout=OPEN_TIMEOUT_MS)
    someone.rename(TASK, "Renamed by a guest")
    someone.light("saved")
    stranger = Person.arrive(browser, server)
    stranger.page.goto(url)
    expect(stranger.page.get_by_text("Sign in to open what was shared with you.")).to_be_visible()
    someone.context.close()
    stranger.context.close()


def test_somebody_new_joins_by_an_invitation_and_later_gets_a_new_password(browser: Browser, server: Served) -> None:
    email = f"nora-{uuid4().hex[:6]}@example.org"
    nora = Person.arrive(browser, server, email=email)
    page = nora.page
    page.goto(invited(server, email))
    expect(page.get_by_role("heading", name="Join")).to_be_visible()
    expect(page.get_by_text(f"You are invited as {email}")).to_be_visible()
    page.get_by_label("Your name").fill("Nora")
    page.get_by_label("Password", exact=True).fill(NEW)
    page.get_by_role("button", name="Create account and join").click()
    expect(page.get_by_role("button", name="New diagram").first).to_be_visible()
    assert page.url == f"{server.url}/"
    with server.http() as owner:
        org = owner.get("/orgs").json()["items"][0]["id"]
        members = owner.get(f"/orgs/{org}/members").json()["items"]
        user = next(one["user_id"] for one in members if one["email"] == email)
        url = owner.post(f"/orgs/{org}/members/{user}/reset-link").raise_for_status().json()["url"]
    page.goto(url)
    expect(page.get_by_text(f"For the account of {email}.")).to_be_visible()
    page.get_by_label("Password", exact=True).fill("yet another password")
    page.get_by_role("button", name="Save and sign in").click()
    expect(page.get_by_role("button", name="New diagram").first).to_be_visible()
    page.goto(url)
    expect(page.get_by_text("This link does not work any more")).to_be_visible()
    nora.context.close()


def test_who_is_signed_in_joins_with_one_click_and_only_as_who_was_invited(browser: Browser, server: Served) -> None:
    otto = Person.signed_up(browser, server, "Otto")
    otto.page.goto(invited(server, f"else-{uuid4().hex[:6]}@example.org"))
    expect(otto.page.get_by_text(f"you are signed in as {otto.email}")).to_be_visible()
    otto.page.goto(invited(server, otto.email))
    otto.page.get_by_role("button", name="Join").click()
    expect(otto.page.get_by_role("button", name="New diagram").first).to_be_visible()
    assert otto.errors == []
    otto.context.close()

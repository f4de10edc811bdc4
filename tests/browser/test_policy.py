"""The pages run under their Content-Security-Policy: a walk through all of them in a real browser, and not one violation."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.browser.pages import OPEN_TIMEOUT_MS, PASSWORD, Person
from tests.browser.test_two_people import TASK, XML
from tests.serving import Served

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
LISTEN = """addEventListener("securitypolicyviolation", (event) => violated(
  `${event.effectiveDirective} ${event.blockedURI} ${event.sample} at ${event.sourceFile}:${event.lineNumber} on ${location.pathname}`));"""


def listening(context: BrowserContext) -> list[str]:
    """Every violation that any page of this context will have."""
    found: list[str] = []
    context.expose_binding("violated", lambda _source, what: found.append(what))
    context.add_init_script(LISTEN)
    return found


def test_no_page_violates_its_policy(browser: Browser, server: Served) -> None:
    diagram = server.create(XML, "Under a policy")
    ann = Person.signed_up(browser, server, "Ann", diagram)
    ann.context.clear_cookies()
    found = listening(ann.context)
    page = ann.page

    page.goto(f"{server.url}/?link=used")
    expect(page.get_by_text("This sign-in link was used before")).to_be_visible()
    page.goto(server.url)
    page.get_by_label("E-mail").fill(ann.email)
    for password, arrives in (("wrong password", False), (PASSWORD, True)):
        page.get_by_role("textbox", name="Password").fill(password)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("main.list") if arrives else page.get_by_role("alert")).to_be_visible(
            timeout=OPEN_TIMEOUT_MS
        )

    own = ann.bring("order.bpmn", XML)
    ann.drop("letter.bpmn", b"Dear Ann")
    expect(page.locator(".imports .import-refused")).to_be_visible()
    expect(page.locator(".card img")).to_have_js_property("complete", value=True)

    ann.open(own)
    ann.rename(TASK, "Named")
    ann.create("create.exclusive-gateway", ann.room())
    ann.move(TASK, (10, 10))
    page.keyboard.press("Control+f")
    page.keyboard.type("Na")
    page.keyboard.press("Escape")
    ann.click_canvas()
    page.keyboard.press("Control+a")
    align = page.locator('.djs-context-pad .entry[data-action="align-elements"]')
    expect(align).to_be_visible()
    align.click()
    icons = page.locator(".djs-popup [style*=stroke]")
    expect(icons.first).to_be_attached()
    assert "currentcolor" in str(icons.first.get_attribute("style")).lower()
    stroke = icons.first.evaluate("line => getComputedStyle(line).strokeWidth")
    assert stroke == "100px", "the icons' own styles are allowed, or they would be blank"
    page.keyboard.press("Escape")
    ann.click_canvas()
    page.mouse.click(*ann.centre(TASK))
    page.locator('.djs-context-pad .entry[data-action="replace"]').click()
    expect(page.locator(".djs-popup")).to_be_visible()
    page.keyboard.press("Escape")
    page.locator(".bjs-powered-by").click()
    page.keyboard.press("Escape")
    page.locator(".bjs-powered-by-lightbox .backdrop").click(position={"x": 5, "y": 5})

    page.goto(f"{server.url}/d/{own}/history")
    expect(page.locator(".panel .version").first).to_be_visible(timeout=OPEN_TIMEOUT_MS)
    page.get_by_role("button", name="Export").click()
    with page.expect_download():
        page.get_by_text("BPMN file (.bpmn)").click()
    page.goto(f"{server.url}/d/{own}?element={TASK}")
    expect(ann.element(TASK)).to_be_visible(timeout=OPEN_TIMEOUT_MS)
    for path in (
        "/?deleted",
        "/docs",
        "/nothing/here",
        "/api/v1/me",
        f"/api/v1/diagrams/{own}/thumbnail.svg",
        "/d/nonsense",
    ):
        page.goto(f"{server.url}{path}")
        page.wait_for_load_state()
    page.goto(f"{server.url}/docs")
    expect(page.locator("h1")).to_be_visible()
    assert page.locator("h1").evaluate("h => getComputedStyle(h).fontSize") != "32px", "its style sheet is allowed"
    assert found == []

    # The ear hears: what the policy forbids is refused, and noticed.
    page.goto(server.url)
    expect(page.locator("main.list")).to_be_visible(timeout=OPEN_TIMEOUT_MS)
    assert not page.evaluate(
        """() => { const one = document.createElement("script"); one.textContent = "window.ran = true";
        document.body.append(one); document.body.setAttribute("style", "color: red"); return window.ran === true; }"""
    )
    page.wait_for_timeout(100)
    assert sorted(one.split()[0] for one in found) == ["script-src-elem", "style-src-attr"]
    ann.leave()


NASTY = '<img src=x onerror="window.ran=1"><script>window.ran=1</script>"\'`${window.ran=1}'


def test_text_of_others_is_text(browser: Browser, server: Served, person: Callable[..., Any]) -> None:
    """Titles, names and labels that are markup are shown as they are; nothing of them runs, nothing is fetched."""
    escaped = NASTY.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;").encode()
    text = re.sub(rb'(id="%b"[^>]*?name=")[^"]*' % TASK.encode(), rb"\g<1>" + escaped.replace(b"\\", b"\\\\"), XML)
    assert escaped in text
    diagram = server.create(text, NASTY)
    ann = person("Ann", diagram)
    found = listening(ann.context)
    with httpx.Client(base_url=f"{server.url}/api/v1", headers={"Authorization": f"Bearer {server.token}"}) as http:
        assert http.get(f"/diagrams/{diagram}").json()["title"] == NASTY
    for path in (f"/d/{diagram}", f"/d/{diagram}/history", f"/d/{diagram}?element={TASK}"):
        ann.page.goto(f"{server.url}{path}")
        expect(ann.element(TASK)).to_be_visible(timeout=OPEN_TIMEOUT_MS)
        ann.page.mouse.move(*ann.centre(TASK))
        ann.page.mouse.click(*ann.centre(TASK))
        assert ann.page.evaluate("() => window.ran ?? null") is None
    ann.page.goto(f"{server.url}/api/v1/diagrams/{diagram}/thumbnail.svg")
    assert ann.page.evaluate("() => window.ran ?? null") is None
    assert found == []
    assert ann.errors == []

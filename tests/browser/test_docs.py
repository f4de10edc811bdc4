"""The documentation page in a real browser: nothing from elsewhere, nothing against our policy, everything readable."""

import httpx
from playwright.sync_api import Browser

from tests.serving import Served

WATCH = "window.broken = []; addEventListener('securitypolicyviolation', e => broken.push(e.violatedDirective + ' ' + e.blockedURI))"


def test_the_documentation_opens_under_our_policy_with_nothing_from_elsewhere(browser: Browser, server: Served) -> None:
    document = httpx.get(f"{server.url}/openapi.json").json()
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.add_init_script(WATCH)
    page.goto(f"{server.url}/docs")
    assert page.evaluate("getComputedStyle(document.body).display") == "grid", "the style sheet is allowed by its hash"
    shown = page.locator("main > details")
    assert shown.count() == sum(len(methods) for methods in document["paths"].values())
    save = page.locator("#content_save_content")
    save.locator("summary").first.click()
    for text in ("Idempotency-Key", "If-Match", "base_version", "version_conflict", "application/bpmn+xml"):
        assert save.get_by_text(text, exact=False).first.is_visible(), text
    save.get_by_role("link", name="version_conflict").first.click()
    assert page.locator("#version_conflict").is_visible()
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "no page wider than a telephone"
    assert page.evaluate("broken") == []
    assert said == []
    assert [url for url in asked if not url.startswith(server.url)] == []
    context.close()

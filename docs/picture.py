"""Makes `docs/two-people.png`, the picture in the README: one window of two people at the order process.

Run it against a server that has just been started with an empty data folder, with the sign-in link it printed:
`.venv/bin/python docs/picture.py http://127.0.0.1:8000/signin/...`. Needs Chromium and Playwright (`./run setup test`).
"""

import json
import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

OUT = Path(__file__).resolve().parent / "two-people.png"
SIZE = {"width": 1280, "height": 800}
PASSWORD = "a picture of two people"


def post(context: BrowserContext, url: str, body: dict[str, str], method: str = "POST") -> dict[str, object]:
    """Sends JSON to the API as whoever is signed in; fails unless the answer is good."""
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
    answer = context.request.fetch(url, method=method, data=body, headers={"Origin": origin})
    assert answer.ok, f"{url}: {answer.text()}"
    found: dict[str, object] = json.loads(answer.text() or "{}")
    return found


def somebody(browser: Browser, api: str, name: str) -> tuple[BrowserContext, str]:
    """A new account, signed in; its context and e-mail."""
    context = browser.new_context(viewport=SIZE)  # type: ignore[arg-type]
    email = f"{name.lower()}@example.org"
    post(context, f"{api}/auth/register", {"email": email, "password": PASSWORD, "name": name})
    post(context, f"{api}/auth/login", {"email": email, "password": PASSWORD})
    return context, email


def opened(context: BrowserContext, address: str) -> Page:
    """The diagram in a window, drawn and saved."""
    page = context.new_page()
    page.goto(address)
    expect(page.locator(".djs-element").first).to_be_attached(timeout=30_000)
    expect(page.locator(".light[data-light=saved]")).to_be_visible()
    return page


def middle(page: Page, element: str) -> tuple[float, float]:
    """The middle of the figure with this label, on the screen."""
    figure = page.locator(".djs-shape", has_text=element).last.locator(".djs-visual").first.bounding_box()
    assert figure is not None
    return figure["x"] + figure["width"] / 2, figure["y"] + figure["height"] / 2


def main(link: str) -> None:
    site = "{0.scheme}://{0.netloc}".format(urlsplit(link))
    api = f"{site}/api/v1"
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        owner = browser.new_context(viewport=SIZE)  # type: ignore[arg-type]
        owner.new_page().goto(link)
        diagrams = json.loads(owner.request.get(f"{api}/diagrams").text())["items"]
        order = next(item["id"] for item in diagrams if item["title"] == "Order to delivery")
        people = {name: somebody(browser, api, name) for name in ("Ann", "Bob")}
        for _, email in people.values():
            post(owner, f"{api}/diagrams/{order}/members", {"email": email, "role": "editor"}, "PUT")
        ann, bob = (opened(context, f"{site}/d/{order}") for context, _ in people.values())
        # Each has a task in hand; the picture is Ann's window.
        bob.mouse.click(*middle(bob, "Pack parcel"))
        x, y = middle(bob, "Pack parcel")
        bob.mouse.move(x + 66, y + 58, steps=6)
        ann.mouse.click(*middle(ann, "Decline order"))
        ann.mouse.move(*middle(ann, "Check availability"), steps=6)
        expect(ann.locator(".presence-cursor")).to_be_visible()
        expect(ann.locator(".presence-selection")).to_be_visible()
        ann.wait_for_timeout(500)  # the cursors' last steps
        ann.screenshot(path=OUT)
        browser.close()
    print(f"{OUT.name}: {OUT.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main(sys.argv[1])

"""A person at the editor: what a hand on the mouse does, on the real page in real Chromium.

Works on bpmn-js's own markup (`data-element-id`, palette and context pad actions), which is what a user sees too.
"""

import base64
import os
import re
from dataclasses import dataclass, field
from typing import Self

import httpx
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, FloatRect, Locator, Page, Request, expect

from tests.serving import Served

OPEN_TIMEOUT_MS = 20_000
PASSWORD = "correct horse battery"

# A point of the canvas where nothing is drawn and nothing floats, as far to the right as there is one.
EMPTY_POINT = """() => {
  const box = document.querySelector(".djs-container").getBoundingClientRect();
  for (let x = box.right - 30; x > box.left; x -= 25)
    for (let y = box.top + 15; y < box.bottom - 15; y += 25) {
      const at = document.elementFromPoint(x, y);
      if (at?.closest(".djs-container svg") && !at.closest(".djs-element, .bjs-powered-by")) return [x, y];
    }
  throw new Error("the canvas is full");
}"""
# A place for a task: all around it is one and the same frame (pool, lane, sub-process), or nothing but canvas.
ROOM = """(scale) => {
  const box = document.querySelector(".djs-container").getBoundingClientRect();
  const at = (x, y) => {
    const top = document.elementFromPoint(x, y);
    if (!top?.closest(".djs-container svg") || top.closest(".bjs-powered-by")) return null;
    const element = top.closest(".djs-element");
    return element ? element.classList.contains("djs-shape") && element.getAttribute("data-element-id") : "canvas";
  };
  let open = null;
  for (const [w, h] of [[100 * scale, 90 * scale], [70 * scale, 60 * scale]])
    for (let y = box.top + h; y < box.bottom - h; y += 12)
      for (let x = box.left + 80 + w; x < box.right - w; x += 12) {
        const frame = at(x, y);
        const filled = (i) => [-1, 0, 1].some((j) => at(x + i * w, y + j * h) !== frame);
        if (!frame || [-1, 1, -0.5, 0.5, 0].some(filled)) continue;
        if (frame !== "canvas") return [x, y];
        open ??= [x, y];
      }
  if (open) return open;
  throw new Error("no room");
}"""
# Which of these elements a mouse can take hold of: their centre is on the screen, and they are what lies on top there.
REACHABLE = """ids => ids.filter(id => {
  const figure = document.querySelector(`.djs-shape[data-element-id="${CSS.escape(id)}"] .djs-visual`);
  if (!figure) return false;
  const box = figure.getBoundingClientRect();
  const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  return top?.closest(".djs-element")?.getAttribute("data-element-id") === id;
})"""
DROP = """([name, content]) => {
  const bytes = Uint8Array.from(atob(content), (char) => char.charCodeAt(0));
  const files = new DataTransfer();
  files.items.add(new File([bytes], name));
  for (const type of ["dragenter", "dragover", "drop"])
    document.body.dispatchEvent(new DragEvent(type, { dataTransfer: files, bubbles: true, cancelable: true }));
}"""


@dataclass
class Person:
    """One browser context, signed in unless it came without a cookie, with one page, and every error its console or the network ever showed."""

    server: Served
    context: BrowserContext
    page: Page
    email: str
    errors: list[str] = field(default_factory=list)

    @classmethod
    def arrive(cls, browser: Browser, server: Served, cookie: str | None = None, email: str = "") -> Self:
        context = browser.new_context(viewport={"width": 1400, "height": 900})
        if cookie is not None:
            context.add_cookies([{"name": "colane_session", "value": cookie, "url": server.url}])
        page = context.new_page()
        person = cls(server, context, page, email)
        page.on("console", person._console)
        page.on("pageerror", lambda error: person.errors.append(f"uncaught: {error}"))
        page.on("requestfailed", person._failed)
        return person

    @classmethod
    def signed_up(
        cls, browser: Browser, server: Served, name: str, diagram: str | None = None, role: str = "editor"
    ) -> Self:
        """Somebody new, signed in; with a diagram of the demo owner's, given a role on it and looking at it."""
        email = f"{name.lower()}-{os.urandom(4).hex()}@example.org"
        with httpx.Client(base_url=f"{server.url}/api/v1") as client:
            made = client.post("/auth/register", json={"email": email, "password": PASSWORD, "name": name})
            assert made.status_code == 201, made.text
            signed_in = client.post("/auth/login", json={"email": email, "password": PASSWORD})
            assert signed_in.status_code == 200, signed_in.text
            cookie = signed_in.cookies["colane_session"]
        if diagram is not None:
            with server.http() as owner:
                added = owner.put(f"/diagrams/{diagram}/members", json={"email": email, "role": role})
                assert added.status_code in (200, 201), added.text
        guest = cls.arrive(browser, server, cookie, email)
        return guest.open(diagram) if diagram is not None else guest

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def _failed(self, request: Request) -> None:
        # A page that is left takes its open requests back; that is no failure. (A refused one is a console error.)
        if request.failure != "net::ERR_ABORTED":
            self.errors.append(f"{request.method} {request.url}: {request.failure}")

    def leave(self) -> None:
        self.context.close()

    # -- looking -------------------------------------------------------------------------------------------------

    def open(self, diagram: str) -> Self:
        self.page.goto(f"{self.server.url}/d/{diagram}")
        expect(self.page.locator(".djs-container svg").first).to_be_visible(timeout=OPEN_TIMEOUT_MS)
        expect(self.page.locator(".djs-element[data-element-id]").first).to_be_attached(timeout=OPEN_TIMEOUT_MS)
        return self

    def element(self, id_: str) -> Locator:
        return self.page.locator(f'.djs-container .djs-element[data-element-id="{id_}"]')

    def box(self, id_: str) -> FloatRect:
        """Where the element's own figure (not its label or outline) is on the screen."""
        box = self.element(id_).locator(".djs-visual").first.bounding_box()
        assert box is not None, f"{id_} is not drawn"
        return box

    def centre(self, id_: str) -> tuple[float, float]:
        box = self.box(id_)
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def scale(self) -> float:
        """Pixels of the screen for one unit of the diagram."""
        found = self.page.evaluate("() => document.querySelector('.djs-container .viewport').getCTM().a")
        return float(found)

    def label(self, id_: str) -> str:
        return re.sub(r"\s+", " ", " ".join(self.element(id_).locator("text tspan").all_text_contents())).strip()

    def reachable(self, ids: list[str]) -> list[str]:
        """Those of the elements that a mouse can take hold of as the canvas stands."""
        found: list[str] = self.page.evaluate(REACHABLE, ids)
        return found

    def room(self) -> tuple[float, float]:
        """The middle of a place where a task fits, in a pool if there is one."""
        x, y = self.page.evaluate(ROOM, self.scale())
        return float(x), float(y)

    def border(self, id_: str) -> tuple[float, float]:
        """Just inside the upper left corner of a frame."""
        box = self.box(id_)
        return box["x"] + 10 * self.scale(), box["y"] + 10 * self.scale()

    def light(self, *states: str) -> None:
        """Waits until the save light shows one of these."""
        expect(self.page.locator(", ".join(f".light[data-light={state}]" for state in states))).to_be_visible(
            timeout=2 * OPEN_TIMEOUT_MS
        )

    # -- the list ------------------------------------------------------------------------------------------------

    def drop(self, name: str, content: bytes) -> None:
        """Drops a file anywhere on the list."""
        self.page.goto(self.server.url)
        expect(self.page.locator("main.list")).to_be_visible(timeout=OPEN_TIMEOUT_MS)
        self.page.evaluate(DROP, [name, base64.b64encode(content).decode()])

    def bring(self, name: str, content: bytes) -> str:
        """Drops a BPMN file on the list; the id of the diagram it became."""
        self.drop(name, content)
        link = self.page.locator(".imports .import-done a")
        expect(link).to_be_visible(timeout=OPEN_TIMEOUT_MS)
        address = link.get_attribute("href")
        assert address is not None
        return address.removeprefix("/d/")

    def share(self, diagram: str, other: "Person") -> None:
        """Makes somebody an editor of my diagram."""
        answer = self.context.request.put(
            f"{self.server.url}/api/v1/diagrams/{diagram}/members",
            data={"email": other.email, "role": "editor"},
            headers={"Origin": self.server.url},
        )
        assert answer.ok, answer.text()

    def live(self, diagram: str) -> bytes:
        """What is on the screens right now, as XML."""
        answer = self.context.request.get(f"{self.server.url}/api/v1/diagrams/{diagram}/content?version=live")
        assert answer.ok, answer.text()
        return answer.body()

    # -- doing ---------------------------------------------------------------------------------------------------

    def click_canvas(self) -> None:
        """Selects nothing: a click where the canvas is empty."""
        self.page.mouse.click(*self.page.evaluate(EMPTY_POINT))

    def drag(self, start: tuple[float, float], by: tuple[float, float]) -> None:
        self.page.mouse.move(*start)
        self.page.mouse.down()
        for step in (0.3, 0.6, 1.0):
            self.page.mouse.move(start[0] + by[0] * step, start[1] + by[1] * step, steps=3)
        self.page.mouse.up()

    def move(self, id_: str, by: tuple[float, float]) -> None:
        self.click_canvas()
        self.drag(self.centre(id_), by)
        self.click_canvas()

    def rename(self, id_: str, name: str) -> None:
        self.click_canvas()
        self.page.mouse.dblclick(*self.centre(id_))
        editor = self.page.locator(".djs-direct-editing-content")
        expect(editor).to_be_visible()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.type(name)
        self.click_canvas()
        expect(editor).to_have_count(0)

    def resize(self, id_: str, by: tuple[float, float], grip: tuple[float, float] | None = None) -> None:
        self.click_canvas()
        self.page.mouse.click(*(grip or self.centre(id_)))
        handle = self.page.locator(".djs-resizer-se .djs-resizer-hit").first.bounding_box()
        assert handle is not None
        self.drag((handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2), by)
        self.click_canvas()

    def create(self, action: str, at: tuple[float, float]) -> None:
        """From the palette: click the tool, click the canvas."""
        self.click_canvas()
        self.page.locator(f'.djs-palette .entry[data-action="{action}"]').click()
        self.page.mouse.move(*at, steps=5)
        self.page.mouse.click(*at)
        self.page.keyboard.press("Escape")
        self.click_canvas()

    def connect(self, source: str, target: str) -> None:
        self.click_canvas()
        self.page.mouse.click(*self.centre(source))
        self.page.locator('.djs-context-pad .entry[data-action="connect"]').click()
        self.page.mouse.move(*self.centre(target), steps=8)
        self.page.mouse.click(*self.centre(target))
        self.click_canvas()

    def delete(self, id_: str) -> None:
        self.click_canvas()
        self.page.mouse.click(*self.centre(id_))
        self.page.keyboard.press("Delete")

    def undo(self) -> None:
        self.click_canvas()
        self.page.keyboard.press("Control+z")

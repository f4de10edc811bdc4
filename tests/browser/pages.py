"""A person at the editor: what a hand on the mouse does, on the real page in real Chromium.

Works on bpmn-js's own markup (`data-element-id`, palette and context pad actions), which is what a user sees too.
"""

import re
from dataclasses import dataclass, field
from typing import Self

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, FloatRect, Locator, Page, expect

from tests.serving import Served

OPEN_TIMEOUT_MS = 20_000


@dataclass
class Person:
    """One signed-in browser context with one page, and every error its console ever showed."""

    server: Served
    context: BrowserContext
    page: Page
    errors: list[str] = field(default_factory=list)

    @classmethod
    def arrive(cls, browser: Browser, server: Served, cookie: str) -> Self:
        context = browser.new_context(viewport={"width": 1400, "height": 900})
        context.add_cookies([{"name": "colane_session", "value": cookie, "url": server.url}])
        page = context.new_page()
        person = cls(server, context, page)
        page.on("console", person._console)
        page.on("pageerror", lambda error: person.errors.append(f"uncaught: {error}"))
        return person

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

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

    def label(self, id_: str) -> str:
        return re.sub(r"\s+", " ", " ".join(self.element(id_).locator("text tspan").all_text_contents())).strip()

    # -- doing ---------------------------------------------------------------------------------------------------

    def click_canvas(self) -> None:
        """Selects nothing: a click on an empty corner of the canvas."""
        canvas = self.page.locator(".djs-container").first.bounding_box()
        assert canvas is not None
        self.page.mouse.click(canvas["x"] + canvas["width"] - 30, canvas["y"] + canvas["height"] / 2)

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

    def resize(self, id_: str, by: tuple[float, float]) -> None:
        self.click_canvas()
        self.page.mouse.click(*self.centre(id_))
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

"""Real Chromium, a real server, people signed in."""

import os
import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.pages import Person
from tests.serving import Served, served

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


# For this folder alone: while Playwright runs, its loop counts as running, and no other test could start one.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None and not os.environ.get("COLANE_REQUIRE_BROWSER"):
        pytest.skip("NO BROWSER: chromium is not on PATH, so nothing in tests/browser ran")
    assert found is not None, "COLANE_REQUIRE_BROWSER is set and no chromium is on PATH"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("browser") / "data") as running:
        yield running


@pytest.fixture
def person(browser: Browser, server: Served) -> Iterator[Callable[..., Person]]:
    """`person("Ann", diagram)` signs up somebody new, makes them an editor of the diagram and opens it."""
    here: list[Person] = []

    def arrive(name: str, diagram: str | None = None, role: str = "editor") -> Person:
        guest = Person.signed_up(browser, server, name, diagram, role)
        here.append(guest)
        return guest

    yield arrive
    for guest in here:
        guest.leave()

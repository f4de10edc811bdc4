"""Real Chromium, a real server, people signed in."""

import os
import shutil
from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.pages import Person
from tests.serving import Served, served

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
PASSWORD = "correct horse battery"


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
        guest = Person.arrive(browser, server, cookie, email)
        here.append(guest)
        return guest.open(diagram) if diagram is not None else guest

    yield arrive
    for guest in here:
        guest.leave()

"""A real outage: Redis is killed and comes back empty while people read and write on two nodes.

No request fails for it, rates hold on each node, and nobody reads what is out of date, on neither node, at any time.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.conftest import Client, signed_up
from tests.interop.clients import eventually
from tests.nodes import Pair, pair
from tests.people import TEXT
from tests.serving import Served

pytestmark = pytest.mark.timeout(120)
XML = {"Content-Type": "application/xml"}
SAVES = 6  # a minute
RATES = {
    "COLANE_LIMITS": "on",
    "COLANE_LIMIT_SAVE": str(SAVES),
    "COLANE_LIMIT_READ": "30000",
    "COLANE_LIMIT_WRITE": "30000",
}


class Person:
    """Goes on doing something until told to stop; what went wrong is kept."""

    def __init__(self, client: Client, servers: tuple[Served, ...], step: Callable[..., None]) -> None:
        self.headers = {"Authorization": client.http.headers["Authorization"]}
        self.nodes = [httpx.Client(base_url=f"{one.url}/api/v1", headers=self.headers, timeout=30) for one in servers]
        self.step, self.number, self.wrong = step, 0, list[str]()
        self.answers: list[tuple[float, int]] = []  # when, and the status
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        try:
            while not self.stopping.is_set() and not self.wrong:
                self.number += 1
                self.step(self)
        except (httpx.HTTPError, AssertionError, KeyError) as error:
            self.wrong.append(f"step {self.number}: {error!r}")

    def ask(self, node: int, method: str, path: str, **more: Any) -> httpx.Response:
        answer = self.nodes[node].request(method, path, **more)
        self.answers.append((time.monotonic(), answer.status_code))
        if answer.status_code not in (200, 201, 304, 429):
            self.wrong.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        return answer


def renames(diagram: str) -> Callable[[Person], None]:
    """Changes the title on one node and reads the list, and the diagram, on the other."""

    def step(person: Person) -> None:
        here, there = person.number % 2, (person.number + 1) % 2
        title = f"Title {person.number}"
        assert person.ask(here, "PATCH", f"/diagrams/{diagram}", json={"title": title}).json()["title"] == title
        for node in (there, here):
            (first, *_) = person.ask(node, "GET", "/diagrams").json()["items"]
            assert (first["id"], first["title"]) == (diagram, title), "a summary that is out of date"
            assert person.ask(node, "GET", f"/diagrams/{diagram}").json()["title"] == title

    return step


def saves(diagram: str) -> Callable[[Person], None]:
    """Saves on the first node as often as it may; reads the text on both."""
    held = [(1, TEXT)]

    def step(person: Person) -> None:
        base, _ = held[-1]
        text = TEXT.replace(b'name="Do"', b'name="Do %d"' % person.number)
        answer = person.ask(0, "PUT", f"/diagrams/{diagram}/content?base_version={base}", content=text, headers=XML)
        if answer.status_code == 200:
            held.append((answer.json()["version"], text))
        for node in (1, 0):
            read = person.ask(node, "GET", f"/diagrams/{diagram}/content")
            assert (read.headers["x-version"], read.content) == (str(held[-1][0]), held[-1][1]), "an old text"
            assert person.ask(node, "GET", f"/diagrams/{diagram}/thumbnail.svg").content

    return step


def linked(nodes: Pair, *, up: bool) -> bool:
    texts = [httpx.get(f"{one.url}/metrics").text for one in (nodes.one, nodes.two)]
    return all(f"colane_redis_away {0.0 if up else 1.0}" in text for text in texts)


def ready(server: Served) -> dict[str, Any]:
    body: dict[str, Any] = httpx.get(f"{server.url}/readyz").json()
    return body


def test_redis_killed_and_back_under_load(tmp_path: Path) -> None:
    with pair(tmp_path, **RATES) as nodes:
        eventually("both have Redis", lambda: linked(nodes, up=True), 20)
        people = []
        for name, does in (("Ann", renames), ("Bob", saves)):
            client = signed_up(nodes.one, name)
            people.append(Person(client, (nodes.one, nodes.two), does(client.diagram(TEXT))))
            client.http.close()
        began = time.monotonic()
        for one in people:
            one.thread.start()
        try:
            time.sleep(1)
            nodes.redis.kill()
            eventually("both have noticed", lambda: linked(nodes, up=False), 20)
            eventually("it says so", lambda: list(ready(nodes.one)["reasons"]) == ["redis"], 10)
            assert httpx.get(f"{nodes.one.url}/readyz").status_code == 200, "and is ready all the same"
            time.sleep(1)
            nodes.redis.start()
            eventually("both have it again", lambda: linked(nodes, up=True), 20)
            back = time.monotonic()
            time.sleep(1)
        finally:
            for one in people:
                one.stopping.set()
            for one in people:
                one.thread.join(60)
                for node in one.nodes:
                    node.close()
        ann, bob = people
        assert ann.wrong == bob.wrong == []
        assert {status for _, status in ann.answers} == {200}
        assert ann.number > 5
        took = [at for at, status in bob.answers if status == 429]
        saved = bob.number - len(took)
        assert SAVES <= saved <= SAVES + 1 + (time.monotonic() - began) * SAVES / 60, (
            "an outage gave more than there is"
        )
        assert any(at > back for at in took), "and after it too"
        eventually("all is well", lambda: ready(nodes.one)["status"] == "ok", 10)

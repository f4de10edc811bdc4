"""People for locust, by load/mix.py: each an editor of an organization of their own, who does one thing a second.

Mostly they look: lists (with the ETag they have), diagrams, texts, history, search; now and then they say something or save.
"""

import itertools
import random
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from locust import FastHttpUser, constant_throughput, events, task
from locust.env import Environment

BUDGETS: Final = Path(__file__).parents[1] / "budgets.toml"
APART: Final = 20  # organizations between two people
ROOT: Final = "/api/v1"
_numbers = itertools.count()
_NAME: Final = re.compile(r'(<bpmn:\w+ id="\w+" name=")[^"]*"')


class Person(FastHttpUser):
    """One editor."""

    wait_time = constant_throughput(1)

    def on_start(self) -> None:
        organization = next(_numbers) * APART % 1_000
        self.token = {"Authorization": f"Bearer clt_load_{organization * 10 + 2}"}
        answer = self.look(f"{ROOT}/diagrams", "/diagrams")
        self.diagrams = [one["id"] for one in answer.json()["items"]]
        self.etag = answer.headers["ETag"]

    @property
    def diagram(self) -> str:
        return f"{ROOT}/diagrams/{random.choice(self.diagrams)}"

    def ask(self, method: str, path: str, name: str, headers: Mapping[str, str] | None = None, **more: Any) -> Any:
        return self.client.request(
            method, path, name=f"{method} {name}", headers=self.token | dict(headers or {}), **more
        )

    def look(self, path: str, name: str, **headers: str) -> Any:
        return self.ask("GET", path, name, headers)

    @task(30)
    def list(self) -> None:
        answer = self.look(f"{ROOT}/diagrams", "/diagrams", **{"If-None-Match": self.etag})
        self.etag = answer.headers.get("ETag", self.etag)

    @task(15)
    def read(self) -> None:
        self.look(self.diagram, "/diagrams/{d}")

    @task(15)
    def content(self) -> None:
        self.look(f"{self.diagram}/content", "/content")

    @task(10)
    def thumbnail(self) -> None:
        self.look(f"{self.diagram}/thumbnail.svg", "/thumbnail.svg")

    @task(8)
    def history(self) -> None:
        self.look(f"{self.diagram}/versions", "/versions")

    @task(8)
    def search(self) -> None:
        word = random.choice(("order", "claim", "handling", "check", "step"))
        self.look(f"{ROOT}/search?q={word}", "/search")

    @task(5)
    def comments(self) -> None:
        self.look(f"{self.diagram}/comments", "/comments")

    @task(3)
    def dashboard(self) -> None:
        self.look(f"{ROOT}/dashboard", "/dashboard")

    @task(3)
    def say(self) -> None:
        self.ask("POST", f"{self.diagram}/comments", "/comments", json={"text": "Is this so?"})

    @task(3)
    def save(self) -> None:
        place = f"{self.diagram}/content"
        held = self.look(place, "/content")
        text = _NAME.sub(rf'\g<1>renamed {random.randrange(1_000_000)}"', held.text, count=1)
        headers = {"Content-Type": "application/xml", "If-Match": held.headers["ETag"]}
        self.ask("PUT", place, "/content", headers, data=text)


@events.quitting.add_listener
def _judge(environment: Environment, **_: Any) -> None:
    budget = tomllib.loads(BUDGETS.read_text())["mix"]
    total = environment.stats.total
    p95, share = total.get_response_time_percentile(0.95), total.fail_ratio
    kept = p95 <= budget["p95"] and share <= budget["errors"] and total.num_requests > 0
    print(f"{total.num_requests} requests, {total.total_rps:.1f} a second")
    print(
        f"95th percentile {p95:.0f} ms (at most {budget['p95']}), errors {share:.2%} (at most {budget['errors']:.2%}):"
    )
    print("kept" if kept else "NOT KEPT")
    environment.process_exit_code = 0 if kept else 1

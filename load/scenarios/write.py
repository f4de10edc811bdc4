"""A script that writes: saves files of its own over REST, stale ones now and then, versions, restores, differences."""

import random
from typing import Any

from locust import HttpUser, between, task

from load.chart import SMALL, chart

TASKS = SMALL


class Saver(HttpUser):
    """Works on one diagram of its own; whatever REST answers must be what it should be."""

    wait_time = between(0.2, 1.0)
    weight = 1

    def on_start(self) -> None:
        options = self.environment.parsed_options
        assert options is not None
        self.client.headers["Authorization"] = f"Bearer {options.token}"
        self.text = chart(SMALL)
        self.version, self.saved = 1, 0
        xml = {"Content-Type": "application/xml"}
        answer = self.client.post("/api/v1/diagrams?title=Saved", data=self.text, headers=xml, name="POST /diagrams")
        self.place = f"/api/v1/diagrams/{answer.json()['id']}"

    def _put(self, text: bytes, base: int, name: str, wanted: int, **query: str) -> Any:
        headers = {"Content-Type": "application/xml", "If-Match": f'"v{base}"'}
        address = f"{self.place}/content"
        with self.client.put(
            address, params=query, data=text, headers=headers, name=name, catch_response=True
        ) as answer:
            if answer.status_code != wanted:
                answer.failure(f"status {answer.status_code}, not {wanted}")
                return None
            answer.success()
            return answer.json()

    def _renamed(self, tag: str) -> bytes:
        """The same file with another name on one task."""
        one = random.randrange(SMALL)
        before = f'id="Task_{one}" name="'.encode()
        head, _, rest = self.text.partition(before)
        return head + before + tag.encode() + rest[rest.index(b'"') :]

    @task(5)
    def save(self) -> None:
        self.saved += 1
        text = self._renamed(f"save {self.saved}")
        done = self._put(text, self.version, "PUT /content", 200)
        if done is not None:
            self.text, self.version = text, done["version"]

    @task(1)
    def save_on_an_old_version(self) -> None:
        if self.version > 1:
            self._put(self._renamed("stale"), self.version - 1, "PUT /content, stale", 412)

    @task(1)
    def name_a_version(self) -> None:
        self.client.post(f"{self.place}/versions", json={"name": "kept"}, name="POST /versions")

    @task(2)
    def compare(self) -> None:
        if self.version > 1:
            query = {"from": self.version - 1, "to": self.version}
            self.client.get(f"{self.place}/diff", params=query, name="GET /diff")

    @task(2)
    def validate(self) -> None:
        self.client.post(f"{self.place}/validate", name="POST /validate")

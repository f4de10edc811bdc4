"""A script that reads: summaries (with conditional requests), history, content and audit over REST."""

import random

from locust import HttpUser, between, task

from load.scenarios.diagrams import shared_diagrams


class Reader(HttpUser):
    """Reads what dashboards and scripts read; never writes."""

    wait_time = between(0.1, 0.5)
    weight = 1

    def on_start(self) -> None:
        options = self.environment.parsed_options
        assert options is not None
        self.client.headers["Authorization"] = f"Bearer {options.token}"
        self.diagrams = shared_diagrams(self.host or "", options.token, options.diagrams)
        self.etag = ""

    def any_diagram(self) -> str:
        return random.choice(self.diagrams)

    @task(5)
    def summaries(self) -> None:
        headers = {"If-None-Match": self.etag} if self.etag else {}
        with self.client.get("/api/v1/diagrams", headers=headers, name="GET /diagrams", catch_response=True) as answer:
            if answer.status_code not in (200, 304):
                answer.failure(f"status {answer.status_code}")
            elif answer.status_code == 200 and "<bpmn" in answer.text:
                answer.failure("a list must not carry XML")
            self.etag = answer.headers.get("ETag", "")

    @task(3)
    def history(self) -> None:
        self.client.get(f"/api/v1/diagrams/{self.any_diagram()}/versions", name="GET /versions")

    @task(2)
    def audit(self) -> None:
        self.client.get(f"/api/v1/diagrams/{self.any_diagram()}/audit", name="GET /audit")

    @task(2)
    def content(self) -> None:
        self.client.get(f"/api/v1/diagrams/{self.any_diagram()}/content", name="GET /content")

"""A real Colane server as a child process, for tests that look at the product from outside.

Started with the same command a user's `./run serve` ends in, on a free port and a data folder of its own. The token
of the demo organization's owner is preset, rate limits are off. Used by tests/interop, tests/browser and load checks.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

ROOT = Path(__file__).resolve().parent.parent
TOKEN = "clt_" + "7" * 43
START_TIMEOUT_S = 60.0


def free_port() -> int:
    """A TCP port on loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Served:
    """One server. `start`, `kill` (SIGKILL) and `stop` (SIGTERM) may alternate on the same data folder and port."""

    data: Path
    port: int = field(default_factory=free_port)
    settings: dict[str, str] = field(default_factory=dict)
    token: str = TOKEN
    process: subprocess.Popen[str] | None = None
    greeting: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}/collab"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()

    def start(self) -> None:
        log = (self.data.parent / f"{self.data.name}.log").open("a")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "colane", "serve", "--port", str(self.port), "--data", str(self.data)],
            cwd=ROOT,
            env={**os.environ, "COLANE_TOKEN": self.token, "COLANE_LIMITS": "off", **self.settings},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        log.close()
        assert self.process.stdout is not None
        self.greeting = []
        deadline = time.monotonic() + START_TIMEOUT_S
        for line in self.process.stdout:
            self.greeting.append(line.rstrip("\n"))
            if line.startswith("Colane is ready at"):
                return
            if time.monotonic() > deadline:
                break
        raise AssertionError(f"the server did not start: {self.log()[-2000:]}")

    def log(self) -> str:
        return (self.data.parent / f"{self.data.name}.log").read_text()

    def kill(self) -> None:
        """The power goes: no handler runs."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
        self._close_pipe()

    def stop(self) -> int:
        self.tell_to_stop()
        return self.ended()

    def tell_to_stop(self) -> None:
        """SIGTERM; `ended` waits for what comes of it."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)

    def ended(self, seconds: float = 15) -> int:
        """The exit code. Raises when it takes longer."""
        assert self.process is not None
        try:
            return self.process.wait(seconds)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait(5)
            self._close_pipe()

    def _close_pipe(self) -> None:
        if self.process is not None and self.process.stdout is not None:
            self.process.stdout.close()

    def database(self, role: str) -> str:
        """The address of its embedded PostgreSQL for a login; it listens on a socket in a private folder only."""
        folder = (self.data / "pg" / "postmaster.pid").read_text().splitlines()[4]
        return f"postgresql://{role}@/colane?host={folder}"

    def http(self, **headers: str) -> httpx.Client:
        return httpx.Client(
            base_url=f"{self.url}/api/v1", headers={"Authorization": f"Bearer {self.token}", **headers}, timeout=30
        )

    def create(self, xml: bytes, title: str = "Test") -> str:
        with self.http() as client:
            answer = client.post(
                "/diagrams", params={"title": title}, content=xml, headers={"Content-Type": "application/xml"}
            )
            assert answer.status_code == 201, answer.text
            return str(answer.json()["id"])

    def content(self, diagram: str, version: str | None = None) -> bytes:
        with self.http() as client:
            answer = client.get(f"/diagrams/{diagram}/content", params={"version": version} if version else {})
            assert answer.status_code == 200, answer.text
            return answer.content

    def ticket(self, diagram: str) -> str:
        with self.http() as client:
            answer = client.post(f"/diagrams/{diagram}/ticket")
            assert answer.status_code == 201, answer.text
            body: dict[str, Any] = json.loads(answer.content)
            return str(body["ticket"])


@contextmanager
def served(data: Path, **settings: str) -> Iterator[Served]:
    """A server that runs for the length of a `with` block."""
    with Served(data, settings=settings) as server:
        yield server

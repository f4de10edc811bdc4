"""Stock npm Yjs clients as child processes: `client.mjs` and `client4.mjs`, driven by JSON lines. Used by the interop tests."""

import json
import queue
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from tests.serving import Served

HERE = Path(__file__).resolve().parent
Protocol = Literal["yws", "yws4", "hocuspocus"]  # yws4: the next major of the y-websocket client
Event = dict[str, Any]


class NodeClient:
    """One client. `ask` sends a command and returns its answer; events that came meanwhile are kept for `wait_for`."""

    def __init__(self, protocol: Protocol) -> None:
        self.protocol = protocol
        self.events: list[Event] = []
        self._lines: queue.Queue[str] = queue.Queue()
        self._process = subprocess.Popen(
            ["node", str(HERE / ("client4.mjs" if protocol == "yws4" else "client.mjs"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.wait_for("ready")

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait(5)
        self._reader.join(5)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _next(self, timeout: float) -> Event | None:
        try:
            event: Event = json.loads(self._lines.get(timeout=max(timeout, 0.001)))
        except queue.Empty:
            return None
        assert event["event"] != "error", event
        self.events.append(event)
        return event

    def wait_for(self, name: str, timeout: float = 15.0, **fields: Any) -> Event:
        """The next event of that name (past ones count) whose fields match."""
        deadline = time.monotonic() + timeout
        seen = 0
        while True:
            for event in self.events[seen:]:
                seen += 1
                if event["event"] == name and all(event.get(k) == v for k, v in fields.items()):
                    self.events.remove(event)
                    return event
            if time.monotonic() > deadline:
                raise AssertionError(f"no {name} {fields} within {timeout} s; got {self.events[-10:]}")
            self._next(deadline - time.monotonic())

    def tell(self, do: str, **args: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **args}) + "\n")

    def ask(self, do: str, answer: str, **args: Any) -> Event:
        self.tell(do, **args)
        return self.wait_for(answer)

    def connect(self, server: Served, diagram: str) -> Self:
        self.ask(
            "connect",
            "connecting",
            protocol=self.protocol,
            url=server.ws,
            name=diagram,
            # An access token works in band; in a URL only a single-use ticket may stand.
            token=server.token if self.protocol == "hocuspocus" else server.ticket(diagram),
        )
        self.wait_for("synced")
        return self

    def get(self, key: str, register: str) -> Any:
        return self.ask("get", "value", key=key, register=register)["value"]

    def state(self) -> Event:
        return self.ask("state", "state")


def eventually(what: str, check: Any, timeout: float = 10.0) -> Any:
    """Polls until `check()` is truthy; the wait is for another process, never for a timer of our own."""
    deadline = time.monotonic() + timeout
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"never happened: {what}; last seen {value!r}")
        time.sleep(0.03)

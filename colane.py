"""The `colane` command: composition root and command line. Knows everything; nobody knows it.

`serve` opens the parts in their order (database, log, notices, workshop, journal, rooms, sockets, REST), starts a worker
beside itself, and on SIGTERM takes them down in reverse: new work is refused, what was accepted is committed, everybody is
sent away politely. Exit code 0 means that nothing acknowledged or handed in was lost.
"""

import asyncio
import gc
import logging
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Final, Self

import structlog
import typer

from collab import auditor, cli, operator
from collab.simulate.command import simulate
from storage.settings import Settings, told

if TYPE_CHECKING:
    import uvicorn

    from api.resources import Resources
    from collab.cluster import Route
    from storage.embedded import Running

ROOT: Final = Path(__file__).resolve().parent
WORKER_PAUSE_S: Final = 1.0
READY_TIMEOUT_S: Final = 30.0
END_S: Final = 12.0  # from SIGTERM; what is cut short then is tidying up, or waits for a database that hangs

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(cli.bpmn, name="bpmn")
app.add_typer(operator.outbox, name="outbox")
app.add_typer(operator.readmodels, name="readmodels")
app.add_typer(auditor.audit, name="audit")
app.command()(simulate)


# -- serve ------------------------------------------------------------------------------------------------------------


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="address to listen on")] = None,
    port: Annotated[int | None, typer.Option(help="port to listen on")] = None,
    data: Annotated[Path | None, typer.Option(help="folder for the embedded database")] = None,
) -> None:
    """Start everything: database, server and worker."""
    given = {"host": host, "port": port, "data": data}
    settings = _settings({name: value for name, value in given.items() if value is not None})
    with _database(settings) as urls:
        code = _loop(_serve(settings, urls))
    raise typer.Exit(code)


def _settings(given: dict[str, Any]) -> Settings:
    try:
        settings = Settings(**given)
        if settings.audit_key is not None or settings.audit_public_keys:
            from storage.audit import keys  # noqa: PLC0415 -- only where there is something to look at

            keys.believed(settings)
        return settings
    except ValueError as error:
        typer.echo(f"colane: the settings do not fit: {told(error)}", err=True)
        raise typer.Exit(2) from None


def _loop(work: Any) -> int:
    """Runs a coroutine to its end on the fastest loop there is."""
    try:
        import uvloop  # noqa: PLC0415

        factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    except ImportError:
        factory = asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return int(runner.run(work) or 0)


class Urls:
    """Where the database is, by who signs in, and the embedded server behind it, if there is one."""

    def __init__(self, application: str, worker: str, owner: str | None, embedded: "Running | None") -> None:
        self.app, self.worker, self.owner, self.embedded = application, worker, owner, embedded


@contextmanager
def _database(settings: Settings) -> Iterator[Urls]:
    """The database of the settings, migrated; an embedded one when none is named."""
    from storage.embedded import EmbeddedError, embedded  # noqa: PLC0415
    from storage.migrations import upgrade  # noqa: PLC0415

    if settings.database_url:
        if settings.owner_url:
            upgrade(settings.owner_url)
        yield Urls(settings.database_url, settings.worker_url or settings.database_url, settings.owner_url, None)
        return
    try:
        with embedded(settings.data, pg_bin=settings.pg_bin) as running:
            owner = running.url("colane_owner")
            upgrade(owner)
            yield Urls(running.url("colane_app"), running.url("colane_worker"), owner, running)
    except EmbeddedError as error:
        typer.echo(f"colane: {error}", err=True)
        raise typer.Exit(1) from None


async def _serve(settings: Settings, urls: Urls) -> int:
    from api import app as rest  # noqa: PLC0415
    from api import health, telemetry  # noqa: PLC0415
    from api.resources import Health  # noqa: PLC0415
    from collab.socket import connection_class  # noqa: PLC0415
    from storage.embedded import keep_up  # noqa: PLC0415

    telemetry.configure(settings)
    telemetry.configure_traces(settings, "colane")
    state = Health()
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopping.set)
    async with AsyncExitStack() as stack:
        resources, hub = await _open(stack, settings, urls, state)
        if settings.mode == "production":
            await _refuse_forgetful(resources)
        tasks = await stack.enter_async_context(_Endless())
        tasks.start(health.watch(resources))
        tasks.start(hub.keep_alive())
        tasks.start(hub.watch_rights())
        tasks.start(_worker(settings, urls))
        if urls.embedded is not None:
            tasks.start(keep_up(urls.embedded))
        greeting = await _greeting(settings, urls, resources)  # before anybody can come: a preset token works at once
        server = _uvicorn(settings, rest.build(resources), connection_class(hub))
        serving = tasks.start(server.serve())
        await _until_ready(server, state)
        _collect_seldom()
        print(*greeting, sep="\n", flush=True)  # noqa: T201 -- what the contract promises
        await asyncio.wait([tasks.start(stopping.wait()), serving], return_when=asyncio.FIRST_COMPLETED)
        state.draining = True
        verdict = _no_longer_than(END_S)
        clean = await hub.drain()
        verdict.code = 0 if clean and stopping.is_set() else 1
        server.should_exit = True
        await serving
        return verdict.code


def _collect_seldom() -> None:
    """What is here by now stays: looking through it all for cycles held everybody up for a tenth of a second each time."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


@dataclass
class _Verdict:
    """What the exit code will say, as far as is known."""

    code: int = 1


def _no_longer_than(seconds: float) -> _Verdict:
    """From here on the process ends in time, whatever hangs: a database that does not answer must not keep it."""
    verdict = _Verdict()

    def end() -> None:
        structlog.get_logger().error("drain.cut_short", code=verdict.code)
        os._exit(verdict.code)  # what is committed is on disk; children end with us

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    return verdict


class _Endless:
    """Tasks that run until the block ends, in a task group of its own."""

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._tasks: list[asyncio.Task[Any]] = []

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await self._group.__aexit__(kind, error, trace)

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """One more task."""
        task = self._group.create_task(work)
        self._tasks.append(task)
        return task


async def _open(stack: AsyncExitStack, settings: Settings, urls: Urls, state: Any) -> tuple["Resources", Any]:
    """The parts in their order; closed in reverse by the stack."""
    from api.resources import Resources  # noqa: PLC0415
    from collab import checkpoint  # noqa: PLC0415
    from collab.door import Door  # noqa: PLC0415
    from collab.hub import Hub  # noqa: PLC0415
    from collab.journal import Journal  # noqa: PLC0415
    from collab.rooms import Rooms  # noqa: PLC0415
    from collab.workshop import Workshop  # noqa: PLC0415
    from storage.audit.refusals import Refusals  # noqa: PLC0415
    from storage.cache import LocalCache, SharedCache  # noqa: PLC0415
    from storage.database import Database  # noqa: PLC0415
    from storage.limiter import LocalLimiter, SharedLimiter  # noqa: PLC0415
    from storage.notices import Notices  # noqa: PLC0415
    from storage.redis import Redis  # noqa: PLC0415
    from storage.updates import UpdateLog  # noqa: PLC0415

    db = await stack.enter_async_context(Database.open(urls.app))
    log = await stack.enter_async_context(UpdateLog.open(urls.app))
    workshop = await stack.enter_async_context(Workshop.open())
    journal = await stack.enter_async_context(Journal.open(log))
    notices = await stack.enter_async_context(Notices.open(urls.app))
    rooms = await stack.enter_async_context(Rooms.open(log, journal, notices))

    async def version_when_idle(org_id: Any, diagram_id: Any) -> None:
        await checkpoint.make(db, log, workshop, checkpoint.Who(org_id, diagram_id, None))

    rooms.on_idle = version_when_idle
    redis = None
    if settings.redis_url is not None:
        from api.telemetry import redis_is  # noqa: PLC0415
        from collab.bus.relay import Relay  # noqa: PLC0415

        node = secrets.randbits(52)
        await stack.enter_async_context(Relay.open(rooms, log, workshop, settings.redis_url, node))
        redis = await stack.enter_async_context(Redis.open(settings.redis_url, told=redis_is))
    refusals = await stack.enter_async_context(Refusals.open(db))
    hub = Hub(settings, Door(db, settings, refusals), rooms, journal)
    kept_here = LocalCache(settings.cache_bytes)
    resources = Resources(
        settings=settings,
        db=db,
        log=log,
        workshop=workshop,
        rooms=rooms,
        notices=notices,
        journal=journal,
        health=state,
        limiter=LocalLimiter() if redis is None else SharedLimiter(redis),
        cache=kept_here if redis is None else SharedCache(redis, kept_here),
        refusals=refusals,
        redis=redis,
    )
    return resources, hub


async def _refuse_forgetful(resources: "Resources") -> None:
    """Acknowledged means on disk: a database that does not flush cannot promise it."""
    off = await resources.log.switched_off()
    if off:
        raise SystemExit(f"colane: PostgreSQL runs with {', '.join(off)} off; production mode does not start on it")


def _uvicorn(settings: Settings, application: Any, ws: Any) -> "uvicorn.Server":
    import uvicorn  # noqa: PLC0415

    class Server(uvicorn.Server):
        """Leaves the signals to us: sockets are drained before the server is told to go."""

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    config = uvicorn.Config(
        application, host=settings.host, port=settings.port, ws=ws, log_config=None, access_log=False, lifespan="off",
        server_header=False, timeout_graceful_shutdown=1, timeout_keep_alive=30, proxy_headers=False,
    )  # fmt: skip
    return Server(config)


async def _until_ready(server: "uvicorn.Server", state: Any) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not (server.started and state.ready):
        if time.monotonic() > deadline or server.should_exit:
            raise SystemExit("colane: the server did not become ready; the log above says why")
        await asyncio.sleep(0.01)


async def _greeting(settings: Settings, urls: Urls, resources: "Resources") -> list[str]:
    """The only lines on stdout, and what they speak of."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104 -- compared, not bound
    url = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
    lines = []
    if urls.embedded is not None:
        from collab import demo  # noqa: PLC0415

        preset = settings.token.get_secret_value() if settings.token else None
        welcome = await demo.welcome(resources.db, resources.workshop, ROOT / "collab" / "samples", preset)
        if settings.on_loopback:
            lines = [
                f"Sign in once with {url}/signin/{welcome.link}",
                f"curl -H 'Authorization: Bearer {welcome.token}' {url}/api/v1/diagrams",
            ]
    return [f"Colane is ready at {url}", *lines]


async def _worker(settings: Settings, urls: Urls) -> None:
    """A worker process beside us; started again when it ends."""
    from storage.embedded import die_with_parent  # noqa: PLC0415

    environment = {
        **settings.environment(), "DATABASE_URL": urls.app, "COLANE_WORKER_URL": urls.worker,
        "COLANE_DATA": str(settings.data.resolve()),
    }  # fmt: skip
    while True:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "colane", "worker", cwd=ROOT, env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, preexec_fn=die_with_parent, start_new_session=True,
        )  # fmt: skip
        try:
            await child.wait()
        except asyncio.CancelledError:
            child.terminate()
            await child.wait()
            raise
        await asyncio.sleep(WORKER_PAUSE_S)


# -- demo ---------------------------------------------------------------------------------------------------------------


@app.command()
def demo(
    nodes: Annotated[int, typer.Option(min=1, max=16, help="how many server processes")] = 2,
    route: Annotated[str, typer.Option(help="how the proxy chooses a node: turns, or hash (by diagram)")] = "turns",
    port: Annotated[int | None, typer.Option(help="port of the proxy")] = None,
    data: Annotated[Path | None, typer.Option(help="folder for the embedded database")] = None,
) -> None:
    """Several nodes on this machine, to look at: one database, a real Valkey between them, a proxy in front."""
    from storage.valkey import ValkeyError, valkey  # noqa: PLC0415

    if route not in ("turns", "hash"):
        raise typer.BadParameter("turns or hash", param_hint="--route")
    settings = _settings({name: value for name, value in {"port": port, "data": data}.items() if value is not None})
    try:
        with _database(settings) as urls, valkey() as between:
            _loop(_demo(settings, urls, between.url, nodes, "hash" if route == "hash" else "turns"))
    except ValkeyError as error:
        typer.echo(f"colane: {error}", err=True)
        raise typer.Exit(1) from None


async def _demo(settings: Settings, urls: Urls, redis: str, count: int, route: "Route") -> None:
    from api import telemetry  # noqa: PLC0415
    from collab import cluster  # noqa: PLC0415
    from collab import demo as organization  # noqa: PLC0415
    from collab.workshop import Workshop  # noqa: PLC0415
    from storage.database import Database  # noqa: PLC0415

    telemetry.configure(settings)
    stopping = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stopping.set)
    preset = settings.token.get_secret_value() if settings.token else None
    async with Database.open(urls.app) as db, Workshop.open() as workshop:
        welcome = await organization.welcome(db, workshop, ROOT / "collab" / "samples", preset)
    environment = {
        **settings.environment(), "DATABASE_URL": urls.app, "COLANE_WORKER_URL": urls.worker, "REDIS_URL": redis,
        "COLANE_HOST": "127.0.0.1", "COLANE_DATA": str(settings.data.resolve()),
    }  # fmt: skip
    async with cluster.nodes(count, ROOT, environment) as running, _Endless() as tasks:
        tasks.start(cluster.Proxy(running, route).serve(settings.host, settings.port))
        url = f"http://{settings.host}:{settings.port}"
        lines = [f"Colane is ready at {url}", f"Sign in once with {url}/signin/{welcome.link}"]
        lines += [f"Node {one.number} is http://127.0.0.1:{one.port}, process {one.process.pid}" for one in running]
        print(*lines, f"Redis is {redis}", sep="\n", flush=True)  # noqa: T201 -- what people look for
        await stopping.wait()


# -- the other commands -----------------------------------------------------------------------------------------------


@app.command()
def worker() -> None:
    """One more worker: folds, versions, read models, clearing up. Needs DATABASE_URL or COLANE_WORKER_URL."""
    settings = _settings({})
    url = settings.worker_url or settings.database_url
    if url is None:
        typer.echo("colane: set COLANE_WORKER_URL; the embedded database has its worker already", err=True)
        raise typer.Exit(2)
    _loop(_work(settings, url))


async def _work(settings: Settings, url: str) -> None:
    from api import telemetry  # noqa: PLC0415
    from collab import delivery  # noqa: PLC0415
    from collab import worker as work  # noqa: PLC0415
    from collab.readmodels import ReadModels  # noqa: PLC0415
    from collab.seals import Sealer  # noqa: PLC0415
    from collab.workshop import Workshop  # noqa: PLC0415
    from storage import outbox  # noqa: PLC0415
    from storage.database import Database  # noqa: PLC0415
    from storage.notices import Notices  # noqa: PLC0415
    from storage.updates import UpdateLog  # noqa: PLC0415

    telemetry.configure(settings)
    telemetry.configure_traces(settings, "colane-worker")
    telemetry.serve_metrics(settings)
    running = asyncio.current_task()
    assert running is not None
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, running.cancel)
    try:
        async with (
            Database.open(url) as db,
            UpdateLog.open(url) as log,
            Workshop.open(2) as workshop,  # a large fold keeps no event waiting
            Notices.open(url, outbox.CHANNEL) as notices,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(work.run(db, log, workshop))
            group.create_task(delivery.run(db, [ReadModels(db, workshop)], notices))
            group.create_task(Sealer(db, settings).run())
    except asyncio.CancelledError:
        return


@app.command()
def migrate() -> None:
    """Bring the database at COLANE_OWNER_URL to the newest schema."""
    from storage.migrations import newest, upgrade  # noqa: PLC0415

    settings = _settings({})
    if settings.owner_url is None:
        typer.echo("colane: set COLANE_OWNER_URL to the database, signed in as colane_owner", err=True)
        raise typer.Exit(2)
    upgrade(settings.owner_url)
    typer.echo(f"the database is at {newest()}")


@app.command()
def version() -> None:
    """Print the version."""
    from api.app import VERSION  # noqa: PLC0415

    typer.echo(VERSION)


if __name__ == "__main__":
    app()

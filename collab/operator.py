"""`colane outbox ...` and `colane readmodels ...`: what an operator does while everything runs. See ops/runbooks.

Signs in as the worker: to COLANE_WORKER_URL or DATABASE_URL, else to the embedded database that runs on the data folder.
Imported by colane.py at every start, so the rest is imported by the commands that need it.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

if TYPE_CHECKING:
    from storage.database import Database

outbox = typer.Typer(help="Events that wait for the worker.", no_args_is_help=True)
readmodels = typer.Typer(help="What search and dashboard are read from.", no_args_is_help=True)

Data = Annotated[Path | None, typer.Option(help="folder of the embedded database")]
EventId = Annotated[UUID, typer.Argument(help="id of an event, as `list` shows it")]


def _run(data: Path | None, work: "Callable[[Database], Awaitable[None]]") -> None:
    from storage.database import Database  # noqa: PLC0415
    from storage.embedded import EmbeddedError, address  # noqa: PLC0415
    from storage.settings import Settings  # noqa: PLC0415

    settings = Settings() if data is None else Settings(data=data)

    async def connected() -> None:
        url = settings.worker_url or settings.database_url or address(settings.data, "colane_worker")
        async with Database.open(url) as db:
            await work(db)

    try:
        asyncio.run(connected())
    except (EmbeddedError, OSError) as error:
        typer.echo(f"colane: {error}", err=True)
        raise typer.Exit(2) from None


@outbox.command("list")
def list_events(
    *,
    everything: Annotated[bool, typer.Option("--all", help="also what is only waiting")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    data: Data = None,
) -> None:
    """Parked events, the oldest first: one line each, with what went wrong and how many wait behind it."""
    from storage import outbox as events  # noqa: PLC0415

    async def show(db: "Database") -> None:
        async with db.transaction(read_only=True) as conn:
            found = await events.waiting(conn, parked=not everything, limit=limit)
        for one in found:
            state = "parked" if one.parked_at is not None else "waiting"
            typer.echo(
                f"{one.id}  {state}  {one.name}  organization {one.org_id}  aggregate {one.aggregate_id}"
                f"  since {one.occurred_at:%Y-%m-%dT%H:%M:%SZ}  attempts {one.attempts}  behind it {one.behind}"
                f"  request {one.request_id or '-'}  {one.last_error or ''}".rstrip()
            )

    _run(data, show)


@outbox.command()
def replay(
    event: Annotated[UUID | None, typer.Argument(help="id of a parked event; without it, all of them")] = None,
    data: Data = None,
) -> None:
    """Parked events are handled again, and then what waits behind them."""
    from storage import outbox as events  # noqa: PLC0415

    async def again(db: "Database") -> None:
        async with db.transaction() as conn:
            count = await events.replay(conn, event)
        typer.echo(f"{count} to be handled again")
        if event is not None and not count:
            raise typer.Exit(1)

    _run(data, again)


@outbox.command()
def skip(event: EventId, data: Data = None) -> None:
    """Give a parked event up; what waits behind it goes on. `readmodels rebuild` brings in what it would have."""
    from storage import outbox as events  # noqa: PLC0415

    async def drop(db: "Database") -> None:
        async with db.transaction() as conn:
            done = await events.skip(conn, event)
        typer.echo("skipped" if done else "no parked event has this id", err=not done)
        if not done:
            raise typer.Exit(1)

    _run(data, drop)


@readmodels.command()
def rebuild(
    org: Annotated[UUID | None, typer.Option(help="one organization; without it, all of them")] = None,
    data: Data = None,
) -> None:
    """Make them anew from the tables, diagram by diagram, while everybody works."""
    from collab.readmodels import ReadModels  # noqa: PLC0415
    from collab.workshop import Workshop  # noqa: PLC0415

    async def anew(db: "Database") -> None:
        async with Workshop.open() as workshop:
            models = ReadModels(db, workshop)
            everyone = [org] if org is not None else await models.organizations()
            for place, org_id in enumerate(everyone, 1):
                done = 0
                async for progress in models.rebuild(org_id):
                    done = progress.done
                    if sys.stderr.isatty():
                        where = f"organization {place} of {len(everyone)}: diagram {done} of {progress.of}"
                        typer.echo(f"\r{where}\x1b[K", err=True, nl=False)
                typer.echo(f"organization {place} of {len(everyone)}: {org_id}: {done} diagrams")

    _run(data, anew)

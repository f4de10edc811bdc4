"""`colane simulate`: histories by the thousand, on a terminal. A seed that fails is a history to be had again.

Exit codes: 0 all held, 1 something did not. Imported by colane.py at every start, so the rest is imported by the command.
"""

import json
import secrets
import time
from dataclasses import asdict
from typing import Annotated, Final

import typer

TOLD: Final = 60  # last lines of a history that went wrong


def simulate(
    *,
    seed: Annotated[int | None, typer.Option(help="of the first history; else any")] = None,
    histories: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="how many, by seeds that follow each other")
    ] = 100,
    plant: Annotated[str | None, typer.Option(help="a bug on purpose: see what is found, and how soon")] = None,
    story: Annotated[bool, typer.Option(help="tell what happened in each history that went wrong")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
) -> None:
    """Rooms, journal and bus in simulated histories: people come, go, lag and lie; nodes, PostgreSQL and Redis fail."""
    from collab.room import Room  # noqa: PLC0415
    from collab.simulate import history  # noqa: PLC0415
    from collab.simulate.bugs import BUGS  # noqa: PLC0415

    if plant is not None and plant not in BUGS:
        raise typer.BadParameter(f"there are: {', '.join(BUGS)}", param_hint="--plant")
    first = secrets.randbelow(2**32) if seed is None else seed
    make = Room if plant is None else BUGS[plant]
    started = said = time.monotonic()
    failures: list[history.Failure] = []
    if not as_json:
        typer.echo(f"seed {first}")
    for number in range(histories):
        failed = history.run(first + number, make)
        if failed is not None:
            failures.append(failed)
            if not as_json:
                typer.echo(f"! seed {failed.seed}: {failed.rule}: {failed.detail}")
                for line in failed.story[-TOLD:] if story else ():
                    typer.echo(f"    {line}")
        if not as_json and time.monotonic() - said > 5.0:
            said = time.monotonic()
            typer.echo(f"{number + 1} of {histories} histories, {len(failures)} failures so far", err=True)
    if as_json:
        told = [{**asdict(one), "story": one.story if story else ()} for one in failures]
        typer.echo(json.dumps({"seed": first, "histories": histories, "failures": told}))
    else:
        typer.echo(f"{histories} histories in {time.monotonic() - started:.0f} s, {len(failures)} failures")
    raise typer.Exit(1 if failures else 0)

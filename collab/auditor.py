"""`colane audit ...`: for whoever checks the log without trusting the server that kept it. `verify` needs no database.

Exit codes as `colane bpmn` has them: 0 as it was written, 1 not as it was written (the row is named), 2 trouble.
Imported by colane.py at every start, so what only the commands need is imported by them.
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, NoReturn
from uuid import UUID

import typer

audit = typer.Typer(help="Check, export and sign the audit log.", no_args_is_help=True)


@audit.command()
def verify(
    file: Annotated[Path, typer.Argument(metavar="EXPORT", exists=True, dir_okay=False, help="from GET /audit/export")],
    *,
    key: Annotated[
        list[str], typer.Option(help="a public key (ed25519:...) that is believed, or a file of them; repeatable")
    ],
    heads: Annotated[
        list[Path] | None, typer.Option(exists=True, dir_okay=False, help="signed heads kept elsewhere; repeatable")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
) -> None:
    """Is this export as it was written and signed? Exit code 0: yes, 1: no, and which row, 2: trouble."""
    from storage.audit import keys  # noqa: PLC0415
    from storage.audit.export import examine  # noqa: PLC0415

    try:
        trusted = keys.ring(text for one in key for text in _texts(one))
    except (keys.KeyTextError, OSError, UnicodeDecodeError) as error:
        _trouble(f"--key: {error}")
    if not trusted:
        _trouble("--key: there is no key in it")
    with ExitStack() as open_files:

        def others() -> Iterator[bytes]:
            for path in heads or ():
                yield from open_files.enter_context(path.open("rb"))

        found = examine(open_files.enter_context(file.open("rb")), trusted, others())
    broken, head = found.broken, found.signed
    if as_json:
        said: dict[str, Any] = {
            "ok": broken is None, "org": found.org, "exported_at": found.exported_at, "rows": found.rows,
            "broken_at": broken.row if broken else None, "what": broken.what if broken else None,
            "reason": broken.words if broken else None, "signed_to": head.seq if head else None,
            "signed_at": head.at if head else None, "key": head.key if head else None,
        }  # fmt: skip
        typer.echo(json.dumps(said, ensure_ascii=False))
    elif broken is not None:
        typer.echo(f"{file}: BROKEN at row {broken.row} ({broken.what}): {broken.words}")
    else:
        typer.echo(f"{file}: whole: {found.rows} rows of organization {found.org}, exported {found.exported_at}")
        if head is None:
            typer.echo("  no row is signed yet: that the hashes fit says nothing of who wrote them")
        else:
            rest = found.rows - head.seq
            newer = f"; the {rest} after it are not signed yet" if rest else ""
            typer.echo(f"  signed up to row {head.seq} on {head.at} with key {head.key}{newer}")
    raise typer.Exit(0 if broken is None else 1)


def _texts(given: str) -> list[str]:
    """Keys as they are given: one, or a file with one on each line; lines with # say something else."""
    from storage.audit.keys import PREFIX  # noqa: PLC0415

    if given.startswith(PREFIX):
        return given.split(",")
    return [line for line in Path(given).read_text().splitlines() if line.strip() and not line.startswith("#")]


@audit.command()
def export(
    org: Annotated[str, typer.Argument(help='the id of an organization; "system" for what belongs to none')],
    out: Annotated[Path, typer.Option(help="where to write it")],
) -> None:
    """Write the log of an organization to a file, straight from the database at DATABASE_URL."""
    from storage.audit import SYSTEM  # noqa: PLC0415
    from storage.settings import Settings, told  # noqa: PLC0415

    try:
        org_id = SYSTEM if org == "system" else UUID(org)
        settings = Settings()
    except ValueError as error:
        _trouble(told(error))
    if settings.database_url is None:
        _trouble("set DATABASE_URL to the database, signed in as colane_app")
    rows = asyncio.run(_export(settings.database_url, org_id, out))
    typer.echo(f"{out}: {rows} lines")


async def _export(url: str, org_id: UUID, out: Path) -> int:
    from storage.audit.export import write  # noqa: PLC0415
    from storage.database import Database  # noqa: PLC0415

    count = 0
    async with Database.open(url) as db:
        with out.open("wb") as file:
            async for piece in write(db, org_id):
                file.write(piece)
                count += piece.count(b"\n")
    return count


@audit.command()
def key(
    *,
    new: Annotated[bool, typer.Option("--new", help="make a signing key and print it; it is kept nowhere")] = False,
) -> None:
    """The public keys that this installation believes, one a line, the present one first; or a new key."""
    from storage.audit import keys  # noqa: PLC0415
    from storage.settings import Settings, told  # noqa: PLC0415

    if new:
        made = keys.new_key()
        typer.echo(f"COLANE_AUDIT_KEY={made}")
        typer.echo(f"# its public key, for who checks: {keys.Signer.of(made).public.text}")
        return
    try:
        believed = keys.believed(Settings())
    except ValueError as error:
        _trouble(told(error))
    for one in believed.values():
        typer.echo(one.text)


def _trouble(message: str) -> NoReturn:
    typer.echo(f"colane: {message}", err=True)
    raise typer.Exit(2)

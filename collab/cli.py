"""`colane bpmn ...`: the bench on files, for everybody's terminal and git. No server, no database.

Exit codes as diff(1) has them: 0 nothing to say, 1 something to say (they differ, conflicts, not valid), 2 trouble.
Imported by colane.py at every start, so the bench itself is imported by the commands that need it.
"""

import json
import secrets
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from collab.bpmn.compare import Entry

bpmn = typer.Typer(help="Work on BPMN files without a server.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="a BPMN file")]
AsJson = Annotated[bool, typer.Option("--json", help="for programs")]


@bpmn.command()
def roundtrip(
    files: Annotated[list[Path], typer.Argument(help="XML files")],
    out: Annotated[Path, typer.Option(help="folder for the results")],
) -> None:
    """Import each file into a document and export it again; one JSON line a file on stdout."""
    from collab.bpmn import diagram  # noqa: PLC0415
    from collab.bpmn.errors import BpmnError  # noqa: PLC0415

    out.mkdir(parents=True, exist_ok=True)
    failed = False
    for path in files:
        started = time.perf_counter()
        line: dict[str, Any] = {"file": str(path), "ok": False, "error": None, "elements": 0, "update_bytes": 0}
        try:
            text, line["elements"], line["update_bytes"] = diagram.roundtrip(path.read_bytes())
            (out / path.name).write_bytes(text)
            line["ok"] = True
        except BpmnError as error:
            line["error"] = {"rule": error.rule, "message": error.message}
        except OSError as error:
            line["error"] = {"rule": "file", "message": str(error)}
            failed = True
        line["ms"] = round((time.perf_counter() - started) * 1000, 1)
        typer.echo(json.dumps(line))
    raise typer.Exit(1 if failed else 0)


@bpmn.command()
def diff(a: File, b: File, *, as_json: AsJson = False) -> None:
    """What changed from A to B, by element. Exit code 0: nothing, 1: something, 2: a file that cannot be read."""
    from collab.bpmn.compare import compare  # noqa: PLC0415
    from collab.bpmn.errors import BpmnError  # noqa: PLC0415

    try:
        found = compare(a.read_bytes(), b.read_bytes())
    except BpmnError as error:
        _trouble(error.message)
    if as_json:
        typer.echo(json.dumps(asdict(found), ensure_ascii=False))
    else:
        for sign, entries in (("+", found.added), ("-", found.removed), ("~", found.changed), (">", found.moved)):
            for one in entries:
                _tell(sign, one)
        if found.layout_only:
            typer.echo(f"  only laid out anew: {', '.join(_named(one) for one in found.layout_only)}")
    raise typer.Exit(0 if found.nothing else 1)


@bpmn.command()
def merge(
    base: File,
    ours: File,
    theirs: File,
    *,
    out: Annotated[Path | None, typer.Option(help="where to write; else stdout")] = None,
    as_json: AsJson = False,
) -> None:
    """Merge what THEIRS changed in BASE into OURS. Exit code 0: merged, 1: conflicts and nothing written, 2: trouble.

    As a git merge driver: `colane bpmn merge %O %A %B --out %A`.
    """
    from collab.bpmn import diagram  # noqa: PLC0415
    from collab.bpmn.errors import BpmnError  # noqa: PLC0415

    mine = ours.read_bytes()
    try:
        seed = diagram.from_xml(mine, None, 1).update
        found = diagram.merge([seed], base.read_bytes(), theirs.read_bytes(), None, 2)
    except BpmnError as error:
        _trouble(error.message)
    if isinstance(found, diagram.Clash):
        # What the bench calls yours is the text that is carried over: theirs, here.
        conflicts = [{**one, "ours": one["theirs"], "theirs": one["yours"]} for one in found.both]
        for one in conflicts:
            del one["yours"]
            if not as_json:
                values = ", ".join(
                    f"{side} {json.dumps(one[side], ensure_ascii=False)}" for side in ("base", "ours", "theirs")
                )
                typer.echo(f"! {one['element']}: both changed {one['property']} ({values})", err=True)
        if as_json:
            typer.echo(json.dumps({"conflicts": conflicts}, ensure_ascii=False))
        raise typer.Exit(1)
    text = mine if found.update is None else found.rendered.xml
    if out is not None:
        out.write_bytes(text)
    elif not as_json:
        typer.echo(text, nl=False)
    if as_json:
        typer.echo(json.dumps({"conflicts": [], "kept": found.kept}, ensure_ascii=False))


@bpmn.command()
def validate(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False)], *, as_json: AsJson = False
) -> None:
    """Is each file a sound model? Exit code 0: yes, 1: at least one error, 2: a file that cannot be read."""
    from collab.bpmn import validate as rules  # noqa: PLC0415
    from collab.bpmn.errors import BpmnError  # noqa: PLC0415

    errors = 0
    for path in files:
        try:
            found = rules.validate(path.read_bytes())
        except BpmnError as error:
            _trouble(f"{path}: {error.message}")
        errors += sum(one.severity == "error" for one in found)
        if as_json:
            typer.echo(json.dumps({"file": str(path), "problems": [asdict(one) for one in found]}, ensure_ascii=False))
            continue
        for one in found:
            typer.echo(f"{path}: {one.severity}: {one.element or 'the file'}: {one.message}")
        if not found:
            typer.echo(f"{path}: sound")
    raise typer.Exit(1 if errors else 0)


@bpmn.command()
def fuzz(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False)],
    *,
    seed: Annotated[int | None, typer.Option(help="the run to have again; else a new one, which is printed")] = None,
    replicas: Annotated[int, typer.Option(min=1, max=16, help="people who edit at once")] = 3,
    ops: Annotated[int, typer.Option(min=1, max=10_000, help="edits of each before everybody meets")] = 10,
    merges: Annotated[int, typer.Option(min=1, max=1_000_000, help="meetings, each from the file anew")] = 3,
    as_json: AsJson = False,
) -> None:
    """Edit files at random, concurrently, and check every merge. Exit code 0: all held, 1: something did not, 2: trouble."""
    from collab.bpmn import fuzz as fuzzing  # noqa: PLC0415
    from collab.bpmn.errors import BpmnError  # noqa: PLC0415
    from collab.mirror import mirror  # noqa: PLC0415

    chosen = secrets.randbelow(2**32) if seed is None else seed
    if not as_json:
        typer.echo(f"seed {chosen}")
    report = fuzzing.Report()
    with mirror() as ask:
        for path in files:
            try:
                fuzzing.run(path.name, path.read_bytes(), chosen, replicas, ops, merges, report, ask)
            except BpmnError as error:
                _trouble(f"{path}: {error.message}")
            if not as_json:
                typer.echo(f"{path}: {len(report.failures)} failures so far", err=True)
    if as_json:
        typer.echo(json.dumps({"seed": chosen, **asdict(report)}, ensure_ascii=False))
    else:
        for one in report.failures:
            typer.echo(f"! {one.file}, merge {one.merge}: {one.rule}: {one.detail}")
        typer.echo(
            f"{report.files} files, {report.merges} merges, {report.edits} edits, {report.exchanges} exchanges before"
        )
        typer.echo(
            f"{report.mirrored} merges shown by the browser's code too"
            if report.mirrored
            else "the browser's code was not asked: it needs Node, and the front end built (./run setup)"
        )
        typer.echo(f"{len(report.failures)} failures")
    raise typer.Exit(1 if report.failures else 0)


def _tell(sign: str, one: "Entry") -> None:
    typer.echo(f"{sign} {_named(one)}")
    for each in one.properties:
        values = (json.dumps(value, ensure_ascii=False) for value in (each.base, each.value))
        typer.echo(f"    {each.property}: {' → '.join(values)}")


def _named(one: "Entry") -> str:
    name = f" “{one.name}”" if one.name else ""
    return f"{one.type.rpartition(':')[2]} {one.element}{name}"


def _trouble(message: str) -> NoReturn:
    typer.echo(f"colane: {message}", err=True)
    raise typer.Exit(2)

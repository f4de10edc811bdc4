"""Drawings and exports of the head version: thumbnails for lists, files for people.

Everything leaves as an attachment or under a sandbox policy: a diagram is somebody else's text.
"""

from dataclasses import asdict
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from api.answers import JSON, PNG, SVG, XML, Answer, Raw
from api.bodies import acceptable
from api.cached import head_drawing
from api.call import Call
from api.endpoint import Model, endpoint
from api.problems import Problem
from collab.bpmn import listing, png
from storage import diagrams, history
from storage.access import Role
from storage.diagrams import Summary

SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


class ThumbnailQuery(Model):
    v: Annotated[str, Field(max_length=20, description="only there to change the address with the version")] | None = (
        None
    )


class ExportQuery(Model):
    format: Literal["bpmn", "svg", "png", "json"] = "bpmn"


class Bounds(Model):
    x: float
    y: float
    width: float
    height: float


class Element(Model):
    """One element with an id; `parent` is the nearest one around it, `attributes` are as written in the file."""

    id: str
    type: str
    name: str | None
    parent: str | None
    attributes: dict[str, str]
    documentation: str | None
    bounds: Bounds | None
    waypoints: list[tuple[float, float]]


class Exported(Model):
    """A diagram as plain data, its elements in the order of the file."""

    id: UUID
    title: str
    version: int
    elements: list[Element]


@endpoint(
    "A small drawing of the head",
    need=Role.VIEWER,
    visitors=True,
    produces=(SVG,),
    errors=("version_evicted",),
    conditional=True,
)
async def thumbnail(call: Call, query: ThumbnailQuery) -> Answer:  # noqa: ARG001 -- declared for OpenAPI
    newest = await history.newest(call.resources.db, call.on)
    etag = f'"v{newest.version}.thumbnail"'
    headers = {"Content-Security-Policy": SANDBOX}
    if call.has_copy(etag):
        return Answer(Raw(b"", SVG), etag=etag, headers=headers)
    drawn = await head_drawing(call, newest)
    if drawn is None:
        raise Problem("version_evicted")
    return Answer(Raw(drawn, SVG), etag=etag, headers=headers)


TYPES = {"bpmn": XML, "svg": SVG, "png": PNG, "json": JSON}


def _format(call: Call) -> None:
    """A format we do not write, or one the client does not take: 406, whatever else is in the query."""
    wanted = call.request.query_params.get("format", "bpmn")
    if wanted not in TYPES or not acceptable(call.header("accept"), (TYPES[wanted],)):
        raise Problem("not_acceptable", f"Formats: {', '.join(f'{name} ({kind})' for name, kind in TYPES.items())}.")


@endpoint(
    "The head as a file: BPMN, SVG, PNG, or its elements as JSON",
    need=Role.VIEWER,
    visitors=True,
    answers=Exported,
    produces=(XML, SVG, PNG, JSON),
    accepts=_format,
    conditional=True,
    headers={"Content-Disposition": "attachment, with a file name"},
)
async def export(call: Call, query: ExportQuery) -> Answer:
    head = await diagrams.read(call.resources.db, call.on)
    etag = f'"v{head.version}.{query.format}"'
    headers = {
        "Content-Disposition": f'attachment; filename="{call.on.diagram_id}.{query.format}"',
        "Content-Security-Policy": SANDBOX,
    }
    if call.has_copy(etag):
        return Answer(Raw(b"", TYPES[query.format]), etag=etag, headers=headers)
    return Answer(await _file(call, query.format, head), etag=etag, headers=headers)


async def _file(call: Call, kind: str, head: Summary) -> Raw | Exported:
    parts = call.resources
    if kind in ("svg", "png"):
        drawn = await history.thumbnail(parts.db, call.on, head.version)
        if drawn is None:
            raise Problem("version_evicted")
        return Raw(drawn.encode(), SVG) if kind == "svg" else Raw(await parts.workshop.do(png.png, drawn), PNG)
    xml = await history.xml(parts.db, call.on, head.version)
    if xml is None:
        raise Problem("version_evicted")
    if kind == "bpmn":
        return Raw(xml, XML)
    elements = [asdict(one) for one in await parts.workshop.do(listing.listing, xml)]
    return Exported.model_validate({"id": head.id, "title": head.title, "version": head.version, "elements": elements})

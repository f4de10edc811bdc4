"""Drawings and exports of the head version: thumbnails for lists, files for people.

Everything leaves as an attachment or under a sandbox policy: a diagram is somebody else's text.
"""

from typing import Annotated

from pydantic import Field

from api.answers import SVG, XML, Answer, Raw
from api.call import Call
from api.endpoint import Model, endpoint
from api.problems import Problem
from storage import history
from storage.access import Role

SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


class ThumbnailQuery(Model):
    v: Annotated[str, Field(max_length=20, description="only there to change the address with the version")] | None = (
        None
    )


class ExportQuery(Model):
    format: Annotated[str, Field(max_length=20, description="bpmn or svg")] = "bpmn"


async def _head(call: Call) -> int:
    return await history.head(call.resources.db, call.on)


@endpoint("A small drawing of the head", need=Role.VIEWER, visitors=True, produces=(SVG,), conditional=True)
async def thumbnail(call: Call, query: ThumbnailQuery) -> Answer:  # noqa: ARG001 -- declared for OpenAPI
    version = await _head(call)
    etag = f'"v{version}.thumbnail"'
    headers = {"Content-Security-Policy": SANDBOX}
    if call.has_copy(etag):
        return Answer(Raw(b"", SVG), etag=etag, headers=headers)
    return Answer(Raw(await _drawing(call, version), SVG), etag=etag, headers=headers)


async def _drawing(call: Call, version: int) -> bytes:
    drawn = await history.thumbnail(call.resources.db, call.on, version)
    if drawn is None:
        raise Problem("version_evicted")
    return drawn.encode()


@endpoint("The head as a file: BPMN or SVG", need=Role.VIEWER, visitors=True, produces=(XML, SVG), conditional=True)
async def export(call: Call, query: ExportQuery) -> Answer:
    if query.format not in ("bpmn", "svg"):
        raise Problem("not_acceptable", "Available formats: bpmn, svg.")
    version = await _head(call)
    etag = f'"v{version}.{query.format}"'
    if call.has_copy(etag):
        return Answer(Raw(b"", XML), etag=etag)
    if query.format == "bpmn":
        xml = await history.xml(call.resources.db, call.on, version)
        if xml is None:
            raise Problem("version_evicted")
        body = Raw(xml, XML)
    else:
        body = Raw(await _drawing(call, version), SVG)
    headers = {
        "Content-Disposition": f'attachment; filename="{call.on.diagram_id}.{query.format}"',
        "Content-Security-Policy": SANDBOX,
    }
    return Answer(body, etag=etag, headers=headers)

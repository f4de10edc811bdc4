"""A diagram's BPMN XML: read a version or the live state, save on top of a version. Saving itself is in collab/save.py.

What a save is based on comes as If-Match or base_version; a stale one is refused with everything the client needs to
sort it out, 412 for If-Match and 409 otherwise, with one and the same body.
"""

import re
import time
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from api.answers import XML, Answer, Raw
from api.cached import head_xml
from api.call import Call, Xml
from api.endpoint import Model, endpoint
from api.problems import Problem, invalid
from api.shapes import Person, Repair, Text
from api.telemetry import SAVES
from collab import save
from collab.bpmn import validate
from storage import history
from storage.access import Role
from storage.database import Connection
from storage.diagrams import people

_TAG = re.compile(r'"v([1-9][0-9]{0,8})(?:\.s([0-9]{1,18}))?"')
SANDBOX = "sandbox; default-src 'none'; frame-ancestors 'none'"


class ContentQuery(Model):
    version: (
        Annotated[str, Field(pattern=r"^([1-9][0-9]{0,8}|live)$", description="a version number, or live")] | None
    ) = None


_NAMES = "([1-9][0-9]{0,8}|b[A-Za-z0-9_.-]{3,199})"
_NAMED = re.compile(_NAMES)
_BASE = {
    "anyOf": [{"type": "integer", "minimum": 1, "maximum": 999_999_999}, {"type": "string", "pattern": f"^{_NAMES}$"}]
}


class SaveQuery(Model):
    base_version: (
        Annotated[str, Field(pattern=f"^{_NAMES}$", description="a version number, or a next_base", examples=["3"])]
        | None
    ) = None
    message: Text | None = None
    on_conflict: Literal["fail", "merge"] = "fail"


def _base_name(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON knows one kind of number
    if isinstance(value, bool) or not isinstance(value, int | str) or not _NAMED.fullmatch(str(value)):
        raise ValueError("a version number, or a next_base")
    return value


class Save(Model):
    bpmn_xml: str
    base_version: Annotated[int | str, BeforeValidator(_base_name), WithJsonSchema(_BASE)] | None = None
    message: Text | None = None
    on_conflict: Literal["fail", "merge"] | None = None


class Kept(Model):
    """Something the text lacks and that was not deleted for it, because the tool that wrote the text drops such things."""

    element: str
    property: str


class Saved(Model):
    """`bpmn_xml` is the new head where that is not what was sent, and `next_base` then the name of what was."""

    version: int
    etag: str
    unchanged: bool
    merged: bool
    kept: list[Kept]
    repairs: list[Repair]
    bpmn_xml: str | None = None
    next_base: str | None = None


def xml_answer(xml: bytes, etag: str, version: int, name: str) -> Answer:
    """XML as a download that no browser runs."""
    return Answer(
        Raw(xml, XML),
        etag=etag,
        headers={
            "X-Version": str(version),
            "Content-Disposition": f'attachment; filename="{name}.bpmn"',
            "Content-Security-Policy": SANDBOX,
        },
    )


@endpoint(
    "The BPMN XML of the head, of a version, or of the committed live state (?version=live)",
    need=Role.VIEWER,
    visitors=True,
    produces=(XML,),
    errors=("version_evicted",),
    conditional=True,
    headers={
        "X-Version": "the head's number",
        "ETag": 'strong: "v<n>", live "v<n>.s<seq>"',
        "Content-Disposition": "attachment, with a file name",
    },
)
async def read_content(call: Call, query: ContentQuery) -> Answer:
    db, grant = call.resources.db, call.on
    if query.version == "live":
        live = await save.live(db, call.resources.log, call.resources.workshop, grant)
        return xml_answer(live.xml, f'"v{live.version}.s{live.seq}"', live.version, str(grant.diagram_id))
    newest = await history.newest(db, grant)
    head = newest.version
    number = head if query.version is None else int(query.version)
    etag = f'"v{number}"'
    if call.has_copy(etag) and number == head:
        return Answer(Raw(b"", XML), etag=etag, headers={"X-Version": str(head)})
    xml = await (head_xml(call, newest) if number == head else history.xml(db, grant, number))
    if xml is None:
        raise Problem("version_evicted") if number < head else Problem("not_found")
    return xml_answer(xml, etag, head, str(grant.diagram_id))


class Base(Model):
    """What a save says it is based on."""

    version: int | None
    seq: int | None = None  # of a live state, by If-Match "v<n>.s<seq>"
    opaque: str | None = None  # a next_base
    by_tag: bool = False


def base_of(if_match: str | None, named: int | str | None) -> Base | None:
    """The base from If-Match and base_version; both may be given when they agree. `*` says nothing, whatever else does."""
    if if_match is not None and if_match.strip() == "*":
        return None
    tag = _from_tag(if_match) if if_match is not None else None
    given = _from_name(named) if named is not None else None
    if tag is not None and given is not None and (tag.version, tag.opaque) != (given.version, given.opaque):
        raise invalid("header.If-Match", "If-Match and base_version name different versions.")
    return tag or given


def _from_tag(header: str) -> Base:
    found = _TAG.fullmatch(header.strip())
    if found is None:
        # An ETag that is none of ours matches nothing: the save is stale, whatever the head is.
        return Base(version=0, by_tag=True)
    return Base(version=int(found[1]), seq=int(found[2]) if found[2] else None, by_tag=True)


def _from_name(named: int | str) -> Base:
    text = str(named)
    return Base(version=int(text)) if text.isdecimal() else Base(version=None, opaque=text)


@endpoint(
    "Save BPMN XML on top of the version it is based on",
    need=Role.EDITOR,
    limit="save",
    answers=Saved,
    errors=(
        "version_conflict",
        "precondition_required",
        "invalid_bpmn",
        "xml_forbidden",
    ),
    body_limit=12 << 20,
    idempotent=True,
    headers={"ETag": "of the head after the save"},
)
async def save_content(call: Call, query: SaveQuery, body: Save | Xml) -> Answer:
    started = time.perf_counter()
    result = "failed"
    try:
        answered = await _save(call, query, body)
        result = "unchanged" if answered.free else "saved"
        return answered
    except Problem as problem:
        result = "conflict" if problem.code == "version_conflict" else "refused"
        raise
    finally:
        SAVES.labels(result).observe(time.perf_counter() - started)


async def _save(call: Call, query: SaveQuery, body: Save | Xml) -> Answer:
    named: int | str | None
    if isinstance(body, Xml):
        xml, charset, named, message = body.content, body.charset, query.base_version, query.message
    else:
        xml, charset = body.bpmn_xml.encode(), "utf-8"
        named = body.base_version if body.base_version is not None else query.base_version
        if None not in (body.base_version, query.base_version) and str(named) != query.base_version:
            raise invalid("query.base_version", "Body and query name different versions.")
        message = body.message if body.message is not None else query.message
    base = base_of(call.header("if-match"), named)
    if base is None:
        # What is no diagram is told first: with a base it would be refused all the same.
        await call.resources.workshop.do(validate.read, xml, charset)
        raise Problem("precondition_required")
    asked = body.on_conflict if isinstance(body, Save) else None
    on_conflict = asked or query.on_conflict

    async def answer(_conn: Connection, saved: save.Saved) -> Answer:
        return _answer(saved)

    try:
        saved = await save.save(
            call.resources.db,
            call.resources.log,
            call.resources.workshop,
            grant=call.on,
            xml=xml,
            charset=charset,
            base=base.version or 0,
            base_seq=base.seq,
            base_name=base.opaque,
            merging=on_conflict == "merge",
            message=message,
            request_id=call.request_id,
            once=call.once(answer),
        )
    except save.VersionConflict as conflict:
        raise await _conflict(call, conflict, by_tag=base.by_tag) from None
    return _answer(saved)


def _answer(saved: save.Saved) -> Answer:
    etag = f'"v{saved.version}"'
    shape = Saved(
        version=saved.version,
        etag=etag,
        unchanged=saved.unchanged,
        merged=saved.merged,
        kept=[Kept.model_validate(one) for one in saved.kept],
        repairs=[Repair.model_validate(one) for one in saved.repairs],
        bpmn_xml=saved.xml.decode() if saved.xml is not None else None,
        next_base=saved.next_base,
    )
    return Answer(shape, etag=etag, free=saved.unchanged)


async def _conflict(call: Call, conflict: save.VersionConflict, *, by_tag: bool) -> Problem:
    db, grant = call.resources.db, call.on
    async with db.transaction(user=grant.user_id, org=grant.org_id, read_only=True) as conn:
        known = await people(conn, {conflict.updated_by} if conflict.updated_by else set())
    root = f"/api/v1/diagrams/{grant.diagram_id}"
    person = Person.of(known.get(conflict.updated_by)) if conflict.updated_by else None
    current = conflict.current_version
    return Problem(
        "version_conflict",
        f"The diagram is at version {current}; your text is based on version {conflict.base_version}. Nothing was saved.",
        status=412 if by_tag else 409,
        members={
            "base_version": conflict.base_version,
            "current_version": current,
            "current_etag": f'"v{current}"',
            "updated_at": conflict.updated_at,
            "updated_by": person.model_dump() if person else None,
            "conflict": conflict.conflict,
            "links": {
                "current": f"{root}/content",
                "base": f"{root}/content?version={conflict.base_version}",
                "diff": f"{root}/diff?from={conflict.base_version}&to={current}",
            },
        },
    )

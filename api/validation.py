"""Is this a sound model? Of a text that is sent, or of a diagram's head, a version, or its live state."""

from dataclasses import asdict
from typing import Annotated

from pydantic import Field

from api.call import Call, Xml
from api.endpoint import Model, endpoint
from api.problems import Problem, invalid
from collab import save
from collab.bpmn import validate
from storage import history
from storage.access import Role, Scope


class ValidateQuery(Model):
    version: Annotated[str, Field(max_length=20, pattern="^([1-9][0-9]{0,8}|live)$")] | None = None


class Text(Model):
    bpmn_xml: str


class Finding(Model):
    """`rule` "schema" or one of our own; `severity` "error" or "warning"."""

    rule: str
    element: str | None
    message: str
    severity: str


class Findings(Model):
    valid: bool
    problems: list[Finding]


async def _findings(call: Call, text: bytes, charset: str | None = None) -> Findings:
    found = await call.resources.workshop.do(validate.validate, text, charset)
    problems = [Finding.model_validate(asdict(one)) for one in found]
    return Findings(valid=not any(one.severity == "error" for one in found), problems=problems)


@endpoint(
    "Validate a text; nothing is stored",
    scope=Scope.READ,
    limit="write",
    answers=Findings,
    errors=("invalid_bpmn", "xml_forbidden", "too_large"),
    body_limit=12 << 20,
)
async def text(call: Call, body: Text | Xml) -> Findings:
    if isinstance(body, Xml):
        return await _findings(call, body.content, body.charset)
    return await _findings(call, body.bpmn_xml.encode(), "utf-8")


@endpoint(
    "Validate the head, a version, or the live state",
    need=Role.VIEWER,
    scope=Scope.READ,
    limit="write",
    answers=Findings,
    errors=("version_evicted",),
)
async def diagram(call: Call, query: ValidateQuery) -> Findings:
    parts = call.resources
    if query.version == "live":
        return await _findings(call, (await save.live(parts.db, parts.log, parts.workshop, call.on)).xml)
    head = await history.head(parts.db, call.on)
    number = head if query.version is None else int(query.version)
    if number > head:
        raise invalid("query.version", "There is no such version.")
    found = await history.xml(parts.db, call.on, number)
    if found is None:
        raise Problem("version_evicted")
    return await _findings(call, found)

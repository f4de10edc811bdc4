"""The dashboard of an organization, as far as the one who asks may see its diagrams."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BeforeValidator, Field

from api.answers import Answer, dumps, weak_etag
from api.call import Call
from api.endpoint import Model, endpoint
from api.scope import organization
from api.shapes import Person, Reference
from storage import dashboard

MOST_DAYS = 365


class Counts(Model):
    """`threads` are comments that began one; `people` the members of the organization."""

    diagrams: int
    versions: int
    elements: int
    threads: int
    open_threads: int
    people: int


class Day(Model):
    """Versions made on a day (UTC): by how many people, of how many diagrams. Days without any are left out."""

    day: Annotated[date, Field(examples=["2026-01-31"])]
    edits: int
    people: int
    diagrams: int


class Edited(Model):
    id: UUID
    title: str
    edits: int
    last_at: datetime


class Editor(Model):
    """Who made the most versions, and of which diagrams."""

    person: Person
    edits: int
    diagrams: list[Edited]


class Recent(Model):
    id: UUID
    title: str
    version: int
    updated_at: datetime
    updated_by: Person | None


class Dashboard(Model):
    """`activity` and `editors` are of the last `days` days; `recent` are the diagrams changed last, newest first."""

    org_id: UUID
    days: int
    counts: Counts
    activity: list[Day]
    editors: list[Editor]
    recent: list[Recent]


class DashboardQuery(Model):
    org: Reference | None = None
    days: Annotated[
        int,
        BeforeValidator(lambda days: max(1, min(MOST_DAYS, days)) if isinstance(days, int) else days),
        Field(description="1 to 365; what is beyond is taken for that"),
    ] = 30


@endpoint(
    "What an organization has and does: counts, activity by day, who edits what, what changed last",
    answers=Dashboard,
    errors=("invalid_reference", "forbidden"),
    conditional=True,
)
async def read(call: Call, query: DashboardQuery) -> Answer:
    org = await organization(call, query.org)
    found = await dashboard.of(call.resources.db, user_id=call.who.user_id, org_id=org.org_id, days=query.days)
    shown = Dashboard(
        org_id=org.org_id,
        days=query.days,
        counts=Counts.model_validate(found.counts, from_attributes=True),
        activity=[Day.model_validate(one, from_attributes=True) for one in found.activity],
        editors=[_editor(one) for one in found.editors],
        recent=[
            Recent(
                id=one.id,
                title=one.title,
                version=one.version,
                updated_at=one.updated_at,
                updated_by=Person.of(one.updated_by),
            )
            for one in found.recent
        ],
    )
    return Answer(shown, etag=weak_etag(dumps(shown.model_dump())))


def _editor(one: dashboard.Editor) -> Editor:
    (person,) = Person.all([one.person])
    diagrams = [Edited.model_validate(edited, from_attributes=True) for edited in one.diagrams]
    return Editor(person=person, edits=one.edits, diagrams=diagrams)

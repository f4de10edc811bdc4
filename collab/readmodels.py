"""Keeps the read models: after an event of a diagram, its texts and counts are brought up to what is committed.

The text of a version is read and taken apart before the transaction, in the workshop; the transaction writes it only
when nothing newer is there. `rebuild` makes everything anew, diagram by diagram, while everybody works. Called by
collab/delivery.py and the command line.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from opentelemetry import trace

from collab.bpmn import texts, words
from collab.bpmn.errors import BpmnError
from collab.bpmn.texts import Entry
from collab.delivery import Effect
from collab.workshop import Workshop
from storage import folds, readmodels, versions
from storage.database import Connection, Database
from storage.outbox import Event
from storage.readmodels import Text

_OURS: Final = frozenset({"diagram", "version", "comment"})
_FROM_FILE: Final = ("name", "documentation", "text")
_tracer = trace.get_tracer("colane.readmodels")


@dataclass(frozen=True, slots=True)
class Read:
    """The texts of one version."""

    version: int
    entries: list[Entry]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rebuild is."""

    org_id: UUID
    done: int
    of: int


class ReadModels:
    """The consumer of the events that search and dashboard are made from."""

    def __init__(self, db: Database, workshop: Workshop) -> None:
        self._db = db
        self._workshop = workshop

    async def __call__(self, event: Event) -> Effect | None:
        """What an event brings; None when that is there already, or none of our business."""
        kind = event.name.partition(".")[0]
        if kind not in _OURS or event.name == "diagram.purge":  # its rows went with it
            return None
        org_id, diagram_id = event.org_id, event.aggregate_id
        async with self._db.transaction(org=org_id, read_only=True) as conn:
            state = await readmodels.state(conn, org_id, diagram_id)
        if state is None or (
            event.name == "version.create" and min(state.indexed, state.counted) >= event.payload["version"]
        ):
            return None
        read = await self._read(org_id, diagram_id) if state.version > state.indexed else None

        async def effect(conn: Connection) -> None:
            with _tracer.start_as_current_span("readmodels.write", attributes={"diagram": str(diagram_id)}):
                await write(conn, org_id, diagram_id, read, talked=kind == "comment")

        return effect

    async def _read(self, org_id: UUID, diagram_id: UUID) -> Read | None:
        async with self._db.transaction(org=org_id, read_only=True) as conn:
            head = await versions.head(conn, org_id, diagram_id)
            text = None if head is None else await versions.base_text(conn, org_id, diagram_id, head.version)
        if head is None or text is None:
            return None
        with _tracer.start_as_current_span("readmodels.read", attributes={"version": head.version}):
            return Read(head.version, await self._workshop.do(_entries, text, words.tag_of(org_id)))

    async def rebuild(self, org_id: UUID) -> AsyncIterator[Progress]:
        """All rows of an organization anew, one diagram a transaction; search and dashboard go on meanwhile."""
        async with self._db.transaction(org=org_id, read_only=True) as conn:
            everything = await readmodels.diagrams(conn, org_id)
        for done, diagram_id in enumerate(everything, 1):
            read = await self._read(org_id, diagram_id)
            async with self._db.transaction(org=org_id) as conn:
                await readmodels.lock(conn, diagram_id)
                await readmodels.clear(conn, org_id, diagram_id)
                await write(conn, org_id, diagram_id, read, talked=True)
            yield Progress(org_id, done, len(everything))

    async def organizations(self) -> list[UUID]:
        """Where there is something to rebuild."""
        async with self._db.transaction(read_only=True) as conn:
            return await folds.organizations(conn)


def _entries(data: bytes, tag: str) -> list[Entry]:
    try:
        return texts.entries(data, tag)
    except BpmnError:  # kept as it was sent, and not readable any more: what it says cannot be found
        return []


async def write(conn: Connection, org_id: UUID, diagram_id: UUID, read: Read | None, *, talked: bool) -> None:
    """The rows of one diagram as its tables are now. `read`: the texts of its head, where those are not in yet;
    `talked`: its comments may have changed."""
    await readmodels.lock(conn, diagram_id)
    state = await readmodels.state(conn, org_id, diagram_id)
    if state is None:
        return
    tag = words.tag_of(org_id)
    title = Text("title", "title", None, None, state.title)
    await readmodels.put_texts(
        conn, org_id, diagram_id, ["title"], [title], lambda one: words.vector(one.body, "A", tag)
    )
    if read is not None and read.version > state.indexed:
        spelled = {f"{one.field}:{one.element_id}": one for one in read.entries}
        found = [Text(key, one.field, one.element_id, one.element_type, one.body) for key, one in spelled.items()]
        await readmodels.put_texts(conn, org_id, diagram_id, _FROM_FILE, found, lambda one: spelled[one.key].words)
        await readmodels.indexed(conn, org_id, diagram_id, read.version)
    if talked:
        said = await readmodels.comments(conn, org_id, diagram_id)
        await readmodels.put_texts(
            conn, org_id, diagram_id, ["comment"], said, lambda one: words.vector(one.body, "D", tag)
        )
    if state.version > state.counted:
        await readmodels.count(conn, org_id, diagram_id, state.counted, state.version)

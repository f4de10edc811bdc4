"""Which rooms are open, and their life: loaded once, closed when idle, told what others committed.

A failed load never becomes an empty document (R8): whoever joins then is told that storage is not available. What one of
them does is in collab/live.py. Opened by the composition root; entered by sockets.
"""

import asyncio
import ctypes
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final, Self
from uuid import UUID

import structlog

from collab import metrics
from collab.journal import Journal
from collab.live import CHECK_S, LiveRoom, Neighbours
from collab.room import Room
from collab.session import Person
from collab.wire.close import Close
from storage.access import Grant
from storage.notices import Event, Notices
from storage.updates import LoadError, UnknownDiagramError, UpdateLog

LINGER_S: Final = 5.0  # an empty room stays loaded for this long: reloading a page should not load the document again
LOADS_AT_ONCE: Final = 8
HEAR_S: Final = 0.010  # the longest that what comes for quiet rooms waits for more, when many of them are open
HEAR_EACH_S: Final = 10e-6  # how much longer for each that comes in a second
HEAR_LEAST_S: Final = 0.001  # for less it does not pay
RATE_S: Final = 0.25  # over how long those are counted
TRIM_RESTED: Final = (
    100  # documents whose memory is given back together: it holds up the loop, half a millisecond for each MB
)
TRIM_S: Final = 15.0
SEEN_S: Final = 3600.0  # how often an open room says that it is

_log = structlog.get_logger()


class RoomUnavailableError(Exception):
    """The document cannot be loaded now."""


class Rooms:
    """All open rooms of this process."""

    def __init__(self, log: UpdateLog, journal: Journal, notices: Notices) -> None:
        self._updates = log
        self.journal = journal
        self._notices = notices
        self._open: dict[UUID, asyncio.Future[LiveRoom]] = {}
        self._loading = asyncio.Semaphore(LOADS_AT_ONCE)
        self._work: asyncio.TaskGroup
        self._doing: set[asyncio.Task[None]] = set()
        self._came, self._since = 0, 0.0  # how many messages have come for quiet rooms, since when
        self._pace = 0.0  # how long those wait now
        self._waiting: list[LiveRoom] = []  # for whom something has come
        self._rested, self._trimmed = (
            0,
            0.0,
        )  # documents that have come to rest since their memory was given back, and when
        self.closing = False  # the process is: what can be done by the next one is not begun
        self.on_idle: Callable[[UUID, UUID], Awaitable[None]] | None = None
        self.neighbours: Neighbours | None = None  # where there is one node only, there are none
        journal.on_trouble = self._trouble

    @classmethod
    @asynccontextmanager
    async def open(cls, log: UpdateLog, journal: Journal, notices: Notices) -> AsyncIterator[Self]:
        """Rooms for the length of a `with` block; listens to what other processes commit."""
        rooms = cls(log, journal, notices)
        async with asyncio.TaskGroup() as group:
            rooms._work = group
            hearing = group.create_task(rooms._hear())
            try:
                yield rooms
            finally:
                rooms.closing = True
                hearing.cancel()
                for task in rooms._doing:
                    task.cancel()  # nothing of it was promised to anybody

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._work.create_task(work)
        self._doing.add(task)
        task.add_done_callback(self._doing.discard)

    # -- opening and closing -----------------------------------------------------------------------------------------

    async def enter(self, grant: Grant) -> LiveRoom:
        """The room of a diagram, loaded once however many come at once. Raises RoomUnavailableError."""
        opening = self._open.get(grant.diagram_id)
        if opening is None:
            opening = asyncio.get_running_loop().create_future()
            self._open[grant.diagram_id] = opening
            # A task of its own: the first who asks may leave while others wait for the same document.
            self._begin(self._load(grant, opening))
        room = await asyncio.shield(opening)
        self._expect(room)
        return room

    def _expect(self, room: LiveRoom) -> None:
        """Somebody is about to sit down: it stays open so long, and closes if they never do."""
        if room.linger is not None:
            room.linger.cancel()
            room.linger = None
        self.emptied(room)

    async def _load(self, grant: Grant, opening: "asyncio.Future[LiveRoom]") -> None:
        started = time.perf_counter()
        try:
            async with self._loading:
                stored = await self._updates.load(grant.org_id, grant.diagram_id)
            core = Room(stored.updates, stored.seq, stored.retired)
        except BaseException as error:
            # R8: nothing half-loaded stays behind, and everybody who waits hears of it.
            self._open.pop(grant.diagram_id, None)
            if not isinstance(error, Exception):
                opening.cancel()
                raise
            if not isinstance(error, UnknownDiagramError):
                _log.exception("room.load_failed", diagram=str(grant.diagram_id))
            opening.set_exception(RoomUnavailableError(str(error)))
            opening.exception()  # looked at: nobody may be waiting any more
            return
        room = LiveRoom(self, grant.org_id, grant.diagram_id, stored.epoch, core)
        opening.set_result(room)
        if self.neighbours is not None:
            self.neighbours.opened(room)
        self._begin(self._seen(room))
        metrics.OPENED.observe(time.perf_counter() - started)
        metrics.ROOMS.set(len(self._open))

    def emptied(self, room: LiveRoom) -> None:
        """The last one left: the room lingers, then closes once all it wrote is on disk."""
        if room.linger is None and not room.core.sessions and not self.closing:
            room.linger = asyncio.get_running_loop().call_later(LINGER_S, self._close, room)

    def forget(self, room: LiveRoom) -> None:
        """Whoever comes from now on gets a room loaded afresh."""
        if self._room(room.diagram_id) is room:
            del self._open[room.diagram_id]
            if self.neighbours is not None:
                self.neighbours.closed(room)
        metrics.ROOMS.set(len(self._open))

    def _close(self, room: LiveRoom) -> None:
        room.linger = None
        if room.core.sessions or self.closing:
            return
        if room.core.uncommitted and self._room(room.diagram_id) is room:
            self.emptied(room)
            return
        self.forget(room)
        self._begin(self._seen(room))
        if room.core.changed_since_start and self.on_idle is not None:
            self._begin(self._idle(room))

    async def _seen(self, room: LiveRoom) -> None:
        room.seen = time.monotonic()
        try:
            await self._updates.seen(room.org_id, room.diagram_id)
        except Exception:  # noqa: BLE001 -- said again in an hour; a new epoch that comes too early ends in 4409, not in loss
            _log.exception("room.seen_failed", diagram=str(room.diagram_id))

    async def _idle(self, room: LiveRoom) -> None:
        assert self.on_idle is not None
        try:
            await self.on_idle(room.org_id, room.diagram_id)
        except Exception:  # noqa: BLE001 -- one room's trouble is not the others'
            _log.exception("room.idle_failed", diagram=str(room.diagram_id))

    def _rooms(self) -> list[LiveRoom]:
        return [
            opening.result()
            for opening in self._open.values()
            if opening.done() and not opening.cancelled() and opening.exception() is None
        ]

    def _room(self, diagram: Any) -> LiveRoom | None:
        try:
            opening = self._open.get(UUID(str(diagram)))
        except ValueError:
            return None
        if opening is None or not opening.done() or opening.cancelled() or opening.exception() is not None:
            return None
        return opening.result()

    # -- what others did ---------------------------------------------------------------------------------------------

    async def _hear(self) -> None:
        async for event in self._notices:
            try:
                await self._heard(event)
            except Exception:  # noqa: BLE001 -- one notice's trouble is not the next one's
                _log.exception("room.notice_failed", event_name=event.get("event"))

    async def _heard(self, event: Event) -> None:
        name = event.get("event")
        if name == "resync":
            for room in self._rooms():
                await self.catch_up(room)
                await room.recheck()
                room.tell({"event": "comment", "diagram": str(room.diagram_id)})  # what was said meanwhile went unheard
            return
        one = self._room(event.get("diagram"))
        if name == "access":
            user = UUID(str(event["user"])) if event.get("user") else None
            for room in self._rooms():
                if event.get("diagram") is None or room is one:
                    await room.recheck(user)
        elif one is None:
            return
        elif name == "log":
            if int(event.get("seq") or 0) > one.core.seq or event.get("seq") is None:
                await self.catch_up(one)
        elif name == "deleted":
            one.tell({"event": "deleted", "diagram": str(one.diagram_id)})
            one.end(Close.GONE)
        elif name in ("version", "comment"):
            one.tell(event)

    def behind(self, room: LiveRoom) -> None:
        """The log has updates this room has not seen."""
        self._begin(self._catch_up_later(room))

    async def _catch_up_later(self, room: LiveRoom) -> None:
        try:
            await self.catch_up(room)
        except Exception:  # noqa: BLE001 -- one room's trouble is not the others'
            _log.exception("room.catch_up_failed", diagram=str(room.diagram_id))

    async def catch_up(self, room: LiveRoom) -> None:
        """Reads what the log has after what this room knows. Updates it wrote itself change nothing a second time."""
        well = False
        try:
            await self._read_on(room)
            well = True
        finally:
            if self.neighbours is not None:
                self.neighbours.caught_up(room, well=well)

    async def _read_on(self, room: LiveRoom) -> None:
        try:
            tail = await self._updates.tail(room.org_id, room.diagram_id, room.core.seq)
        except UnknownDiagramError:
            room.end(Close.GONE)
            return
        if tail.epoch != room.epoch:
            room.end(Close.EPOCH)
            return
        if tail.folded:
            try:
                stored = await self._updates.load(room.org_id, room.diagram_id)
            except LoadError:
                room.end(Close.STORAGE)
                return
            room.carry(room.core.from_log(stored.seq, stored.updates, time.monotonic()))
        else:
            room.carry(room.core.from_log(tail.seq, [data for _, data in tail.updates], time.monotonic()))

    def _trouble(self, away: bool) -> None:  # noqa: FBT001 -- a state
        """R8: whoever edits is told that nothing is saved just now, and when it is again."""
        for room in self._rooms():
            room.tell({"event": "storage", "diagram": str(room.diagram_id), "ok": not away})

    # -- quiet rooms ---------------------------------------------------------------------------------------------------

    def gather(self) -> bool:
        """Something has come for a quiet room. Does so much come that it is better dealt with in a row with others?"""
        now = time.monotonic()
        self._came += 1
        if (passed := now - self._since) >= RATE_S:
            self._pace = min(HEAR_S, self._came / passed * HEAR_EACH_S)
            self._came, self._since = 0, now
        return self._pace >= HEAR_LEAST_S

    def soon(self, room: LiveRoom) -> None:
        """This room hears what has come for it together with others."""
        if not self._waiting:
            asyncio.get_running_loop().call_later(self._pace, self._all_hear)
        self._waiting.append(room)

    def _all_hear(self) -> None:
        waiting, self._waiting = self._waiting, []
        for room in waiting:
            room.hear()

    def rest(self) -> None:
        """Documents that nobody writes to are kept small; called every few seconds."""
        now = time.monotonic()
        self._rested += sum(room.core.rest(now) for room in self._rooms())
        if self._rested >= TRIM_RESTED and now - self._trimmed >= TRIM_S:
            self._rested, self._trimmed = 0, now
            _give_back()

    # -- for REST and the end ----------------------------------------------------------------------------------------

    async def presence(self, diagram_id: UUID) -> list[Person]:
        """Who has a diagram open, on any node, each person once."""
        room = self._room(diagram_id)
        people = room.core.present() if room is not None else []
        if self.neighbours is not None:
            people += await self.neighbours.people(diagram_id)
        return list({person.id: person for person in people}.values())

    async def recheck_due(self) -> None:
        """Looks again at rights where that was a minute ago (R10); called every second, not for all at once."""
        for room in self._rooms():
            now = time.monotonic()
            if now - room.checked >= CHECK_S:
                await room.recheck()
                room.checked = now
                if now - room.seen >= SEEN_S:
                    await self._seen(room)

    @property
    def seats(self) -> int:
        """Sessions in all rooms."""
        return sum(len(room.core.sessions) for room in self._rooms())


def _give_back() -> None:
    """Tells glibc to return what is free to the system, also from between what is not; others do so by themselves."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)

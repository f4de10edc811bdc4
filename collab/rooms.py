"""Which rooms are open, and their life: loaded once, closed when idle, told what others committed.

The shell around room.py: it gives the room time and the journal, and carries its effects to the sockets. A failed load
never becomes an empty document (R8): whoever joins then is told that storage is not available.
"""

import asyncio
import ctypes
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol, Self
from uuid import UUID

import structlog

from collab import metrics
from collab.effects import Acknowledge, Append, Effects, Part, Send, Spread
from collab.journal import Journal
from collab.presence import Said
from collab.room import Room
from collab.session import Person, Session
from collab.session import Protocol as Dialect
from collab.wire import messages
from collab.wire.close import Close
from storage import updates
from storage.access import Grant
from storage.notices import Event, Notices
from storage.updates import LoadError, Refused, UnknownDiagramError, UpdateLog

LINGER_S: Final = 5.0  # an empty room stays loaded for this long: reloading a page should not load the document again
LOADS_AT_ONCE: Final = 8
HELD_S: Final = 2.0  # an old replica's socket stays open so long: stock clients come back at once after any close
INBOX_BYTES: Final = 256 * 1024  # what may wait for a room's next tick
HEAR_S: Final = 0.010  # the longest that what comes for quiet rooms waits for more, when many of them are open
HEAR_EACH_S: Final = 10e-6  # how much longer for each that comes in a second
HEAR_LEAST_S: Final = 0.001  # for less it does not pay
RATE_S: Final = 0.25  # over how long those are counted
TRIM_RESTED: Final = (
    100  # documents whose memory is given back together: it holds up the loop, half a millisecond for each MB
)
TRIM_S: Final = 15.0
CHECK_S: Final = 60.0  # everybody's rights are looked at as often as this (R10)
SEEN_S: Final = 3600.0  # how often an open room says that it is

_log = structlog.get_logger()


class Listener(Protocol):
    """What a room needs of a connection whose messages it hears later."""

    def hear(self, data: bytes) -> None:
        """Deal with what came from the client."""


class Seat(Protocol):
    """What a room needs of a client's connection."""

    def send(self, payload: bytes, *, droppable: bool) -> None:
        """Write a payload, addressed as the client's protocol wants it."""

    def acknowledge(self, count: int) -> None:
        """So many of its updates are on disk."""

    def part(self, code: Close) -> None:
        """This session is over."""

    def tell(self, event: Event) -> None:
        """Something that is not the document happened."""

    async def recheck(self) -> None:
        """Rights may have changed."""


class Neighbours(Protocol):
    """What rooms tell of themselves where there are other nodes; see collab/bus/relay.py."""

    def opened(self, room: "LiveRoom") -> None:
        """A room was loaded."""

    def closed(self, room: "LiveRoom") -> None:
        """It is no longer where people are sent."""

    def committed(self, room: "LiveRoom", seq: int, update: bytes) -> None:
        """An update of it is on disk and acknowledged; its number is not taken in yet."""

    def spread(self, room: "LiveRoom", said: tuple[Said, ...]) -> None:
        """Presences of this node's clients."""

    def caught_up(self, room: "LiveRoom", *, well: bool) -> None:
        """A read of its log has ended."""

    async def people(self, diagram: UUID) -> list[Person]:
        """Who has it open on other nodes."""


class RoomUnavailableError(Exception):
    """The document cannot be loaded now."""


class LiveRoom:
    """An open room with its seats. All methods run on the loop."""

    def __init__(self, rooms: "Rooms", org_id: UUID, diagram_id: UUID, epoch: int, core: Room) -> None:
        self.org_id, self.diagram_id, self.epoch, self.core = org_id, diagram_id, epoch, core
        self._rooms = rooms
        self._seats: dict[Session, Seat] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timed = 0.0  # when it goes off
        self._durable: tuple[int, int] | None = None  # what of a batch is on disk and not acknowledged: ticket, number
        self._told: list[tuple[int, bytes]] = []  # and is to be told to other nodes, by its number
        self._inbox: list[tuple[Listener, bytes]] = []  # what has come for the next tick
        self._inbox_bytes = 0
        self.linger: asyncio.TimerHandle | None = None
        self.seen = 0.0
        self.checked = time.monotonic() - CHECK_S * random.random()  # noqa: S311 -- rooms that open together are not looked at together

    def join(self, person: Person, dialect: Dialect, seat: Seat, *, writes: bool) -> Session:
        """Takes a seat; the greeting goes out before this returns."""
        if self.linger is not None:
            self.linger.cancel()
            self.linger = None
        session, effects = self.core.join(person, dialect, writes=writes)
        self._seats[session] = seat
        self.carry(effects)
        return session

    def leave(self, session: Session) -> None:
        """Gives a seat up."""
        self._seats.pop(session, None)
        self.carry(self.core.leave(session))
        if not self._seats:
            self._rooms.emptied(self)

    @property
    def gathers(self) -> bool:
        """Is it better to let it hear things later, many at once? What wakes the interpreter alone costs several times more.

        In a busy room nobody would be sent anything before its tick anyway.
        """
        return bool(self._inbox) or self.core.busy or self._rooms.gather()

    def later(self, listener: Listener, data: bytes) -> None:
        """Something came from a client. Over the limit it is heard at once."""
        self._inbox.append((listener, data))
        self._inbox_bytes += len(data)
        if self._inbox_bytes > INBOX_BYTES:
            self.hear()
        elif self.core.busy:
            self._arm(self.core.next_tick)
        else:
            self._rooms.soon(self)

    def hear(self) -> None:
        """Hears all that has come so far, in its order."""
        if not self._inbox:
            return
        inbox, self._inbox, self._inbox_bytes = self._inbox, [], 0
        self.core.gather()
        for listener, data in inbox:
            listener.hear(data)
        try:
            effects = self.core.settle(time.monotonic())
        except Exception:  # noqa: BLE001 -- whatever it is: of what was gathered nobody knows what became, so all offer it again
            _log.exception("room.failed", diagram=str(self.diagram_id))
            self.end(Close.STORAGE)
        else:
            self.carry(effects)

    def receive(self, session: Session, message: messages.Message) -> None:
        """One message of a client."""
        gaps = len(session.gaps)
        self.carry(self.core.receive(session, message, time.monotonic()))
        if len(session.gaps) > gaps:
            metrics.GAPS.inc()

    def carry(self, effects: Effects) -> None:
        """Does what the room decided, in its order."""
        for effect in effects:
            match effect:
                case Send(to, payload, droppable):
                    for session in to:
                        if (seat := self._seats.get(session)) is not None:
                            seat.send(payload, droppable=droppable)
                case Acknowledge(session, count):
                    if (seat := self._seats.get(session)) is not None:
                        seat.acknowledge(count)
                case Append():
                    self._append(effect)
                case Spread(said):
                    self._spread(said)
                case Part(session, code, held):
                    self._see_out(session, code, held=held)
        self._arm(self.core.due)
        if not self._seats:
            self._rooms.emptied(self)

    def _arm(self, due: float | None) -> None:
        """Sees to it that the room gets its tick, which may be wanted earlier than was said before."""
        if due is not None and (self._timer is None or due < self._timed):
            if self._timer is not None:
                self._timer.cancel()
            self._timed = due
            self._timer = asyncio.get_running_loop().call_later(max(0.0, due - time.monotonic()), self._tick)

    def _spread(self, said: tuple[Said, ...]) -> None:
        if self._rooms.neighbours is not None:
            self._rooms.neighbours.spread(self, said)

    def _see_out(self, session: Session, code: Close, *, held: bool) -> None:
        if (seat := self._seats.pop(session, None)) is not None:
            if code is Close.EPOCH:
                seat.tell({"event": "epoch", "diagram": str(self.diagram_id)})
            asyncio.get_running_loop().call_later(HELD_S, seat.part, code) if held else seat.part(code)

    def _tick(self) -> None:
        self._timer = None
        self.hear()
        self.carry(self.core.tick(time.monotonic()))

    def _append(self, append: Append) -> None:
        item = updates.Append(
            self.org_id, self.diagram_id, self.epoch, append.update, append.author, append.client, append.writers
        )
        self._rooms.journal.submit(item, lambda result: self._settled(append, result))

    def _settled(self, append: Append, result: int | Refused) -> None:
        """An update is on disk, or refused. What of a batch is this room's is acknowledged at once, when all is known."""
        if isinstance(result, Refused):
            self._acknowledge()
            self.end(Close.EPOCH if result is Refused.EPOCH else Close.GONE)
            return
        if self._durable is None:
            self._durable = (append.ticket, self.core.seq)
            asyncio.get_running_loop().call_soon(self._acknowledge)
        seq, neighbours = self._durable[1], self._rooms.neighbours
        if neighbours is not None:
            self._told.append((result, append.update))
        elif result == seq + 1:
            seq = result
        elif result > seq:
            # Somebody else's update lies between: the notice of it may still be on its way.
            self._rooms.behind(self)
        self._durable = (append.ticket, seq)

    def _acknowledge(self) -> None:
        durable, self._durable = self._durable, None
        if durable is None:
            return
        self.carry(self.core.committed(*durable))
        told, self._told = self._told, []
        if (neighbours := self._rooms.neighbours) is not None:
            for seq, update in told:
                neighbours.committed(self, seq, update)

    def tell(self, event: Event, session: Session | None = None) -> None:
        """Says something to all seats, or to one."""
        for one, seat in list(self._seats.items()):
            if session is None or one is session:
                seat.tell(event)

    def end(self, code: Close) -> None:
        """Everybody has to leave, and nobody may come in: this document is not, or not any more, what is stored."""
        self._rooms.forget(self)
        self.carry(self.core.lost(code))

    async def recheck(self, user_id: UUID | None = None) -> None:
        """Asks the seats to look at their rights again."""
        for session, seat in list(self._seats.items()):
            if user_id is None or session.person.id == user_id:
                await seat.recheck()


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

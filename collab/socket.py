"""The door for sockets: handshake, limits, close codes. websockets' ServerConnection behind uvicorn's `ws=`.

Frames are written straight to the transport: its buffer's size is visible, so a slow reader is seen, misses what may be
missed, and gets one difference when it has drained (R5). Reading pauses where a client is too fast or the journal is full.
"""

import asyncio
import contextlib
import random
import re
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, Final, cast
from uuid import UUID

import structlog
from websockets.asyncio.server import Server, ServerConnection
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request as HttpRequest
from websockets.http11 import Response
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from collab import metrics
from collab.door import Request, may_write, person_of
from collab.hub import KEEPALIVE_S, Hub
from collab.live import LiveRoom
from collab.request_id import HEADER, request_id
from collab.rooms import RoomUnavailableError
from collab.seat import Seat
from collab.session import Protocol as Dialect
from collab.wire import frames, messages
from collab.wire.close import Close
from collab.wire.lib0 import Reader, WireError
from storage.access import Grant, Identity
from storage.failures import is_unavailable

BEFORE_AUTH: Final = 64 * 1024
AFTER_AUTH: Final = 16 * 1024 * 1024
AUTH_TIMEOUT_S: Final = 10.0
DRAINED: Final = 64 * 1024
IN_PIECES: Final = 64 * 1024
STATE_S: Final = 5.0  # and no longer than this for one of these readers
SLOW_TIMEOUT_S: Final = 120.0
JOURNAL_PATIENCE_S: Final = 30.0
DOCUMENTS_A_SOCKET: Final = 32
RETRY_AFTER_S: Final = (1, 5)
RESULTS: Final = {  # what the audit log says of a refused handshake, in the words of REST
    HTTPStatus.UNAUTHORIZED: "unauthenticated",
    HTTPStatus.FORBIDDEN: "origin_not_allowed",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.CONFLICT: "client_outdated",
}
_ONE: Final = re.compile(r"/collab/([^/]{1,200})/?")
_log = structlog.get_logger()


def connection_class(hub: Hub) -> Callable[..., "Socket"]:
    """What uvicorn's `ws=` takes: called with (config, server_state, app_state) for each upgrade."""

    def make(config: Any, server_state: Any, app_state: Any) -> Socket:  # noqa: ARG001 -- uvicorn's contract
        return Socket(hub, server_state)

    return make


class Socket(ServerConnection):
    """One connection: a y-websocket client of one document, or a Hocuspocus client of several."""

    def __init__(self, hub: Hub, server_state: Any) -> None:
        super().__init__(
            ServerProtocol(max_size=BEFORE_AUTH, logger=hub.logger),
            cast("Server", hub),  # Hub has what the library uses of it
            ping_interval=None,  # keep_alive does it, with messages that browsers' clients count
            max_queue=(64, 16),
        )
        self.hub, self.door = hub, hub.door
        self._state = server_state
        self._seats: dict[str, Seat] = {}
        self._slow: set[Seat] = set()
        self._asked: Request
        self._entry: tuple[Identity, LiveRoom] | None = None
        self._user: UUID | None = None
        self._caller: UUID | None = None  # as far as is known
        self._request_id = ""
        self._frames: frames.Frames | None = None  # once the handshake is over
        self._handle: Callable[[bytes], Any] | None = None  # of a message, while nothing else is being done
        self._room: LiveRoom | None = None  # where it has just one document open
        self._open = False  # the protocol's word, where asking it costs
        self._expecting = False  # a large document, which may have to be waited for
        self._spoke = True  # since keep_alive looked last, which was then
        self._wrote = time.monotonic()
        self._allowance = 0.0
        self._refilled = time.monotonic()

    # -- uvicorn's contract ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """uvicorn hands the transport over."""
        self._state.connections.add(self)
        self.hub.all_connections.add(self)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """The TCP connection has something; a busy room hears it at its next tick, with what others have said by then."""
        if self._room is not None and self._room.gathers:
            self._room.later(self, data)
        else:
            self.hear(data)

    def hear(self, data: bytes) -> None:
        """Messages that can be dealt with at once do not go through the library's queue: that saves a task's wake-up each.

        The library gets everything else, in whole frames.
        """
        if self.protocol.state is not OPEN:
            # Whoever sends more than the request before it was answered stays with the library for good.
            self._frames = frames.Frames() if data.endswith(b"\r\n\r\n") else None
            super().data_received(data)
            return
        if self._frames is None:
            self._hand_on(data)
            return
        for whole, payload in self._frames.read(data, self.protocol.max_message_size or AFTER_AUTH):
            if payload is None or not self._take(payload):
                self._hand_on(whole)

    def _hand_on(self, data: bytes) -> None:
        """The library deals with it; it may be the end."""
        super().data_received(data)
        self._open = self._open and self.protocol.state is OPEN

    def _take(self, payload: bytes) -> bool:
        """Deals with a message here and now; False when something has to be waited for, or comes before it."""
        handle = self._handle
        if handle is None or len(self.recv_messages.frames) or self.hub.journal.full or self._over_rate():
            return False
        if self.protocol.state is not OPEN:
            return False
        try:
            if self._entry is None and messages.is_token(payload):
                return False
            if self._expecting:
                return False
            handle(payload)
        except WireError:
            self.finish(Close.MALFORMED)
        except Exception:  # noqa: BLE001 -- as for the rest of a connection's life
            _log.exception("socket.failed")
            self.transport.abort()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The TCP connection is gone."""
        self._hear_out()
        self._open = False
        self._state.connections.discard(self)
        self.hub.all_connections.discard(self)
        super().connection_lost(exc)

    def eof_received(self) -> None:
        """Nothing comes any more."""
        self._hear_out()
        super().eof_received()

    def _hear_out(self) -> None:
        """What it said last counts too."""
        if self._room is not None:
            self._room.hear()

    def shutdown(self) -> None:
        """uvicorn calls this at its end; by then the hub has drained."""
        self.finish(Close.DRAINING)

    # -- life --------------------------------------------------------------------------------------------------------

    async def live(self) -> None:
        """From the handshake to the end."""
        try:
            await self.handshake(process_request=self._admit, process_response=self._name, server_header=None)
        except ConnectionClosed:
            self._uncount()
            return
        if self.protocol.handshake_exc is not None or self.state is not OPEN:
            self._uncount()
            self.transport.close()
            return
        self._open = True
        self.response = None
        if self.request is not None:  # the library only asks whether there was one
            self.request.headers.clear()
        metrics.SOCKETS.inc()
        opened = time.monotonic()
        try:
            await self._serve()
        finally:
            metrics.SOCKETS.dec()
            self._leave_all()
            code = self._ended_with()
            metrics.closed(code)
            _log.info("socket.closed", code=code, seconds=round(time.monotonic() - opened, 1))

    def _ended_with(self) -> int:
        """The code of whoever closed first; 1006 when the connection just broke off. The other's answer may never come."""
        sent, heard = self.protocol.close_sent, self.protocol.close_rcvd
        first = heard if self.protocol.close_rcvd_then_sent else sent or heard
        return int(first.code) if first is not None else 1006

    async def _admit(self, _connection: ServerConnection, request: HttpRequest) -> Response | None:
        """What can be refused is refused before the upgrade: stock clients come back at once after any close."""
        headers = {name.lower(): value for name, value in request.headers.raw_items()}
        self._request_id = request_id(headers.get(HEADER.lower()))
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=self._request_id)
        secure = headers.get("x-forwarded-proto") == "https" and self._peer() in self.hub.settings.trusted_proxies
        self._asked = asked = Request(request.path, headers, secure)
        try:
            status = await self._judge(asked)
        except Exception as error:
            if not is_unavailable(error):
                raise
            status = HTTPStatus.SERVICE_UNAVAILABLE
        if status is None:
            return None
        metrics.REFUSED.labels(str(int(status))).inc()
        _log.info("socket.refused", status=int(status))
        if status in RESULTS:
            self._tell_of_refusal(asked.place.rpartition("/")[2], RESULTS[status])
        busy = status is HTTPStatus.SERVICE_UNAVAILABLE
        extra = {"Retry-After": str(random.randint(*RETRY_AFTER_S))} if busy else {}  # noqa: S311 -- not all at once
        body = f"{status.phrase}\n".encode()
        fields = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body)), "Connection": "close"}
        return Response(int(status), status.phrase, Headers({**fields, **extra}), body)

    def _tell_of_refusal(self, diagram: str, result: str) -> None:
        self.door.refused(self._caller, self._peer(), diagram, result, self._request_id)

    def _name(self, _connection: ServerConnection, _request: HttpRequest, response: Response) -> None:
        """Every answer to a handshake says under which name it stands in the log."""
        response.headers[HEADER] = self._request_id

    def _peer(self) -> str:
        address = self.remote_address
        return str(address[0]) if address else ""

    async def _judge(self, asked: Request) -> HTTPStatus | None:
        """Why not, as far as that can be told without asking anybody; the rest in turn."""
        if self.hub.draining:
            return HTTPStatus.SERVICE_UNAVAILABLE
        if asked.place.rstrip("/") == "/collab":
            return None  # decides in band
        found = _ONE.fullmatch(asked.place)
        if found is None:
            return HTTPStatus.NOT_FOUND
        uses_cookie = "authorization" not in asked.headers and "ticket" not in asked.query and bool(asked.cookie)
        if uses_cookie and not self.door.origin_allowed(asked):
            return HTTPStatus.FORBIDDEN
        async with self.hub.turn():
            if self.hub.draining or self.transport.is_closing():
                return HTTPStatus.SERVICE_UNAVAILABLE
            return await self._let_in(asked, found[1])

    async def _let_in(self, asked: Request, diagram: str) -> HTTPStatus | None:
        """Why not, by what the database says; None, and there is a room to sit down in."""
        hub = self.hub
        identity = await hub.door.identify(asked)
        if identity is None:
            return HTTPStatus.UNAUTHORIZED
        self._caller = identity.user_id
        grant = await hub.door.grant(identity, diagram)
        if grant is None:
            return HTTPStatus.NOT_FOUND
        if not self._count(identity.user_id):
            return HTTPStatus.SERVICE_UNAVAILABLE
        try:
            room = await hub.rooms.enter(grant)
        except RoomUnavailableError:
            self._uncount()
            return HTTPStatus.SERVICE_UNAVAILABLE
        epoch = asked.query.get("epoch")
        if epoch is not None and epoch != str(room.epoch):
            self._uncount()
            return HTTPStatus.CONFLICT
        self._entry = (identity.until(grant.until), room)
        self._writes = may_write(grant)
        return None

    def _count(self, user: UUID) -> bool:
        """One more socket of this user, when that is allowed."""
        held = self.hub.per_user.get(user, 0)
        if self.hub.settings.limits == "on" and held >= self.hub.settings.sockets_per_user:
            return False
        self.hub.per_user[user] = held + 1
        self._user = user
        return True

    def _uncount(self) -> None:
        if self._user is not None:
            held = self.hub.per_user.get(self._user, 1) - 1
            if held > 0:
                self.hub.per_user[self._user] = held
            else:
                self.hub.per_user.pop(self._user, None)
            self._user = None

    async def _serve(self) -> None:
        if self._entry is not None:
            identity, room = self._entry
            del self._asked  # who asks in band is asked with it again
            self.protocol.max_message_size = AFTER_AUTH
            self._sit(room, identity, None, "", writes=self._writes)
            await self._read(self._one_document)
            return
        try:
            async with asyncio.timeout(AUTH_TIMEOUT_S) as patience:
                self._patience = patience
                await self._read(self._many_documents)
        except TimeoutError:
            self.finish(Close.SIGNED_OUT)

    async def _read(self, handle: Callable[[bytes], Any]) -> None:
        try:
            self._handle = handle
            async for data in self:
                self._handle = None
                if isinstance(data, str):
                    self.finish(Close.MALFORMED)
                    return
                await self._pace()
                try:
                    pending = handle(data)
                except WireError:
                    self.finish(Close.MALFORMED)
                    return
                if pending is not None:
                    await pending
                self._handle = handle
        except ConnectionClosed:
            return

    async def _pace(self) -> None:
        """R14: too fast, or the journal full, and we stop reading; nothing is ever dropped."""
        if self.hub.journal.full and not await self.hub.journal.has_room(JOURNAL_PATIENCE_S):
            self.finish(Close.STORAGE)
            return
        if self._over_rate():
            await asyncio.sleep(1.0)

    def _over_rate(self) -> bool:
        """Counts one more message."""
        settings = self.hub.settings
        if settings.limits == "off":
            return False
        now = time.monotonic()
        rate = settings.messages_per_second
        self._allowance = min(rate * 10.0, self._allowance + (now - self._refilled) * rate)
        self._refilled = now
        self._allowance -= 1.0
        return self._allowance < -rate * 10.0

    # -- y-websocket: one document -----------------------------------------------------------------------------------

    def _one_document(self, data: bytes) -> Any:
        seat = self._seats.get("")
        return None if seat is None else self._say(seat, messages.decode_frame(data))

    def _say(self, seat: Seat, said: Sequence[messages.Message]) -> Any:
        """Gives a client's messages to its room. Something to wait for, where one asks for a large document."""
        for at, message in enumerate(said):
            if seat.session.gone:
                return None
            if self._expecting and isinstance(message, messages.Step1) and seat.expects_much:
                return self._in_turn(seat, said[at:])
            seat.room.receive(seat.session, message)
        return None

    async def _in_turn(self, seat: Seat, said: Sequence[messages.Message]) -> None:
        """Few at a time are given a large document, and read it, before the next are."""
        async with self.hub.states:
            for message in said:
                if seat.session.gone or self.state is not OPEN:
                    return
                seat.room.receive(seat.session, message)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STATE_S):
                    await self.drain()
        self._expecting = any(seat.expects_much for seat in self._seats.values())

    # -- Hocuspocus: several documents ---------------------------------------------------------------------------------

    def _many_documents(self, data: bytes) -> Any:
        if len(data) <= 1:
            return None  # the provider's answer to a ping, or an empty frame
        reader = Reader(data)
        name = reader.string()
        message = messages.decode(reader, hocuspocus=True)
        seat = self._seats.get(name)
        if isinstance(message, messages.Token):
            return self._authenticate(name, message.token)
        if seat is None:
            return None  # not opened, or refused: what was sent before that was known is no offence
        if isinstance(message, messages.Leave):
            self._unsit(seat)
            return None
        return self._say(seat, [message])

    async def _authenticate(self, name: str, token: str) -> None:
        diagram = name.partition("\0")[0]
        hub = self.hub
        if name in self._seats:
            await self._refresh(self._seats[name], token, diagram)
            return
        deadline = self._patience.when()
        self._patience.reschedule(None)  # it has said who it is: what it waits for now is us
        try:
            async with hub.turn():
                found = await self._known(token, diagram)
                room = await hub.rooms.enter(found[1]) if found is not None else None
        except TimeoutError:
            self.finish(Close.OVERLOADED)
            return
        except Exception as error:
            if not (is_unavailable(error) or isinstance(error, RoomUnavailableError)):
                raise
            self.finish(Close.STORAGE)
            return
        if found is None or room is None:
            self._patience.reschedule(deadline)
            self._tell_of_refusal(diagram, "not_found" if self._caller else "unauthenticated")
            self.write(messages.address(name) + messages.denied("permission-denied"))
            return
        identity, grant = found
        if self._user is None and not self._count(identity.user_id):
            self.finish(Close.OVERLOADED)
            return
        if self.state is not OPEN:
            return
        self.protocol.max_message_size = AFTER_AUTH
        self.write(messages.address(name) + messages.granted(writes=may_write(grant)))
        self._sit(room, identity, name, name, writes=may_write(grant))
        if hub.journal.trouble:
            self._seats[name].tell({"event": "storage", "diagram": diagram, "ok": False})

    async def _known(self, token: str, diagram: str) -> tuple[Identity, Grant] | None:
        """Who this is and what they may do here; None when they may nothing."""
        if len(self._seats) >= DOCUMENTS_A_SOCKET:
            return None
        identity = await self.door.identify_in_band(token, self._asked)
        grant = None if identity is None else await self.door.grant(identity, diagram)
        return None if identity is None or grant is None else (identity.until(grant.until), grant)

    async def _refresh(self, seat: Seat, token: str, diagram: str) -> None:
        """A new token on an open document: the same person goes on with it, anybody else is refused."""
        identity = await self.hub.door.identify_in_band(token, self._asked)
        grant = None if identity is None else await self.hub.door.grant(identity, diagram)
        if identity is None or grant is None or identity.user_id != seat.identity.user_id:
            self.write(messages.address(seat.name or "") + messages.denied("permission-denied"))
            return
        seat.identity = identity.until(grant.until)
        self.write(messages.address(seat.name or "") + messages.granted(writes=may_write(grant)))
        if may_write(grant) != seat.session.writes:
            await seat.recheck()  # it may do more with this one, or less

    # -- seats -------------------------------------------------------------------------------------------------------

    def _sit(self, room: LiveRoom, identity: Identity, name: str | None, key: str, *, writes: bool) -> None:
        seat = Seat(self, room, identity, name)
        self._seats[key] = seat
        structlog.contextvars.bind_contextvars(user=identity.pseudonym)
        if name is None:
            structlog.contextvars.bind_contextvars(org=str(room.org_id), diagram=str(room.diagram_id))
        _log.info("socket.joined", diagram=str(room.diagram_id), org=str(room.org_id), writes=writes)
        dialect = Dialect.YWS if name is None else Dialect.HOCUSPOCUS
        seat.session = room.join(person_of(identity), dialect, seat, writes=writes)
        self._expecting |= seat.expects_much
        self._look_round()

    def _unsit(self, seat: Seat) -> None:
        self._slow.discard(seat)
        self._seats.pop(seat.name or "", None)
        self._look_round()
        seat.room.leave(seat.session)

    def _look_round(self) -> None:
        """Seats have changed. What has come and was not heard yet was said before that."""
        self._hear_out()
        rooms = [seat.room for seat in self._seats.values()]
        self._room = rooms[0] if len(rooms) == 1 and isinstance(rooms[0], LiveRoom) else None

    def unseat(self, seat: Seat, code: Close) -> None:
        """A room ended a session: the socket goes with it, unless it carries other documents."""
        if self._seats.get(seat.name or "") is not seat:
            return  # it left while it was held
        del self._seats[seat.name or ""]
        self._slow.discard(seat)
        self._look_round()
        if seat.name is not None and self._seats and code in (Close.GONE, Close.NO_RIGHT, Close.EPOCH, Close.TOO_LARGE):
            self.write(messages.address(seat.name) + messages.closed(code.reason))
            return
        self.finish(code)

    @property
    def expired(self) -> list[Seat]:
        """Seats whose credential's time is over."""
        return [seat for seat in self._seats.values() if seat.expired]

    def tell(self, event: str) -> None:
        """Something happens to all of this socket's documents."""
        for seat in self._seats.values():
            seat.tell({"event": event, "diagram": str(seat.room.diagram_id)})

    def _leave_all(self) -> None:
        for seat in list(self._seats.values()):
            self._unsit(seat)
        self._uncount()

    # -- writing -----------------------------------------------------------------------------------------------------

    @property
    def buffered(self) -> int:
        """Bytes that wait for the reader; none, as long as there are so few that the transport does not mention them."""
        return self.transport.get_write_buffer_size() if self.paused else 0

    def write(self, payload: bytes, address: bytes = b"") -> None:
        """One binary frame, at once; the transport keeps what the reader does not take, of large ones no copy each."""
        if self._open:
            self._spoke = True
            if len(payload) >= IN_PIECES:
                self.transport.writelines((frames.head(len(address) + len(payload)), address, payload))
            else:
                self.transport.write(frames.framed(payload, address))

    def watch(self, seat: Seat) -> None:
        """This seat waits for the buffer to drain."""
        self._slow.add(seat)

    def resume_writing(self) -> None:
        """The transport's buffer is low again."""
        super().resume_writing()
        self._let_catch_up()

    def _let_catch_up(self) -> None:
        if self._slow and self.buffered <= DRAINED:
            for seat in list(self._slow):
                self._slow.discard(seat)
                seat.drained()

    def keep_alive(self, now: float) -> None:
        """Stock clients hang up when nothing comes for 30 s; readers that never drain are let go."""
        self._let_catch_up()
        if self._spoke:
            self._spoke, self._wrote = False, now
        if any(seat.slow_since is not None and now - seat.slow_since > SLOW_TIMEOUT_S for seat in self._slow):
            self.finish(Close.SLOW)
        elif now - self._wrote >= KEEPALIVE_S - KEEPALIVE_S / 4 and self.state is OPEN and not self._slow:
            self.write(bytes((messages.PING,)) if self._entry is None else messages.NOTHING_NEW)

    def finish(self, code: Close) -> None:
        """Closes the socket with a code, without waiting for anybody."""
        if self.protocol.state is not OPEN:
            return
        self._leave_all()
        self._open = False
        self.protocol.send_close(int(code), code.reason)
        self.send_data()
        # A client that never answers the close would hold the connection: the transport goes after a while.
        self.loop.call_later(2.0, self.transport.abort)

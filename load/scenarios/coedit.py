"""A person who edits: joins a room, renames, moves, draws and points, and counts what is saved.

"edit to saved" is the time until the server sends the edit's own structs back, which it does only after the commit. At the
end nobody leaves before it is proven that the edits arrived: everybody in a room, somebody who joins afresh, and the XML
that REST gives must say the same. Every lost connection, missing answer and difference counts as a failure.
"""

import time

import gevent
from locust import between, events, task
from locust.env import Environment

from load.scenarios.diagrams import live_text
from load.scenarios.person import Person, address, report
from load.scenarios.room import Lost, Seat

SAVED_TIMEOUT_S = 10.0
AGREE_TIMEOUT_S = 10.0

_rooms: dict[str, list[Seat]] = {}


class CoEditor(Person):
    """Edits a shared diagram: mostly renames and moves, now and then a new task, a cursor all the time."""

    wait_time = between(0.2, 1.0)
    weight = 2

    def joined(self, seat: Seat) -> None:
        _rooms.setdefault(self.diagram, []).append(seat)

    @task(10)
    def edit(self) -> None:
        seat = self.here()
        if seat is None:
            return
        began = time.perf_counter()
        kind, update = seat.pen.any_edit()
        try:
            seat.write(update)
            seat.wait_until_saved(SAVED_TIMEOUT_S)
        except (Lost, TimeoutError) as error:
            report(self.environment, f"{kind} to saved", began, error)
        else:
            report(self.environment, f"{kind} to saved", began)

    @task(10)
    def point(self) -> None:
        self.wander()


@events.test_stop.add_listener
def all_agree(environment: Environment, **_: object) -> None:
    """Nobody writes any more: whoever is in a room, a newcomer and REST must agree."""
    options = environment.parsed_options
    assert options is not None
    host = environment.host or ""
    for diagram, seats in _rooms.items():
        began = time.perf_counter()
        error: Exception | None = None
        try:
            _agree(host, options.token, diagram, seats)
        except Exception as failed:  # noqa: BLE001 -- whatever it is, it counts as a failure
            error = failed
        report(environment, "all agree", began, error)
        for seat in seats:
            seat.leave()
    _rooms.clear()


def _agree(host: str, token: str, diagram: str, seats: list[Seat]) -> None:
    there = [seat for seat in seats if not seat.lost]  # who lost it was counted then
    for seat in there:
        seat.wait_until_saved(AGREE_TIMEOUT_S)
    newcomer = Seat(address(host, diagram), token)
    truth = newcomer.nodes.to_py() or {}
    newcomer.leave()
    deadline = time.monotonic() + AGREE_TIMEOUT_S
    for seat in there:
        while (seat.nodes.to_py() or {}) != truth:
            if time.monotonic() > deadline:
                raise AssertionError("a client does not show what a newcomer is given")
            gevent.sleep(0.05)
    text = live_text(host, token, diagram)
    names = {str(record["@name"]) for record in truth.values() if "@name" in record and not record.get("d")}
    missing = [name for name in sorted(names) if f'name="{name}"' not in text]
    if missing:
        raise AssertionError(f"the XML lacks {len(missing)} of {len(names)} names, {missing[0]!r} first")

"""A reconnect storm: everybody's connection breaks off at the same moments, and everybody comes back at once.

As a stock client does: after 0.1 s, then 0.2, 0.4, at most 2.5 s, with no jitter, whether it was told to wait (503) or
could not connect. "come back" is the time from the break to having the document again; an edit made in between must be
there. Nobody may stay outside.
"""

import time

import gevent
from locust import task

from load.scenarios.person import Person, address, report
from load.scenarios.room import Lost, Seat

EVERY_S = 5.0
PATIENCE_S = 30.0
SAVED_S = 10.0


class Returner(Person):
    """Loses the connection every five seconds, together with all others."""

    weight = 1

    def wait_time(self) -> float:
        """Until the next moment at which everybody's breaks off."""
        return EVERY_S - time.time() % EVERY_S

    @task
    def lose_it(self) -> None:
        if self.seat is None:
            self.join()
            return
        broken, began, failures = self.seat, time.perf_counter(), 0
        broken.break_off()
        broken.pen.rename()  # offline: it is offered again when the document is
        while time.perf_counter() - began < PATIENCE_S:
            gevent.sleep(min(0.1 * 2**failures, 2.5))
            try:
                self.seat = Seat(address(self.host or "", self.diagram), self.token, broken)
            except Lost as lost:
                failures += 1
                error = lost
            else:
                report(self.environment, "come back", began)
                self._offered(self.seat, began)
                return
        report(self.environment, "come back", began, error)

    def _offered(self, seat: Seat, began: float) -> None:
        try:
            seat.wait_until_saved(SAVED_S)
        except (Lost, TimeoutError) as error:
            report(self.environment, "offline edit to saved", began, error)
        else:
            report(self.environment, "offline edit to saved", began)

"""A person who only points: ten times a second, and times how long others' pointing takes to be seen here.

All people of a run are in one process, so a presence carries the moment at which it was said. Latest wins: what was
overtaken is never seen, and is no failure. One in five of what is seen is reported.
"""

import random

from locust import constant_throughput, task

from collab.wire import messages
from load.scenarios.person import Person, report
from load.scenarios.room import Seat

REPORTED = 0.2


class Pointer(Person):
    """Moves a cursor in a shared diagram."""

    wait_time = constant_throughput(10)
    weight = 1

    def joined(self, seat: Seat) -> None:
        seat.on_presence = self._seen

    @task
    def point(self) -> None:
        self.wander()

    def _seen(self, message: bytes) -> None:
        if self.seat is None or random.random() > REPORTED:
            return
        for said in messages.decode_frame(message):
            for entry in said.entries if isinstance(said, messages.Awareness) else ():
                if entry.client != self.seat.doc.client_id and entry.state and "at" in entry.state:
                    report(self.environment, "point to seen", float(entry.state["at"]))

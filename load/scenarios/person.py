"""Somebody who has a shared diagram open: joins, and comes back when the connection is lost, which counts as a failure."""

import random
import time
from urllib.parse import urlsplit

import gevent
from locust import User
from locust.env import Environment

from load.scenarios.diagrams import shared_diagrams
from load.scenarios.room import Lost, Seat

BEFORE_COMING_BACK_S = 1.0


def address(host: str, diagram: str) -> str:
    """Where a diagram's room is."""
    return f"ws://{urlsplit(host).netloc}/collab/{diagram}"


def report(environment: Environment, name: str, began: float, error: Exception | None = None) -> None:
    """One line of the run's figures: from `began` until now."""
    environment.events.request.fire(
        request_type="WS",
        name=name,
        response_time=(time.perf_counter() - began) * 1000,
        response_length=0,
        exception=error,
        context={},
    )


class Person(User):
    """What all of them have in common."""

    abstract = True

    def on_start(self) -> None:
        options = self.environment.parsed_options
        assert options is not None
        self.token = options.token
        self.diagram = random.choice(shared_diagrams(self.host or "", options.token, options.diagrams))
        self.seat: Seat | None = None
        self.join()

    def join(self, name: str = "join", began: float | None = None) -> None:
        """Opens the diagram; `seat` stays None when that fails."""
        began = time.perf_counter() if began is None else began
        try:
            self.seat = Seat(address(self.host or "", self.diagram), self.token)
        except Lost as lost:
            report(self.environment, name, began, lost)
            return
        report(self.environment, name, began)
        self.joined(self.seat)

    def joined(self, seat: Seat) -> None:
        """For those who want to do something with a new seat."""

    def here(self) -> Seat | None:
        """The seat; somebody who lost it comes back first."""
        if self.seat is None or self.seat.lost:
            if self.seat is not None:
                report(self.environment, "stay connected", time.perf_counter(), Lost(self.seat.lost))
                self.seat = None
            gevent.sleep(BEFORE_COMING_BACK_S)
            self.join()
        return self.seat

    def wander(self) -> None:
        """Moves the cursor somewhere else."""
        seat = self.here()
        if seat is None:
            return
        try:
            seat.point(random.random() * 2000, random.random() * 2000)
        except Lost:
            return  # counted by whoever comes back

"""A worker for tests that is killed at a step: the product's own delivery, with consumers around the effect that end it.

Arguments: database, step. With "never" it works until nothing waits, and ends. It kills itself as from outside: SIGKILL, no
handler runs. The third event it handles is the one it does not survive.
"""

import asyncio
import os
import signal
import sys

from collab.delivery import Consumer, Delivery, Effect
from storage import outbox
from storage.database import Connection, Database
from storage.outbox import Event
from tests.collab.test_delivery import Writer

LEASE_S = 0.5


class Killer:
    """Ends the process when it comes to its step for the third time."""

    def __init__(self, step: str, when_preparing: str, when_taking_effect: str) -> None:
        self.step, self.when_preparing, self.when_taking_effect = step, when_preparing, when_taking_effect
        self.seen = 0

    def at(self, step: str) -> None:
        self.seen += step == self.step
        if self.seen == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    async def __call__(self, _: Event) -> Effect:
        self.at(self.when_preparing)

        async def effect(_: Connection) -> None:
            self.at(self.when_taking_effect)

        return effect


class Once(Delivery):
    """Ends the process after a commit, or after the next claim."""

    step, handled = "", 0

    async def _handle(self, event: Event) -> None:
        if self.step == "next" and self.handled >= 3:
            os.kill(os.getpid(), signal.SIGKILL)
        await super()._handle(event)
        self.handled += 1
        if self.step == "committed" and self.handled == 3:
            os.kill(os.getpid(), signal.SIGKILL)


async def main(url: str, step: str) -> None:
    async with Database.open(url) as db:
        consumers: list[Consumer] = [
            Killer(step, "claimed", "marked"),
            Writer(str(os.getpid())),
            Killer(step, "prepared", "written"),
        ]
        worker = Once(db, consumers, lease_s=LEASE_S)
        worker.step = step
        while True:
            async with db.transaction(read_only=True) as conn:
                depth = await outbox.depth(conn)
            if not depth.waiting:
                return
            if not await worker.round():
                await asyncio.sleep(0.05)


asyncio.run(main(*sys.argv[1:]))

"""Redis as a history has it: a message to every other node that listens, once, twice, late, out of order or never."""

from typing import TYPE_CHECKING, Final
from uuid import UUID

from collab.simulate.world import World

if TYPE_CHECKING:
    from collab.simulate.node import Node

LATE_S: Final = 2.0


class Redis:
    """One a history; `unruly` is the share of messages that do not simply arrive."""

    def __init__(self, world: World, unruly: float) -> None:
        self.world, self.unruly = world, unruly
        self.up = True
        self.nodes: list[Node] = []

    def publish(self, sender: "Node", diagram: UUID, payload: bytes) -> None:
        """From one node to all others that have subscribed by the time it arrives."""
        for node in self.nodes:
            if node is sender:
                continue
            copies, delay = 1, 0.002
            if self.world.chance(self.unruly):
                copies, delay = self.world.rng.choice((0, 1, 2)), LATE_S
            for _ in range(copies):
                self.world.soon(delay, lambda node=node: node.heard(diagram, payload))  # type: ignore[misc]

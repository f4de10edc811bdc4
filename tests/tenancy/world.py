"""A tenant with one of everything that has an id, a secret or a cursor, made over REST: two of them have the same shape.

`ID` says, for every name an id has in a path, a query or a body, what it is in such a world. What a new route names is
made here the first time it is asked for; a name that is not here makes the walk fail and says so.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from tests.api.conftest import Client, signed_up
from tests.people import TEXT
from tests.serving import Served

ANNS_KEY = "a-key-that-ann-used"  # an Idempotency-Key


@dataclass
class World:
    """An organization with an owner and a member, a project, two diagrams, and what belongs to them."""

    name: str
    server: Served
    owner: Client
    member: Client
    made: dict[tuple[str, str], str] = field(default_factory=dict)
    diagrams: list[str] = field(default_factory=list)
    rows: dict[str, str] = field(default_factory=dict)  # as they were when they were last looked at

    @property
    def element(self) -> str:
        """An element that is in this tenant's diagrams only."""
        return f"Task_of_{self.name}"

    @property
    def known(self) -> set[str]:
        """Names of what is one tenant's and no other's."""
        return ID.keys() - EVERYWHERE

    def xml(self, more: str = "") -> bytes:
        """Its diagrams' text; `more` makes it another one."""
        text = TEXT.replace(b"Task_1", self.element.encode())
        return text.replace(b"</", f"<!-- {more} --></".encode(), 1) if more else text

    def close(self) -> None:
        """Its people go."""
        self.owner.http.close()
        self.member.http.close()

    def ask(self, method: str, path: str, **body: Any) -> httpx.Response:
        answer = self.owner.http.request(method, path, **body)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text[:300]}"
        return answer

    def save(self, diagram: str, **settings: Any) -> httpx.Response:
        xml = {"Content-Type": "application/xml", **settings.pop("headers", {})}
        return self.ask("PUT", f"/diagrams/{diagram}/content", headers=xml, **settings)

    def id(self, name: str, diagram: str = "") -> str:
        """What this name stands for here; things of a diagram are this diagram's."""
        diagram = diagram or self.diagrams[0]
        if name not in ID:
            raise AssertionError(f"say in tests/tenancy/world.py, ID, what {name} is and how a tenant gets one")
        if (name, diagram) not in self.made:
            self.made[name, diagram] = ID[name](self, diagram)
        return self.made[name, diagram]

    @property
    def needles(self) -> list[str]:
        """What nobody else's answers may ever contain."""
        words = [self.owner.org_id, self.owner.user_id, self.member.user_id, self.owner.email, self.member.email]
        return [*words, *self.diagrams, f"{self.name}'s", self.element,
                *(value for (name, _), value in self.made.items() if name not in ("version", "user_id"))]  # fmt: skip


def _comment(world: World, diagram: str) -> str:
    text = {"text": f"{world.name}'s words", "element_id": world.element}
    return str(world.ask("POST", f"/diagrams/{diagram}/comments", json=text).json()["id"])


def _token(world: World, _diagram: str) -> str:
    return str(world.ask("POST", "/tokens", json={"name": f"{world.name}'s token"}).json()["id"])


def _project(world: World, _diagram: str) -> str:
    return str(world.ask("POST", "/projects", json={"name": f"{world.name}'s project"}).json()["id"])


def _link(world: World, diagram: str) -> str:
    return str(world.ask("POST", f"/diagrams/{diagram}/share-links", json={"role": "viewer"}).json()["id"])


def _link_secret(world: World, diagram: str) -> str:
    made = world.ask("POST", f"/diagrams/{diagram}/share-links", json={"role": "viewer"}).json()["url"]
    return str(made.rpartition("/")[2])


def _invitation(world: World) -> tuple[str, str]:
    body = {"email": f"{world.name}-{os.urandom(3).hex()}@example.org", "role": "viewer"}
    made = world.ask("POST", f"/orgs/{world.owner.org_id}/invitations", json=body).json()
    return made["id"], made["url"].rpartition("/")[2]


def _reset_secret(world: World, _diagram: str) -> str:
    made = world.ask("POST", f"/orgs/{world.owner.org_id}/members/{world.member.user_id}/reset-link").json()["url"]
    return str(made.rpartition("/")[2])


ID: dict[str, Callable[[World, str], str]] = {
    "diagram_id": lambda _world, diagram: diagram,
    "org_id": lambda world, _: world.owner.org_id,
    "user_id": lambda world, _: world.member.user_id,
    "project_id": _project,
    "token_id": _token,
    "version": lambda _world, _: "1",
    "element_id": lambda world, _: world.element,
    "comment_id": _comment,
    "link_id": _link,
    "link_secret": _link_secret,
    "invitation_id": lambda world, _: _invitation(world)[0],
    "secret": lambda world, _: _invitation(world)[1],
    "reset_secret": _reset_secret,
}
# Other names of the same things, in queries and bodies.
ALIASES = {"org": "org_id", "project": "project_id", "mentions": "user_id", "actor": "user_id"}
# Ids that are the same in every tenant: they are nobody's, so nobody can be asked for somebody else's. And the secrets of
# links: they are whoever's who holds them.
EVERYWHERE = {"version", "link_secret", "secret", "reset_secret"}


def nobodys(name: str) -> str:
    """An id of this kind that does not exist."""
    if name == "element_id":
        return f"Task_of_{os.urandom(3).hex()}"
    return "999" if name == "version" else str(uuid4())


def built(server: Served, name: str) -> World:
    """A new tenant."""
    world = World(name, server, signed_up(server, f"{name}-owner"), signed_up(server, f"{name}-member"))
    world.ask("PATCH", f"/orgs/{world.owner.org_id}", json={"name": f"{name}'s organization"})
    body = {"email": world.member.email, "role": "editor"}
    world.ask("POST", f"/orgs/{world.owner.org_id}/members", json=body)
    for number in (1, 2):
        world.diagrams.append(world.owner.diagram(world.xml(), f"{name}'s plan {number}"))
    for diagram in world.diagrams:
        world.save(diagram, params={"base_version": "1"}, content=world.xml("again"))
        world.ask("PUT", f"/diagrams/{diagram}/members", json={"user_id": world.member.user_id, "role": "editor"})
    return world

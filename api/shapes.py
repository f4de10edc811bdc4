"""Shapes that several routes share: people, pages, the kinds of text that are accepted.

Text that goes to the database has no NUL and no lone surrogates; a name is one line, trimmed and not empty.
"""

from collections.abc import Iterable
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, StringConstraints

from api.endpoint import Model
from storage.access import Role
from storage.people import Person as StoredPerson


def clean(value: str) -> str:
    if any((ord(c) < 32 and c not in "\t\n\r") or ord(c) == 127 or 0xD800 <= ord(c) <= 0xDFFF for c in value):
        raise ValueError("control characters are not accepted")
    return value


def _one_line(value: str) -> str:
    if "\n" in value or "\r" in value:
        raise ValueError("one line, please")
    return value


Text = Annotated[str, StringConstraints(max_length=2000), AfterValidator(clean)]
Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(clean),
    AfterValidator(_one_line),
]


def _address(value: str) -> str:
    local, at, domain = value.rpartition("@")
    if (
        not at
        or not local
        or ("." not in domain.strip(".") and domain != "localhost")
        or any(c.isspace() for c in value)
    ):
        raise ValueError("this is not an e-mail address")
    return value.lower()


Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=254, pattern=r"^[^\x00-\x20\x7f]+$"),
    AfterValidator(_address),
]
Reference = Annotated[str, StringConstraints(max_length=200)]  # an id in a query or body, resolved by the route
RoleName = Annotated[str, StringConstraints(pattern="^(viewer|commenter|editor|admin|owner)$")]


class Person(Model):
    """Somebody, by id and name. Guests from another organization are called so."""

    id: UUID
    name: str

    @classmethod
    def of(cls, person: StoredPerson | None) -> "Person | None":
        """A stored person."""
        return None if person is None else cls(id=person.id, name=person.name or "Guest")

    @classmethod
    def all(cls, people: Iterable[StoredPerson]) -> "list[Person]":
        """Several."""
        return [cls(id=one.id, name=one.name or "Guest") for one in people]


def role(label: str) -> Role:
    """The role behind a RoleName."""
    return Role.of(label)

"""People and diagrams for tests, made through the product's own functions on a real database."""

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from collab import save
from collab.workshop import Workshop
from storage import people
from storage.access import Grant, Role
from storage.database import Database

TEXT = (Path(__file__).resolve().parent / "fixtures" / "golden" / "everything.bpmn").read_bytes()


@dataclass(frozen=True, slots=True)
class Owner:
    """Somebody with an organization of their own."""

    user_id: UUID
    org_id: UUID
    email: str

    def grant(self, diagram: UUID, role: Role = Role.OWNER) -> Grant:
        return Grant(self.user_id, self.org_id, diagram, role, deleted=False)


async def somebody(db: Database, name: str = "Ann") -> Owner:
    """A new user; registered without a password."""
    email = f"{name.lower()}@example.org"
    account = await people.register(db, email=email, password_hash=None, name=name)
    return Owner(account.user_id, account.org.id, email)


async def diagram_of(db: Database, shop: Workshop, owner: Owner, text: bytes = TEXT) -> UUID:
    """A new diagram of somebody's."""
    made = await save.create(
        db, shop, org_id=owner.org_id, user_id=owner.user_id, title="Test", xml=text, charset="utf-8"
    )
    return made.diagram_id

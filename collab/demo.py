"""The first visit: a demo organization with instructive diagrams, a link that signs in once, a token for scripts.

Only with the embedded database; production has none of this. Called by colane.py when the server is ready.
"""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from collab import save
from collab.workshop import Workshop
from storage import access, organizations, people, tokens
from storage.database import Database

EMAIL: Final = "you@demo.colane"
NAME: Final = "You"
ORGANIZATION: Final = "Demo"
LINK_LIFE: Final = timedelta(hours=24)
TITLES: Final = {"first": "A first try", "incident": "Incident management", "order": "Order to delivery"}


@dataclass(frozen=True, slots=True)
class Welcome:
    """Secrets to show once."""

    link: str
    token: str


async def welcome(db: Database, workshop: Workshop, samples: Path, preset: str | None) -> Welcome:
    """Makes the demo organization when there is none, and a link and a token for its owner."""
    found = await people.find_password(db, EMAIL)
    user = found[0] if found is not None else await _found(db, workshop, samples)
    link = await people.make_signin_link(db, user, LINK_LIFE)
    if preset is not None and await access.identify_token(db, preset) is not None:
        return Welcome(link, preset)
    _, token = await tokens.make(db, user, name="made at the start of the server", secret=preset)
    return Welcome(link, token)


async def _found(db: Database, workshop: Workshop, samples: Path) -> UUID:
    account = await people.register(db, email=EMAIL, password_hash=None, name=NAME)
    await organizations.rename(db, account.user_id, account.org.id, ORGANIZATION)
    for name, title in TITLES.items():
        path = samples / f"{name}.bpmn"
        await save.create(
            db,
            workshop,
            org_id=account.org.id,
            user_id=account.user_id,
            title=title,
            xml=path.read_bytes(),
            charset="utf-8",
        )
    return account.user_id

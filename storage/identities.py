"""Who somebody is elsewhere: issuer and subject of an OpenID Connect provider, each one person's here."""

from uuid import UUID

from sqlalchemy import text

from storage.database import Connection, Database
from storage.people import AlreadyExistsError, insert_identity


async def find(db: Database, issuer: str, subject: str) -> UUID | None:
    """Whose identity this is."""
    async with db.transaction(read_only=True) as conn:
        return await _find(conn, issuer, subject)


async def connect(db: Database, user_id: UUID, issuer: str, subject: str) -> None:
    """Somebody who has an account says who they are elsewhere. Raises AlreadyExistsError when that is somebody else."""
    async with db.transaction(user=user_id) as conn:
        try:
            await insert_identity(conn, user_id, issuer, subject)
        except AlreadyExistsError:
            if await _find(conn, issuer, subject) != user_id:
                raise


async def _find(conn: Connection, issuer: str, subject: str) -> UUID | None:
    found: UUID | None = (
        await conn.execute(
            text("SELECT colane.find_identity(:issuer, :subject)"), {"issuer": issuer, "subject": subject}
        )
    ).scalar_one()
    return found

"""Who may do what on a diagram: every combination of the things that decide it, against the rule in plain words.

The rule is written down twice: in SQL, where it decides, and here. The list of diagrams must show the same ones.
"""

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import uuid_utils.compat as uuids

from storage import access, diagrams
from storage.access import Identity, Role, Scope, grant_for
from storage.database import Database
from storage.diagrams import Wanted
from tests.conftest import Urls
from tests.people import Owner, somebody

ROLES: tuple[Role | None, ...] = (None, *Role)
LINKS = (None, "viewer", "commenter", "editor", "late", "another's", "elsewhere")


@dataclass(frozen=True, slots=True)
class Case:
    """What there is to say about one person and one diagram."""

    org_role: Role | None
    private: bool
    own_role: Role | None
    link: str | None
    creator: bool
    deleted: bool

    @property
    def expected(self) -> Role | None:
        """On an open diagram everybody has the role they have in the organization; on a private one only owners do, and
        whoever made it, who is an editor at least. A role on the diagram, and a link's, raise that and never lower it.
        """
        found: list[Role | None] = [self.own_role]
        if self.org_role is not None:
            if not self.private or self.org_role is Role.OWNER:
                found.append(self.org_role)
            elif self.creator:
                found.append(max(self.org_role, Role.EDITOR))
        if self.link in ("viewer", "commenter", "editor"):
            found.append(Role.of(self.link))
        return max((one for one in found if one is not None), default=None)


CASES = [
    Case(*one)
    for one in itertools.product(ROLES, (False, True), ROLES, LINKS, (False, True), (False, True))
]  # fmt: skip


async def arranged(urls: Urls, owner: Owner, cases: list[Case]) -> list[tuple[Case, UUID, UUID]]:
    """A person and a diagram for each case, in one organization; as superuser, who writes for everybody."""
    found = [(case, uuids.uuid7(), uuids.uuid7()) for case in cases]
    org, other = owner.org_id, uuids.uuid7()  # whoever has a link to another diagram, it must not matter here
    users, members, guests, links, came = [], [], [], [], []
    rows: list[tuple[UUID, UUID, str, UUID, datetime | None]] = [(org, other, "private", owner.user_id, None)]
    for case, user, diagram in found:
        users.append((user, f"{user}@example.org", "x", "red"))
        visibility, made_by = "private" if case.private else "org", user if case.creator else owner.user_id
        rows.append((org, diagram, visibility, made_by, datetime.now(UTC) if case.deleted else None))
        if case.org_role is not None:
            members.append((org, user, case.org_role.label))
        if case.own_role is not None:
            guests.append((org, diagram, user, case.own_role.label))
        if case.link is not None:
            link, role = uuids.uuid7(), case.link if case.link in ("viewer", "commenter") else "editor"
            end = datetime.now(UTC) - timedelta(seconds=1) if case.link == "late" else None
            links.append((org, link, other if case.link == "elsewhere" else diagram, role, b"", user, end))
            came.append((org, link, owner.user_id if case.link == "another's" else user))
    conn = await asyncpg.connect(urls.app.replace("colane_app", "postgres"))
    for table, columns, values in (
        ("users", "id, email, name, color", users),
        ("diagrams", "org_id, id, visibility, created_by, deleted_at, title", [(*row, "x") for row in rows]),
        ("memberships", "org_id, user_id, role", members),
        ("diagram_members", "org_id, diagram_id, user_id, role", guests),
        ("share_links", "org_id, id, diagram_id, role, secret_hash, created_by, expires_at", links),
        ("link_guests", "org_id, link_id, user_id", came),
    ):
        await conn.copy_records_to_table(table, schema_name="colane", columns=columns.split(", "), records=values)
    await conn.close()
    return found


def identity(user: UUID, scope: Scope = Scope.ADMIN, diagram: UUID | None = None) -> Identity:
    return Identity(user, "x", "x@example.org", "red", "token", user, scope=scope, diagram_id=diagram)


async def test_every_combination_gives_the_role_that_the_rule_gives(db: Database, urls: Urls) -> None:
    owner = await somebody(db)
    found = await arranged(urls, owner, CASES)
    assert len(found) == 6 * 2 * 6 * 7 * 2 * 2
    counted = 0
    async with db.transaction() as conn:
        for case, user, diagram in found:
            grant = await access._granted(conn, identity(user), diagram)
            assert (grant and grant.role) == case.expected, case
            if grant is not None:
                assert (grant.org_id, grant.deleted, grant.until) == (owner.org_id, case.deleted, None), case
                counted += 1
    assert 1000 < counted < len(found)


async def test_the_list_shows_what_may_be_opened(db: Database, urls: Urls) -> None:
    owner = await somebody(db)
    cases = [
        one for one in CASES if one.org_role and one.private and not one.deleted and one.own_role in (None, Role.VIEWER)
    ]
    for case, user, diagram in await arranged(urls, owner, cases):
        listed = await diagrams.page(db, user_id=user, org_id=owner.org_id, wanted=Wanted(), after=None, limit=500)
        assert (diagram in {one.id for one in listed}) == (case.expected is not None), case


async def test_a_credential_reaches_no_further_than_its_scope_and_its_diagram(db: Database, urls: Urls) -> None:
    owner = await somebody(db)
    cases = [Case(role, False, None, None, False, False) for role in Role]
    for case, user, diagram in await arranged(urls, owner, cases):
        for scope, ceiling in ((Scope.READ, Role.VIEWER), (Scope.WRITE, Role.EDITOR), (Scope.ADMIN, Role.OWNER)):
            grant = await grant_for(db, identity(user, scope), diagram)
            assert grant is not None
            assert grant.role == min(ceiling, case.expected or Role.VIEWER)
        assert await grant_for(db, identity(user, diagram=diagram), diagram) is not None
        assert await grant_for(db, identity(user, diagram=user), diagram) is None

"""The look-ups that run before a tenant is known, asked: each gives what belongs to the secret or the person, nothing else.

They are the one place where the application reads past the policies, so each has its questions here; one without fails.
Asked on a database that tests/tenancy/seed.py has filled: Ann and Bob are strangers, each with one row of everything.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from tests.tenancy import catalog
from tests.tenancy.seed import ANN, BOB, Tenant

Row = tuple[Any, ...]
# What each is asked, and what it must answer. Every row that a WHERE of it keeps away is asked for once.
Question = tuple[str, list[Any], list[Row]]


def questions(name: str) -> list[Question]:  # noqa: PLR0911 -- one for each
    """Of one look-up: with what is Ann's, with what is nobody's."""
    match name:
        case "find_user":
            return [
                ("", ["ann-email"], [(ANN.user,)]),
                ("", ["ANN-EMAIL"], [(ANN.user,)]),
                ("", ["nobody"], [(None,)]),
            ]
        case "find_session" | "find_token":
            table = {"find_session": "sessions", "find_token": "tokens"}[name]
            owned: list[Row] = [(ANN.id(f"{table.removesuffix('s')}_id"), ANN.user)]
            late = f"UPDATE colane.{table} SET expires_at = now() - interval '1 hour'"
            return [
                ("", [ANN.secret(table)], owned),
                ("", [ANN.secret("nothing")], []),
                (late, [ANN.secret(table)], []),
            ]
        case "find_ticket" | "find_signin" | "find_reset" | "find_invitation":
            table, answer = {
                "find_ticket": ("tickets", (ANN.org, ANN.user)),
                "find_invitation": ("invitations", (ANN.org, ANN.id("invitation_id"))),
                "find_signin": ("signin_links", (ANN.user,)),
                "find_reset": ("reset_links", (ANN.user,)),
            }[name]
            one: list[Row] = [answer]
            none: list[Row] = [] if len(answer) == 2 else [(None,)]
            return [
                ("", [ANN.secret(table)], one),
                ("", [ANN.secret("nothing")], none),
                (f"UPDATE colane.{table} SET expires_at = now() - interval '1 hour'", [ANN.secret(table)], none),
                (f"UPDATE colane.{table} SET used_at = now()", [ANN.secret(table)], none),
            ]
        case "find_link":
            link: list[Row] = [(ANN.org, ANN.id("share_link_id"))]
            return [
                ("", [ANN.secret("share_links")], link),
                ("UPDATE colane.share_links SET expires_at = NULL", [ANN.secret("share_links")], link),
                ("", [ANN.secret("nothing")], []),
                (
                    "UPDATE colane.share_links SET expires_at = now() - interval '1 hour'",
                    [ANN.secret("share_links")],
                    [],
                ),
            ]
        case "find_visit":
            came = f"UPDATE colane.link_guests SET secret_hash = '\\x{ANN.secret('visit').hex()}' WHERE org_id = '{ANN.org}'"
            late = "UPDATE colane.link_guests SET expires_at = now() - interval '1 hour'"
            return [
                (came, [ANN.secret("visit")], [(ANN.org, ANN.user)]),
                (came, [ANN.secret("nothing")], []),
                ("", [ANN.secret("visit")], []),
                (f"{came}; {late}", [ANN.secret("visit")], []),
            ]
        case "find_identity":
            return [
                ("", ["ann-issuer", "ann-subject"], [(ANN.user,)]),
                ("", ["ann-issuer", "bob-subject"], [(None,)]),
                ("", ["bob-issuer", "ann-subject"], [(None,)]),
            ]
        case "elsewhere":
            return _elsewhere()
        case "grant_for":
            return _grants()
        case "search_ids":
            here = f"SELECT set_config('app.org', '{ANN.org}', true)"
            return [
                ("", ["'wanted'"], []),
                (here, ["'wanted'"], [(ANN.id("diagram_id"), "ann-key", pytest.approx(0.0608, abs=1e-3))]),
                (here, ["'other'"], []),
            ]
    raise AssertionError(f"say in tests/tenancy/lookups.py what {name} may answer to whom")


def _elsewhere() -> list[Question]:
    asked = [ANN.user, BOB.org]
    no_guest = "DELETE FROM colane.diagram_members; DELETE FROM colane.link_guests"
    alone = f"{no_guest}; DELETE FROM colane.diagrams"
    company = f"INSERT INTO colane.memberships (org_id, user_id, role) VALUES ('{ANN.org}', '{BOB.user}', 'viewer')"
    return [
        ("", [ANN.user, ANN.org], []),
        (no_guest, asked, [(ANN.org,)]),
        (alone, asked, []),
        (f"{alone}; {company}", asked, [(ANN.org,)]),
        ("DELETE FROM colane.memberships; DELETE FROM colane.link_guests", asked, [(ANN.org,)]),
        ("DELETE FROM colane.memberships; DELETE FROM colane.diagram_members", asked, [(ANN.org,)]),
        ("", [Tenant("nobody").user, BOB.org], []),
    ]


def _grants() -> list[Question]:
    ann = ANN.id("diagram_id")
    stranger = Tenant("nobody").user
    guests_only = "DELETE FROM colane.memberships"
    members_only = "DELETE FROM colane.diagram_members"
    nobody = f"{guests_only}; {members_only}"
    member = f"{members_only}; UPDATE colane.memberships SET role = 'editor'"
    private = f"{member}; UPDATE colane.diagrams SET visibility = 'private'"
    others = f"{private}, created_by = NULL"
    elsewhere = f"{guests_only}; UPDATE colane.diagram_members SET diagram_id = '{Tenant('x').id('diagram_id')}'"
    moved = f"{members_only}; UPDATE colane.memberships SET org_id = '{Tenant('x').org}'"
    deleted = f"{member}; UPDATE colane.diagrams SET deleted_at = now()"
    link = f"{nobody}; UPDATE colane.link_guests SET link_id = '{ANN.id('share_link_id')}' WHERE org_id = '{ANN.org}'"
    end = datetime(2100, 1, 1, tzinfo=UTC)
    open_link = f"{link}; UPDATE colane.share_links SET role = 'viewer', expires_at = NULL"
    brief_link = f"{link}; UPDATE colane.share_links SET role = 'viewer', expires_at = '{end.isoformat()}'"
    late_link = f"{link}; UPDATE colane.share_links SET role = 'viewer', expires_at = now() - interval '1 hour'"
    other_link = f"{open_link}, diagram_id = '{Tenant('x').id('diagram_id')}'"
    found: list[Question] = []
    for who in (BOB.user, stranger):
        found += [(state, [who, ann], []) for state in ("", guests_only, members_only, private, others, open_link)]
    return [
        *found,
        (open_link, [ANN.user, ann], [(ANN.org, "viewer", False, None)]),
        (brief_link, [ANN.user, ann], [(ANN.org, "viewer", False, end)]),
        (late_link, [ANN.user, ann], []),
        (other_link, [ANN.user, ann], []),
        ("", [ANN.user, Tenant("x").id("diagram_id")], []),
        (nobody, [ANN.user, ann], []),
        (elsewhere, [ANN.user, ann], []),
        (moved, [ANN.user, ann], []),
        (member, [ANN.user, ann], [(ANN.org, "editor", False, None)]),
        (private, [ANN.user, ann], [(ANN.org, "editor", False, None)]),
        (private.replace("editor", "viewer"), [ANN.user, ann], [(ANN.org, "editor", False, None)]),
        (f"{private.replace('editor', 'viewer')}, created_by = NULL", [ANN.user, ann], []),
        (f"{member.replace('editor', 'viewer')}", [ANN.user, ann], [(ANN.org, "viewer", False, None)]),
        (others, [ANN.user, ann], []),
        (others.replace("'editor'", "'owner'"), [ANN.user, ann], [(ANN.org, "owner", False, None)]),
        (
            f"{guests_only}; UPDATE colane.diagram_members SET role = 'viewer'",
            [ANN.user, ann],
            [(ANN.org, "viewer", False, None)],
        ),
        (deleted, [ANN.user, ann], [(ANN.org, "editor", True, None)]),
    ]


async def findings(conn: asyncpg.Connection, names: Iterable[str] = catalog.LOOKUPS) -> list[Any]:
    """Answers that are not what they should be."""
    found: list[Any] = []
    for name in names:
        for state, arguments, wanted in questions(name):
            change = conn.transaction()
            await change.start()
            try:
                await conn.execute("SET LOCAL session_replication_role = replica")
                if state:
                    await conn.execute(state)
                await conn.execute("SET LOCAL session_replication_role = origin; SET LOCAL ROLE colane_app")
                places = ", ".join(f"${at + 1}" for at in range(len(arguments)))
                rows = [tuple(row) for row in await conn.fetch(f"SELECT * FROM colane.{name}({places})", *arguments)]
            finally:
                await change.rollback()
            if rows != wanted:
                found.append((name, state, rows, wanted))
    return found

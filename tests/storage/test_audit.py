"""The audit chain in the database: whatever its owner does to it, past triggers and policies, is found and the row named."""

import asyncio
import json
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest

from storage import audit
from storage.audit import chain, seals
from storage.audit import verify as verifying
from storage.audit.chain import Break, Head
from storage.audit.keys import Signer
from storage.audit.verify import verify
from storage.database import Database
from tests.conftest import Urls

REST = "id, at, actor, action, resource, diagram_id, result, metadata, request_id, prev_hash, hash"
SWAP = (
    "UPDATE colane.audit a SET (id, at, actor, resource, metadata, hash, prev_hash) ="
    " (b.id, b.at, b.actor, b.resource, b.metadata, b.hash, b.prev_hash) FROM colane.audit b"
    " WHERE a.seq + b.seq = 9 AND a.seq IN (4, 5)"
)
TABLES = ("audit", "audit_heads", "audit_seals")
SIGNER = Signer(bytes(range(32)))
KEYS = {SIGNER.public.id: SIGNER.public}


async def lines(db: Database, org: UUID, count: int) -> None:
    """So many lines more, each in a transaction of its own."""
    for number in range(count):
        async with db.transaction(org=org) as conn:
            await audit.record(
                conn,
                org_id=org,
                actor=uuid4(),
                action="test",
                resource=f"thing:{number}",
                metadata={"n": number, "ü": 1.5},
            )


async def sign(urls: Urls, org: UUID, signer: Signer = SIGNER) -> Head:
    """A signed head of where the chain is now, as the worker writes it."""
    async with Database.open(urls.worker) as db, db.transaction(org=org) as conn:
        seq, hashed = await verifying.head_of(conn, org)
        at = chain.moment(datetime.now(UTC))
        said = Head.statement(str(org), seq, hashed, at, signer.public.id)
        head = Head(str(org), seq, hashed, at, signer.public.id, signer.sign(said))
        await seals.add(conn, head)
    return head


@asynccontextmanager
async def tampering(urls: Urls) -> AsyncIterator[asyncpg.Connection]:
    """The owner of the tables, with everything switched off that would stop them."""
    owner = await asyncpg.connect(urls.owner)
    for table in TABLES:
        await owner.execute(f"ALTER TABLE colane.{table} DISABLE TRIGGER USER, NO FORCE ROW LEVEL SECURITY")
    try:
        yield owner
    finally:
        for table in TABLES:
            await owner.execute(f"ALTER TABLE colane.{table} ENABLE TRIGGER USER, FORCE ROW LEVEL SECURITY")
        await owner.close()


async def rewritten(owner: asyncpg.Connection, org: UUID, after: int) -> None:
    """Hash everything after a row anew, and the head with it, as somebody would who knows how."""
    previous = await owner.fetchval("SELECT hash FROM colane.audit WHERE org_id = $1 AND seq = $2", org, after)
    previous, seq = previous or chain.BEGINNING, after
    await owner.set_type_codec("jsonb", encoder=str, decoder=json.loads, schema="pg_catalog")
    for row in await owner.fetch("SELECT * FROM colane.audit WHERE org_id = $1 AND seq > $2 ORDER BY seq", org, after):
        seq += 1
        part = chain.sealed_part(
            org, seq, row["id"], row["at"], row["actor"], row["action"], row["resource"], row["diagram_id"],
            row["result"], row["metadata"], row["request_id"],
        )  # fmt: skip
        hashed = chain.seal(previous, part)
        await owner.execute(
            "UPDATE colane.audit SET seq = $3, prev_hash = $4, hash = $5 WHERE org_id = $1 AND seq = $2",
            org, row["seq"], seq, previous, hashed,
        )  # fmt: skip
        previous = hashed
    await owner.execute("UPDATE colane.audit_heads SET seq = $2, hash = $3 WHERE org_id = $1", org, seq, previous)


async def verdict(db: Database, org: UUID, *others: Head) -> Break | None:
    async with db.transaction(org=org, read_only=True) as conn:
        return (await verify(conn, org, KEYS, others=others)).broken


def found(broken: Break | None) -> tuple[int, str] | None:
    return (broken.row, broken.what) if broken else None


async def test_a_chain_written_at_once_by_many_is_whole(db: Database) -> None:
    org = uuid4()
    await asyncio.gather(*(lines(db, org, 5) for _ in range(4)))
    assert await verdict(db, org) is None


@pytest.mark.parametrize(
    ("how", "row", "what"),
    [
        ("UPDATE colane.audit SET action = 'other' WHERE seq = 3", 3, "changed"),
        ("UPDATE colane.audit SET metadata = '{}' WHERE seq = 4", 4, "changed"),
        ("UPDATE colane.audit SET at = at + interval '1 microsecond' WHERE seq = 4", 4, "changed"),
        ("UPDATE colane.audit SET result = 'fail' WHERE seq = 1", 1, "changed"),
        ("UPDATE colane.audit SET diagram_id = gen_random_uuid() WHERE seq = 2", 2, "changed"),
        ("UPDATE colane.audit SET id = gen_random_uuid() WHERE seq = 6", 6, "changed"),
        ("UPDATE colane.audit SET hash = set_byte(hash, 7, get_byte(hash, 7) # 1) WHERE seq = 5", 5, "changed"),
        ("UPDATE colane.audit SET hash = set_byte(hash, 7, get_byte(hash, 7) # 1) WHERE seq = 6", 6, "changed"),
        ("UPDATE colane.audit SET prev_hash = set_byte(hash, 0, 1) WHERE seq = 5", 5, "changed"),
        ("DELETE FROM colane.audit WHERE seq = 3", 3, "missing"),
        ("DELETE FROM colane.audit WHERE seq >= 5", 5, "cut"),
        ("DELETE FROM colane.audit", 1, "cut"),
        (f"INSERT INTO colane.audit SELECT org_id, -5, {REST} FROM colane.audit WHERE seq = 1", 1, "missing"),
        (f"INSERT INTO colane.audit SELECT org_id, 99, {REST} FROM colane.audit WHERE seq = 1", 7, "missing"),
        # A swap of numbers, and one of everything but the numbers.
        (
            "UPDATE colane.audit SET seq = CASE seq WHEN 2 THEN 103 WHEN 3 THEN 102 END WHERE seq IN (2, 3)",
            2,
            "missing",
        ),
        (
            SWAP,
            4,
            "changed",
        ),
    ],
)
@pytest.mark.parametrize("signed", [False, True], ids=["hashes", "signed"])
async def test_a_tampered_chain_is_found_out(
    db: Database, urls: Urls, how: str, row: int, what: str, signed: bool
) -> None:
    org = uuid4()
    await lines(db, org, 6)
    if signed:
        await sign(urls, org)
    async with tampering(urls) as owner:
        await owner.execute(how)
    assert found(await verdict(db, org)) == (row, what)


async def test_a_line_of_another_organization_put_in_is_found_out(db: Database, urls: Urls) -> None:
    mine, other = uuid4(), uuid4()
    await lines(db, mine, 5)
    await lines(db, other, 5)
    async with tampering(urls) as owner:
        await owner.execute("DELETE FROM colane.audit WHERE org_id = $1 AND seq = 3", mine)
        await owner.execute("UPDATE colane.audit SET org_id = $1 WHERE org_id = $2 AND seq = 3", mine, other)
    assert found(await verdict(db, mine)) == (3, "changed")
    assert found(await verdict(db, other)) == (3, "missing")


async def test_a_chain_that_was_hashed_anew_is_found_out_by_its_signed_heads(db: Database, urls: Urls) -> None:
    org = uuid4()
    await lines(db, org, 4)
    await sign(urls, org)
    await lines(db, org, 4)
    async with tampering(urls) as owner:
        await owner.execute("UPDATE colane.audit SET action = 'innocent' WHERE seq = 6")
        await rewritten(owner, org, 5)
    assert await verdict(db, org) is None, "nothing was signed after row 4: nobody can tell"
    async with tampering(urls) as owner:
        await owner.execute("UPDATE colane.audit SET action = 'innocent' WHERE seq = 3")
        await rewritten(owner, org, 2)
    assert found(await verdict(db, org)) == (1, "rewritten")


async def test_rows_are_named_from_the_last_signed_one_that_fits(db: Database, urls: Urls) -> None:
    org = uuid4()
    for _ in range(3):
        await lines(db, org, 3)
        await sign(urls, org)
    async with tampering(urls) as owner:
        await owner.execute("DELETE FROM colane.audit WHERE seq = 5")
        await rewritten(owner, org, 4)
    broken = await verdict(db, org)
    assert found(broken) == (4, "rewritten")
    assert broken is not None
    assert "rows 4 to 6" in broken.words


async def test_a_cut_tail_is_found_out_though_the_head_was_put_back(db: Database, urls: Urls) -> None:
    org = uuid4()
    await lines(db, org, 4)
    first = await sign(urls, org)
    await lines(db, org, 4)
    last = await sign(urls, org)
    async with tampering(urls) as owner:
        await owner.execute("DELETE FROM colane.audit WHERE seq > 6")
        await rewritten(owner, org, 5)
    assert found(await verdict(db, org)) == (7, "cut")
    async with tampering(urls) as owner:
        await owner.execute("DELETE FROM colane.audit_seals WHERE seq > 4")
    assert await verdict(db, org) is None, "in the database nothing is left that could tell"
    assert found(await verdict(db, org, first, last)) == (7, "cut"), "a head kept elsewhere does"
    async with tampering(urls) as owner:
        await owner.execute("DELETE FROM colane.audit; DELETE FROM colane.audit_seals; DELETE FROM colane.audit_heads")
    assert await verdict(db, org) is None
    assert found(await verdict(db, org, last)) == (1, "cut")


async def test_a_forged_head_is_found_out(db: Database, urls: Urls) -> None:
    org = uuid4()
    await lines(db, org, 3)
    await sign(urls, org)
    await lines(db, org, 3)
    forger = Signer(bytes(range(1, 33)))
    async with tampering(urls) as owner:
        await owner.execute(
            "INSERT INTO colane.audit_seals SELECT org_id, 6, (SELECT hash FROM colane.audit WHERE seq = 6), at, key_id,"
            " signature FROM colane.audit_seals"
        )
    assert found(await verdict(db, org)) == (6, "forged")
    async with tampering(urls) as owner:
        await owner.execute("DELETE FROM colane.audit_seals WHERE seq = 6")
    await sign(urls, org, forger)
    assert found(await verdict(db, org)) == (6, "unknown_key")


async def test_heads_of_keys_that_went_before_are_believed(db: Database, urls: Urls) -> None:
    org, newer = uuid4(), Signer(bytes(range(1, 33)))
    await lines(db, org, 2)
    await sign(urls, org)
    await lines(db, org, 2)
    await sign(urls, org, newer)
    both = {**KEYS, newer.public.id: newer.public}
    async with db.transaction(org=org, read_only=True) as conn:
        seen = await verify(conn, org, both)
        assert found((await verify(conn, org, {newer.public.id: newer.public})).broken) == (2, "unknown_key")
    assert seen.broken is None
    assert seen.signed is not None
    assert (seen.signed.seq, seen.signed.key) == (4, newer.public.id)


async def test_a_line_after_the_end_is_found_out_also_when_it_fits_the_chain(db: Database, urls: Urls) -> None:
    org = uuid4()
    await lines(db, org, 4)
    async with tampering(urls) as owner:
        await owner.execute(
            "UPDATE colane.audit_heads SET seq = 3, hash = (SELECT hash FROM colane.audit WHERE seq = 3)"
        )
    assert found(await verdict(db, org)) == (4, "extra")


async def test_a_chain_is_verified_while_it_grows(db: Database, urls: Urls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "PAGE", 4)
    org = uuid4()
    await lines(db, org, 5)

    async def write() -> None:
        for _ in range(10):
            await lines(db, org, 4)
            await sign(urls, org)

    writing = asyncio.get_running_loop().create_task(write())
    verdicts = []
    while not writing.done():
        verdicts.append(await verdict(db, org))
    await writing
    assert len(verdicts) > 3
    assert set(verdicts) == {None}


async def test_a_chain_is_verified_piece_by_piece(db: Database, urls: Urls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "PAGE", 4)
    org = uuid4()
    for _ in range(5):
        await lines(db, org, 3)
        await sign(urls, org)
    async with tampering(urls) as owner:
        await owner.execute("UPDATE colane.audit SET action = 'other' WHERE seq = 14")
    async with db.transaction(org=org, read_only=True) as conn:
        pieces, after = 0, (0, chain.BEGINNING)
        while True:
            seen = await verify(conn, org, KEYS, after=after, most=4)
            pieces, after = pieces + 1, (seen.seq, seen.hash)
            if seen.broken or seen.whole:
                break
    assert (pieces, found(seen.broken)) == (4, (14, "changed"))


async def test_metadata_that_postgresql_would_refuse_is_written_as_near_as_can_be(db: Database) -> None:
    org = uuid4()
    async with db.transaction(org=org) as conn:
        strange = {"a\0": "b\0c", "n": float("nan"), "b": b"\x01\xff", "s": {org}, "half": "\ud800"}
        await audit.record(conn, org_id=org, actor=None, action="test", resource="thing:1", metadata=strange)
        numbers = [2**70, 1e22, -1e16, 1.2345e30, -0.0, 0.1, 1e-7, 5e-324, 1.7976931348623157e308, 3.0, True]
        await audit.record(conn, org_id=org, actor=None, action="test", resource="thing:1", metadata={"n": numbers})
    assert await verdict(db, org) is None


async def test_whatever_is_done_at_random_is_found(db: Database, urls: Urls) -> None:
    seed = int(os.environ.get("COLANE_SEED", random.SystemRandom().randrange(2**32)))
    print("seed", seed)
    chosen = random.Random(seed)
    columns = ("action", "resource", "result", "request_id")
    for case in range(25):
        org, length = uuid4(), chosen.randint(3, 12)
        signed_at = sorted(chosen.sample(range(1, length + 1), chosen.randint(1, 3)))
        at = 0
        for stop in signed_at:
            await lines(db, org, stop - at)
            await sign(urls, org)
            at = stop
        await lines(db, org, length - at)
        row = chosen.randint(1, length - 1)
        kind = chosen.choice(("flip", "remove", "swap", "cut", "anew"))
        async with tampering(urls) as owner:
            if kind == "flip":
                await owner.execute(
                    f"UPDATE colane.audit SET {chosen.choice(columns)} = 'tampered' WHERE org_id = $1 AND seq = $2",
                    org,
                    row,
                )
                wanted = {row}
            elif kind == "remove":
                await owner.execute("DELETE FROM colane.audit WHERE org_id = $1 AND seq = $2", org, row)
                wanted = {row}
            elif kind == "swap":
                for old, new in ((row, -1), (row + 1, row), (-1, row + 1)):
                    await owner.execute(
                        "UPDATE colane.audit SET seq = $3 WHERE org_id = $1 AND seq = $2", org, old, new
                    )
                wanted = {row}
            elif kind == "cut":
                await owner.execute("DELETE FROM colane.audit WHERE org_id = $1 AND seq > $2", org, row)
                if row < signed_at[-1]:
                    await rewritten(owner, org, row - 1)
                wanted = {row + 1}
            else:
                row = min(row, signed_at[-1])
                await owner.execute("UPDATE colane.audit SET action = 'x' WHERE org_id = $1 AND seq = $2", org, row)
                await rewritten(owner, org, row - 1)
                wanted = {max([0, *(one for one in signed_at if one < row)]) + 1}
        broken = await verdict(db, org)
        assert broken is not None, (seed, case, kind, row, signed_at)
        assert {broken.row} == wanted, (seed, case, kind, row, signed_at, broken)


# -- nobody gets that far by accident ---------------------------------------------------------------------------------


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("statement", ["UPDATE colane.{} SET hash = ''", "DELETE FROM colane.{}", "TRUNCATE colane.{}"])
async def test_not_even_the_owner_changes_the_log_by_accident(
    db: Database, urls: Urls, table: str, statement: str
) -> None:
    org = uuid4()
    await lines(db, org, 2)
    await sign(urls, org)
    owner = await asyncpg.connect(urls.owner)
    await owner.execute(f"ALTER TABLE colane.{table} NO FORCE ROW LEVEL SECURITY")
    with pytest.raises(asyncpg.RaiseError, match=r"append-only|moves on"):
        await owner.execute(statement.format(table))
    await owner.close()
    for url in (urls.app, urls.worker):
        login = await asyncpg.connect(url)
        await login.execute("SELECT set_config('app.org', $1, false)", str(org))
        refused = (asyncpg.InsufficientPrivilegeError, asyncpg.RaiseError)
        with pytest.raises(refused if (table, statement[:6]) == ("audit_heads", "UPDATE") else refused[0]):
            await login.execute(statement.format(table))
        await login.close()
    assert await verdict(db, org) is None


async def test_the_application_signs_nothing(db: Database, urls: Urls) -> None:
    org = uuid4()
    await lines(db, org, 1)
    app = await asyncpg.connect(urls.app)
    await app.execute("SELECT set_config('app.org', $1, false)", str(org))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute("INSERT INTO colane.audit_seals VALUES ($1, 1, '', now(), '', '')", org)
    await app.close()

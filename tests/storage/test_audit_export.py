"""An export, checked without a database: whatever was done to the file is found, and the row named."""

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from collab import auditor
from storage.audit import chain, verify
from storage.audit.chain import Head, canonical
from storage.audit.export import Report, examine, write
from storage.database import Database
from tests.conftest import ROOT, Urls
from tests.storage.test_audit import KEYS, SIGNER, lines, sign

WHEN = datetime(2030, 1, 1, tzinfo=UTC)
ORG, OTHER = UUID(int=1), UUID(int=2)


def row(org: UUID, seq: int, previous: bytes, action: str = "test") -> tuple[bytes, bytes]:
    """A line of an export, and its hash."""
    part = chain.sealed_part(
        org, seq, UUID(int=seq), WHEN + timedelta(seconds=seq), None, action, f"thing:{seq}", None, "ok", {"n": [seq, "ü"]},
        f"request-{seq}",
    )  # fmt: skip
    hashed = chain.seal(previous, part)
    return canonical({**part, "kind": "line", "prev": previous.hex(), "hash": hashed.hex()}) + b"\n", hashed


def signed(org: UUID, seq: int, hashed: bytes) -> Head:
    at, key = chain.moment(WHEN), SIGNER.public.id
    return Head(str(org), seq, hashed, at, key, SIGNER.sign(Head.statement(str(org), seq, hashed, at, key)))


def rows(org: UUID, count: int, *, changed: int = 0) -> tuple[list[bytes], list[bytes]]:
    """So many rows and their hashes; one of them may tell another story, hashed as it should be."""
    texts, hashes, previous = [], [], chain.BEGINNING
    for seq in range(1, count + 1):
        text, previous = row(org, seq, previous, "innocent" if seq == changed else "test")
        texts.append(text)
        hashes.append(previous)
    return texts, hashes


def packed(heads: list[Head], texts: list[bytes], org: UUID = ORG) -> list[bytes]:
    """The file around them, as whoever made it would have it."""
    first = {"kind": "export", "format": 1, "org": str(org), "at": chain.moment(WHEN), "rows": len(texts)}
    body = [canonical(first) + b"\n", *(head.line() for head in heads), *texts]
    end = {"kind": "end", "lines": len(texts), "sha256": sha256(b"".join(body)).hexdigest()}
    return [*body, canonical(end) + b"\n"]


def found(report: Report) -> tuple[int, str] | None:
    return (report.broken.row, report.broken.what) if report.broken else None


def test_every_byte_counts() -> None:
    texts, hashes = rows(ORG, 3)
    whole = b"".join(packed([signed(ORG, 2, hashes[1])], texts))
    assert found(examine(whole.splitlines(keepends=True), KEYS)) is None
    starts = [whole.index(text) for text in texts]
    for place in range(len(whole)):
        for bit in (1, 32):
            flipped = bytearray(whole)
            flipped[place] ^= bit
            broken = examine(bytes(flipped).splitlines(keepends=True), KEYS).broken
            assert broken is not None, (place, bit)
            of = next(
                (
                    n
                    for n, (start, text) in enumerate(zip(starts, texts, strict=True), 1)
                    if start <= place < start + len(text)
                ),
                None,
            )
            if of is not None:
                assert broken.row == of, (place, bit, broken)


@pytest.mark.parametrize(
    ("do", "wanted"),
    [
        (lambda t: t[:2] + t[3:], (3, "missing")),
        (lambda t: [*t[:2], t[3], t[2], *t[4:]], (3, "moved")),
        (lambda t: [t[5], *t[1:5], t[0]], (1, "moved")),
        (lambda t: [*t[:3], t[1], *t[3:]], (4, "moved")),
        (lambda t: t[:4], (5, "cut")),
        (lambda _: [], (1, "cut")),
        (lambda t: [*t[:2], rows(OTHER, 6)[0][2], *t[3:]], (3, "foreign")),
        (lambda t: [*t[:2], rows(OTHER, 6)[0][2], *t[2:]], (3, "foreign")),
        (lambda _: rows(ORG, 6, changed=3)[0], (1, "rewritten")),
        (lambda t: [*t[:3], t[3].replace(b'"ok"', b'"no"'), *t[4:]], (4, "changed")),
        (lambda t: [*t[:2], rows(ORG, 6, changed=3)[0][2], *t[3:]], (3, "changed")),
        (lambda t: [*t[:2], t[2].replace(b'{"action"', b'{ "action"'), *t[3:]], (3, "damaged")),
        (lambda t: [*t[:2], b"\n", *t[2:]], (3, "damaged")),
        (lambda t: [*t[:2], b"[" * 100_000 + b"\n", *t[2:]], (3, "damaged")),
    ],
)  # fmt: skip
def test_what_was_done_to_a_file_is_named(do: object, wanted: tuple[int, str]) -> None:
    texts, hashes = rows(ORG, 6)
    heads = [signed(ORG, 6, hashes[5])]
    assert callable(do)
    assert found(examine(packed(heads, do(texts)), KEYS)) == wanted


def test_a_file_that_just_ends_is_found_out_wherever_it_ends() -> None:
    texts, hashes = rows(ORG, 4)
    whole = packed([signed(ORG, 2, hashes[1])], texts)
    for kept in range(len(whole)):
        broken = examine(whole[:kept], KEYS).broken
        assert broken is not None
        assert broken.row == max(0 if kept == 0 else 1, kept - 1)  # a line before the rows is a head
    assert found(examine([*whole, texts[3]], KEYS)) == (5, "extra")


def test_rows_and_heads_cut_off_together_are_missed_by_who_kept_a_head() -> None:
    texts, hashes = rows(ORG, 6)
    kept = signed(ORG, 6, hashes[5])
    cut = packed([signed(ORG, 2, hashes[1])], texts[:3])
    assert found(examine(cut, KEYS)) is None
    log_line = json.dumps({"event": "audit.signed", "level": "info", "head": kept.shown()}).encode()
    for elsewhere in ([kept.line()], [b"noise\n", log_line, b'{"signature"'], packed([kept], texts)):
        assert found(examine(cut, KEYS, elsewhere)) == (4, "cut")
        assert found(examine(packed([], rows(ORG, 6, changed=2)[0]), KEYS, elsewhere)) == (1, "rewritten")
        assert found(examine(packed([], texts), KEYS, elsewhere)) is None


def test_heads_that_are_forged_or_of_others_are_found_out() -> None:
    texts, hashes = rows(ORG, 4)
    good = signed(ORG, 3, hashes[2])
    forged = Head(good.org, 4, hashes[3], good.at, good.key, good.signature)
    assert found(examine(packed([good, forged], texts), KEYS)) == (4, "forged")
    assert found(examine(packed([signed(OTHER, 2, hashes[1])], texts), KEYS)) == (2, "forged")
    assert found(examine(packed([good], texts), {})) == (3, "unknown_key")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_is_done_at_random_is_found(data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 15))
    texts, hashes = rows(ORG, count)
    at = data.draw(st.lists(st.integers(1, count), min_size=1, max_size=3, unique=True).map(sorted))
    heads = [signed(ORG, seq, hashes[seq - 1]) for seq in at]
    assert found(examine(packed(heads, texts), KEYS)) is None
    one = data.draw(st.integers(1, count))
    kind = data.draw(st.sampled_from(["flip", "remove", "swap", "cut", "anew", "foreign"]))
    done, wanted = list(texts), one
    if kind == "flip":
        place = data.draw(st.integers(0, len(texts[one - 1]) - 1))
        text = bytearray(texts[one - 1])
        text[place] ^= data.draw(st.integers(1, 255))
        done[one - 1] = bytes(text)
        done = b"".join(done).splitlines(keepends=True)
    elif kind == "remove":
        one = wanted = one if one < count else at[-1]  # that the last row is gone, only its signature tells
        del done[one - 1]
    elif kind == "swap":
        other = data.draw(st.integers(1, count).filter(lambda n: n != one))
        done[one - 1], done[other - 1] = done[other - 1], done[one - 1]
        wanted = min(one, other)
    elif kind == "cut":
        one = min(one, at[-1])
        done, wanted = done[: one - 1], one
    elif kind == "anew":
        one = min(one, at[-1])
        done, wanted = rows(ORG, count, changed=one)[0], max([0, *(seq for seq in at if seq < one)]) + 1
    else:
        done[one - 1] = rows(OTHER, count)[0][one - 1]
    broken = examine(packed(heads, done), KEYS).broken
    assert broken is not None, (kind, one, at)
    assert broken.row == wanted, (kind, one, at, broken)


# -- from the database, and by the command ----------------------------------------------------------------------------


async def exported(db: Database, org: UUID) -> bytes:
    return b"".join([piece async for piece in write(db, org)])


@pytest.fixture
async def export(db: Database, urls: Urls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve rows of a real chain, signed up to row ten."""
    monkeypatch.setattr("storage.audit.export.PAGE", 5)
    org = uuid4()
    await lines(db, org, 4)
    await sign(urls, org)
    await lines(db, org, 6)
    await sign(urls, org)
    await lines(db, org, 2)
    path = tmp_path / "export.ndjson"
    path.write_bytes(await exported(db, org))
    return path


async def test_an_export_of_a_real_chain_is_whole(export: Path) -> None:
    with export.open("rb") as file:
        report = examine(file, KEYS)
    assert report.broken is None
    assert report.rows == 12
    assert report.signed is not None
    assert report.signed.seq == 10


async def test_an_empty_chain_is_exported_too(db: Database) -> None:
    text = await exported(db, uuid4())
    assert found(examine(text.splitlines(keepends=True), KEYS)) is None


async def test_the_database_and_its_export_are_judged_alike(db: Database, urls: Urls) -> None:
    org = uuid4()
    await lines(db, org, 3)
    text = await exported(db, org)
    async with db.transaction(org=org, read_only=True) as conn:
        judged = await verify.verify(conn, org, KEYS)
    assert json.loads(text.splitlines()[3])["hash"] == judged.hash.hex()


def colane(*arguments: str | Path, **environment: str) -> Result:
    return CliRunner().invoke(auditor.audit, [*map(str, arguments)], env=environment)


async def test_the_command_says_it_in_words_and_exit_codes(export: Path, tmp_path: Path) -> None:
    key = SIGNER.public.text
    good = colane("verify", export, "--key", key)
    assert (good.exit_code, good.stderr) == (0, "")
    assert "whole: 12 rows" in good.stdout
    assert "signed up to row 10" in good.stdout
    assert "the 2 after it are not signed yet" in good.stdout
    t = export.read_bytes().splitlines(keepends=True)
    for done, row_named, what in (
        ([*t[:7], t[7].replace(b'"test"', b'"tesu"'), *t[8:]], 5, "changed"),
        (t[:7] + t[8:], 5, "missing"),
        ([*t[:7], t[8], t[7], *t[9:]], 5, "moved"),
        (t[:7], 5, "cut"),
    ):
        path = tmp_path / f"{what}.ndjson"
        path.write_bytes(b"".join(done))
        bad = colane("verify", path, "--key", key)
        assert bad.exit_code == 1
        assert f"BROKEN at row {row_named} ({what})" in bad.stdout, bad
        said = json.loads(colane("verify", path, "--key", key, "--json").stdout)
        assert (said["ok"], said["broken_at"], said["what"]) == (False, row_named, what)


async def test_the_command_takes_files_of_keys_and_heads(export: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"# ours\n{SIGNER.public.text}\n")
    assert colane("verify", export, "--key", keys).exit_code == 0
    heads = tmp_path / "heads"
    whole = export.read_bytes().splitlines(keepends=True)
    heads.write_bytes(b"".join(whole[1:3]))
    cut = tmp_path / "cut"
    org = UUID(json.loads(whole[0])["org"])
    cut.write_bytes(b"".join(packed([], whole[3:10], org)))
    assert colane("verify", cut, "--key", keys).exit_code == 0
    known = colane("verify", cut, "--key", keys, "--heads", heads)
    assert known.exit_code == 1
    assert "BROKEN at row 8 (cut)" in known.stdout


async def test_trouble_is_trouble_and_not_a_verdict(export: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text("")
    for arguments in (
        (export,),
        (export, "--key", "ed25519:nonsense"),
        (export, "--key", empty),
        (export, "--key", tmp_path / "none"),
        (tmp_path / "none", "--key", SIGNER.public.text),
    ):
        done = colane("verify", *arguments)
        assert (done.exit_code, done.stdout) == (2, ""), done
        assert done.stderr


async def test_the_command_exports_what_belongs_to_no_organization(db: Database, urls: Urls, tmp_path: Path) -> None:
    await lines(db, UUID(int=0), 3)
    out = tmp_path / "system"
    done = await asyncio.to_thread(colane, "export", "system", "--out", out, DATABASE_URL=urls.app)
    assert done.exit_code == 0, done.output
    command = [sys.executable, "-m", "colane", "audit", "verify", str(out), "--key", SIGNER.public.text]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "whole: 3 rows" in checked.stdout


def test_a_new_key_is_one_that_production_takes(tmp_path: Path) -> None:
    made = colane("key", "--new")
    name, _, secret = made.stdout.splitlines()[0].partition("=")
    assert name == "COLANE_AUDIT_KEY"
    shown = colane("key", COLANE_AUDIT_KEY=secret, COLANE_AUDIT_PUBLIC_KEYS=SIGNER.public.text)
    public = made.stdout.splitlines()[1].rpartition(" ")[2]
    assert shown.stdout.split() == [public, SIGNER.public.text]
    bad = colane("key", COLANE_AUDIT_KEY="c2hvcnQ=")
    assert bad.exit_code == 2
    assert "c2hvcnQ" not in bad.stderr

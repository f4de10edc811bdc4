"""The worker signs chains that fit and no others, keeps what it signed outside of the database, and reads the old again."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import structlog
from prometheus_client import REGISTRY
from structlog.testing import LogCapture

from collab import seals as sealing
from collab.seals import Sealer
from storage.audit import keys
from storage.audit.verify import verify
from storage.database import Database
from storage.settings import Settings
from tests.conftest import Urls
from tests.storage.test_audit import lines, rewritten, tampering


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data")


@pytest.fixture
def said() -> Iterator[list[dict[str, object]]]:
    capture = LogCapture()
    structlog.configure(processors=[capture])
    yield capture.entries  # type: ignore[misc]
    structlog.reset_defaults()


def broken_chains() -> float | None:
    return REGISTRY.get_sample_value("colane_audit_broken_chains")


async def judged(db: Database, org: UUID, settings: Settings) -> tuple[bool, int]:
    async with db.transaction(org=org, read_only=True) as conn:
        seen = await verify(conn, org, keys.believed(settings))
    return seen.broken is None, seen.signed.seq if seen.signed else 0


async def test_chains_that_went_on_are_signed_and_no_others(db: Database, urls: Urls, settings: Settings) -> None:
    one, two = uuid4(), uuid4()
    async with Database.open(urls.worker) as worker:
        sealer = Sealer(worker, settings)
        await sealer.round()
        await lines(db, one, 3)
        await lines(db, two, 2)
        await sealer.round()
        assert await judged(db, one, settings) == (True, 3)
        await lines(db, one, 1)
        await sealer.round()
        assert await judged(db, one, settings) == (True, 4)
        assert await judged(db, two, settings) == (True, 2)
    assert len(settings.heads_file.read_text().splitlines()) == 3
    assert (settings.data / "audit" / "key").stat().st_mode & 0o777 == 0o600
    assert broken_chains() == 0


async def test_what_is_signed_stands_in_the_log_and_no_key_does(
    db: Database, urls: Urls, settings: Settings, said: list[dict[str, object]]
) -> None:
    org = uuid4()
    await lines(db, org, 2)
    async with Database.open(urls.worker) as worker:
        await Sealer(worker, settings).round()
    (line,) = [one for one in said if one["event"] == "audit.signed"]
    head = line["head"]
    assert isinstance(head, dict)
    assert (head["org"], head["seq"]) == (str(org), 2)
    assert (settings.data / "audit" / "key").read_text() not in str(said)


@pytest.mark.parametrize("afresh", [False, True], ids=["same worker", "started again"])
async def test_a_tail_cut_off_with_everything_that_tells_of_it_is_found_by_the_file(
    db: Database, urls: Urls, settings: Settings, said: list[dict[str, object]], afresh: bool
) -> None:
    org = uuid4()
    async with Database.open(urls.worker) as worker:
        sealer = Sealer(worker, settings)
        await lines(db, org, 4)
        await sealer.round()
        await lines(db, org, 4)
        await sealer.round()
        async with tampering(urls) as owner:
            await owner.execute("DELETE FROM colane.audit WHERE seq > 6; DELETE FROM colane.audit_seals WHERE seq > 4")
            await rewritten(owner, org, 5)
        assert await judged(db, org, settings) == (True, 4), "the database alone does not tell"
        if afresh:
            await worker_gone(urls)
            sealer = Sealer(worker, settings)
        await sealer.round()
        assert broken_chains() == 1
        (line,) = [one for one in said if one["event"] == "audit.broken"]
        assert (line["org"], line["row"], line["what"]) == (str(org), 7, "cut")
        await lines(db, org, 5)
        await sealer.round()
        assert await judged(db, org, settings) == (True, 4), "what is broken is not signed"


async def worker_gone(urls: Urls) -> None:
    """A lease ends when its worker does."""
    async with tampering(urls) as owner:
        await owner.execute("ALTER TABLE colane.leases NO FORCE ROW LEVEL SECURITY")
        await owner.execute("DELETE FROM colane.leases")
        await owner.execute("ALTER TABLE colane.leases FORCE ROW LEVEL SECURITY")


async def test_a_chain_that_is_gone_altogether_is_missed(db: Database, urls: Urls, settings: Settings) -> None:
    org = uuid4()
    async with Database.open(urls.worker) as worker:
        sealer = Sealer(worker, settings)
        await lines(db, org, 3)
        await sealer.round()
        async with tampering(urls) as owner:
            await owner.execute(
                "DELETE FROM colane.audit; DELETE FROM colane.audit_heads; DELETE FROM colane.audit_seals"
            )
        await sealer.round()
        assert broken_chains() == 1


async def test_a_change_of_long_ago_is_found_and_forgotten_when_it_is_mended(
    db: Database, urls: Urls, settings: Settings, said: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "READ_AGAIN", 4)
    monkeypatch.setattr("storage.audit.verify.PAGE", 2)
    quiet, org = uuid4(), uuid4()
    async with Database.open(urls.worker) as worker:
        sealer = Sealer(worker, settings)
        await lines(db, quiet, 3)
        await lines(db, org, 9)
        await sealer.round()
        for change in ("other", "test"):
            async with tampering(urls) as owner:
                await owner.execute("UPDATE colane.audit SET action = $2 WHERE org_id = $1 AND seq = 7", org, change)
            for _ in range(8):
                await sealer.round()
            assert broken_chains() == (change == "other")
    lines_said = [
        (one["event"], one.get("row")) for one in said if one["event"] in ("audit.broken", "audit.whole_again")
    ]
    assert lines_said[0] == ("audit.broken", 7)
    assert lines_said[-1] == ("audit.whole_again", None)


async def test_one_worker_signs_and_another_takes_over(db: Database, urls: Urls, tmp_path: Path) -> None:
    org, key = uuid4(), keys.new_key()
    mine, its = (Settings(data=tmp_path / name, audit_key=key) for name in ("one", "two"))  # type: ignore[arg-type]
    async with Database.open(urls.worker) as worker:
        first, second = Sealer(worker, mine), Sealer(worker, its)
        await lines(db, org, 2)
        await first.round()
        await second.round()
        assert not its.heads_file.exists()
        await worker_gone(urls)
        await second.round()
        assert its.heads_file.read_text() == mine.heads_file.read_text(), "what was signed before is taken over"
        await lines(db, org, 2)
        await second.round()
        assert await judged(db, org, its) == (True, 4)


def test_two_processes_that_start_at_once_have_one_key(settings: Settings) -> None:
    assert keys.signer(settings).public == keys.signer(settings).public
    assert [path.name for path in settings.audit_folder.iterdir()] == ["key"]

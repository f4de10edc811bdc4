"""Random concurrent editing over our own files, by the product's own command; longer over everybody's with --long."""

import itertools
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from collab.bpmn import fuzz, repair
from collab.bpmn.errors import BpmnError
from collab.mirror import mirror
from tests.bpmn.test_cli import colane
from tests.conftest import ROOT

OURS = [*sorted((ROOT / "collab/samples").glob("*.bpmn")), *sorted((ROOT / "tests/fixtures/golden").glob("*.bpmn"))]


@pytest.mark.timeout(120)
def test_every_merge_of_random_edits_is_valid_and_the_same_for_all_and_in_both_languages() -> None:
    long = os.environ.get("COLANE_LONG_MINUTES")
    seed = int(os.environ.get("COLANE_SEED") or (random.SystemRandom().randrange(2**32) if long else 1))
    report = fuzz.Report()
    with mirror() as ask:
        for file in OURS:
            fuzz.run(file.name, file.read_bytes(), seed, replicas=3, edits=10, merges=2, report=report, mirror=ask)
    assert report.failures == [], f"seed {seed}: {report.failures[:3]}"
    assert report.mirrored == len(OURS), "TypeScript was asked"
    assert len(report.by_kind) > 0.8 * len(fuzz.KINDS), "most kinds of edit were made"


def test_a_seed_is_a_whole_run_again() -> None:
    runs = [fuzz.Report(), fuzz.Report()]
    for report in runs:
        fuzz.run("order", OURS[0].read_bytes(), 7, replicas=2, edits=10, merges=1, report=report)
    assert runs[0] == runs[1]


def test_the_command_prints_its_seed_and_counts() -> None:
    told = colane("fuzz", "--seed", "5", "--ops", "5", "--merges", "1", OURS[0])
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stdout.startswith("seed 5\n")
    assert "1 files, 1 merges" in told.stdout
    assert "1 merges shown by the browser's code too" in told.stdout


def _nothing(*_: object) -> None:
    pass


# Rules, and the seed from which the fuzz soon misses each: some are needed once in fifty merges.
RULES = {
    "content": 31, "keep_definitions": 12, "settle": 12, "beside_host": 12, "pools": 80, "defaults": 12, "drawn": 14,
    "identities": 14, "derive": 12,
}  # fmt: skip
MISSED_BY_NOW = 200  # merges


@pytest.mark.timeout(120)
@pytest.mark.parametrize("rule", RULES)
def test_the_fuzz_sees_a_repair_rule_that_is_broken(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hasattr(repair, rule)
    monkeypatch.setattr(repair, rule, _nothing)
    report, files = fuzz.Report(), (ROOT / "collab/samples/first.bpmn", ROOT / "tests/fixtures/golden/everything.bpmn")
    for seed in itertools.count(RULES[rule]):
        for file in files:
            fuzz.run(file.name, file.read_bytes(), seed, replicas=3, edits=10, merges=1, report=report)
        if report.failures or report.merges >= MISSED_BY_NOW:
            break
    print(f"{rule}: {report.failures[:1]} after {report.merges} merges")
    assert report.failures, f"{rule} is not missed"


@pytest.mark.timeout(0)
def test_the_corpus_stays_valid_under_random_edits(
    corpus: Path, record_property: Callable[[str, object], None]
) -> None:
    minutes = float(os.environ.get("COLANE_LONG_MINUTES") or 0)
    if not minutes:
        pytest.skip("only with --long")
    seed, end = random.SystemRandom().randrange(2**32), time.monotonic() + 20 * minutes
    report, files = fuzz.Report(), sorted(corpus.rglob("*.bpmn"))
    rng = random.Random(seed)
    with mirror() as ask:
        while time.monotonic() < end:
            file = rng.choice(files)
            if file.stat().st_size < 200_000:
                try:
                    fuzz.run(
                        file.name, file.read_bytes(), seed, replicas=3, edits=10, merges=1, report=report, mirror=ask
                    )
                except BpmnError:
                    continue
    counts = f"{report.merges} merges, {report.mirrored} of them also in TypeScript, {report.edits} edits"
    record_property("fuzz", f"seed {seed}: {report.files} files, {counts}, {len(report.failures)} failures")
    assert report.failures == [], report.failures[:5]

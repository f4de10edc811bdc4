"""Simulated histories: whatever happens to rooms, journal, bus and people, the rules of collab/SPEC.md hold at the end.

A seed is a history. Seeds that once failed are named; bugs that are planted are found.
"""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from collab.simulate import history
from collab.simulate.bugs import BUGS

ROOT = Path(__file__).resolve().parents[2]

# What each of these was: as long as the simulation draws its dice in the same order, it is the same history again.
ONCE_FAILED = {
    307: "R1: a colleague brought structs whose author had not been told that they are on disk, and was shown them",
    894: "R1: the same",
    1428: "R1: the same",
    213: "R13: somebody put the state of an old epoch into the present one, after a step 1 that knew nothing of it",
    243: "R13: the same",
    1228: "R5: what came after a slow reader's difference overtook it while PostgreSQL was away",
    208: "R3: a viewer came back before the author of what both had seen before a crash",
    10930: "R3: the same, and the room had not heard yet what another node had written before it crashed",
    772: "R6: a liar names a client before its owner does",
}


@pytest.mark.parametrize("seed", ONCE_FAILED)
def test_a_history_that_once_failed(seed: int) -> None:
    assert history.run(seed) is None, ONCE_FAILED[seed]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("quarter", range(4))
def test_R1_to_R14_in_a_thousand_histories(quarter: int) -> None:
    first = 250 * quarter  # the same for everybody; others are drawn where there is time for more
    print(f"seeds {first} to {first + 249}")
    failures = [failed for seed in range(first, first + 250) if (failed := history.run(seed)) is not None]
    assert failures == [], [(one.seed, one.rule, one.detail) for one in failures]


@pytest.mark.timeout(200)
@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found_within_a_thousand_histories(bug: str) -> None:
    found = next((failed for seed in range(1_000) if (failed := history.run(seed, BUGS[bug])) is not None), None)
    assert found is not None, f"nobody notices {bug}"
    print(f"{bug}: seed {found.seed}, {found.rule}: {found.detail}")
    assert history.run(found.seed) is None, "it is the bug that was found, not something else"


def test_a_seed_is_the_same_history_again_on_the_command_line() -> None:
    def simulate(*options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "colane", "simulate", "--seed", "0", *options]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50, check=False)

    well = simulate("--histories", "5")
    assert (well.returncode, well.stdout.splitlines()[0]) == (0, "seed 0")
    once, again = (simulate("--histories", "40", "--plant", "ghost", "--story") for _ in range(2))
    assert once.returncode == 1
    assert ": R6: " in once.stdout
    assert once.stdout.splitlines()[:-1] == again.stdout.splitlines()[:-1]
    assert simulate("--plant", "nothing-of-the-kind").returncode == 2


@pytest.mark.timeout(0)
def test_histories_for_as_long_as_there_is_time() -> None:
    minutes = float(os.environ.get("COLANE_LONG_MINUTES") or 0)
    if not minutes:
        pytest.skip("only with --long")
    first = seed = random.SystemRandom().randrange(2**32)
    end, failures = time.monotonic() + 20 * minutes, []
    while time.monotonic() < end:
        if (failed := history.run(seed)) is not None:
            failures.append((failed.seed, failed.rule, failed.detail))
        seed += 1
    print(f"seeds {first} to {seed - 1}: {seed - first} histories, {len(failures)} failures")
    assert failures == [], failures[:5]

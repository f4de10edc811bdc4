"""The command line on files, and as a merge driver in a real git repository."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bpmn.test_merge import ADD, NO_C, SMALL, small
from tests.conftest import ROOT

pytestmark = pytest.mark.timeout(120)
COLANE = [sys.executable, "-P", "-m", "colane", "bpmn"]
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}


def colane(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*COLANE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    texts = {
        "base": SMALL, "added": small(ADD), "gone": small(NO_C),
        "renamed": small((b'name="a"', b'name="Ann"')), "rival": small((b'name="a"', b'name="Bob"')),
        "broken": b"<nothing", "wrong": small((b'targetRef="B"', b'targetRef="Nowhere"')),
    }  # fmt: skip
    for name, text in texts.items():
        (tmp_path / name).write_bytes(text)
    return {name: tmp_path / name for name in texts}


def test_diff_tells_elements_and_exits_like_diff(files: dict[str, Path]) -> None:
    assert colane("diff", files["base"], files["base"]).returncode == 0
    told = colane("diff", files["base"], files["renamed"])
    assert (told.returncode, told.stdout) == (1, '~ task A “Ann”\n    name: "a" → "Ann"\n')
    found = json.loads(colane("diff", "--json", files["base"], files["added"]).stdout)
    assert [one["element"] for one in found["added"]] == ["N"]
    trouble = colane("diff", files["base"], files["broken"])
    assert trouble.returncode == 2
    assert "not well-formed" in trouble.stderr


def test_merge_writes_only_without_conflicts(files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert colane("merge", files["base"], files["added"], files["gone"], "--out", out).returncode == 0
    assert b'id="N"' in out.read_bytes()
    assert b'id="C"' not in out.read_bytes()
    out.unlink()
    told = colane("merge", files["base"], files["renamed"], files["rival"], "--out", out)
    assert told.returncode == 1
    assert told.stderr == '! A: both changed name (base "a", ours "Ann", theirs "Bob")\n'
    assert not out.exists()
    found = json.loads(colane("merge", "--json", files["base"], files["renamed"], files["rival"]).stdout)
    assert found == {"conflicts": [{"element": "A", "property": "name", "base": "a", "ours": "Ann", "theirs": "Bob"}]}


def test_validate_names_element_and_fault(files: dict[str, Path]) -> None:
    assert colane("validate", files["base"]).returncode == 0
    told = colane("validate", files["wrong"])
    assert told.returncode == 1
    assert "AB: targetRef of sequence flow “AB” names “Nowhere”" in told.stdout


def test_git_merges_diagrams_with_it(files: dict[str, Path], tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()

    def git(*arguments: str) -> int:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=repository, env=ENVIRONMENT, capture_output=True, check=False
        )
        return done.returncode

    def commit(name: str) -> None:
        (repository / "order.bpmn").write_bytes(files[name].read_bytes())
        assert git("add", ".") == 0
        assert git("commit", "-m", name) == 0

    git("init")
    (repository / ".gitattributes").write_text("*.bpmn merge=colane\n")
    git("config", "merge.colane.driver", f"{' '.join(COLANE)} merge %O %A %B --out %A")
    commit("base")
    git("branch", "theirs")
    commit("renamed")
    git("checkout", "theirs")
    commit("gone")
    assert git("merge", "main") == 0
    merged = (repository / "order.bpmn").read_bytes()
    assert b'name="Ann"' in merged
    assert b'id="C"' not in merged
    git("checkout", "-b", "rival", "main~1")
    commit("rival")
    assert git("merge", "main") == 1, "both renamed the same task"
    assert b'name="Bob"' in (repository / "order.bpmn").read_bytes()

"""The 21 MIWG reference files through the running product: REST create and content, and the round-trip command.

Compared by an independent reader (expat events, names as written), not by Colane's own code.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.infoset import infoset
from tests.serving import ROOT, Served, served

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def references() -> list[Path]:
    folder = ROOT.parent / "shared" / "corpus" / "miwg-reference"
    if not folder.is_dir():
        pytest.skip("the corpus of other people's files is not beside this checkout")
    return sorted(folder.glob("*.bpmn"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("miwg") / "data") as running:
        yield running


def test_rest_gives_back_what_it_was_given(references: list[Path], server: Served) -> None:
    assert len(references) == 21
    for path in references:
        original = path.read_bytes()
        diagram = server.create(original, path.stem)
        assert infoset(server.content(diagram)) == infoset(original), f"{path.name}: the stored version differs"
        assert infoset(server.content(diagram, "live")) == infoset(original), f"{path.name}: the live state differs"


def test_the_command_gives_back_what_it_was_given(references: list[Path], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "colane", "bpmn", "roundtrip", "--out", str(tmp_path), *map(str, references)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert [report["ok"] for report in reports] == [True] * len(references)
    for path in references:
        assert infoset((tmp_path / path.name).read_bytes()) == infoset(path.read_bytes()), path.name

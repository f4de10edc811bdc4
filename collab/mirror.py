"""The TypeScript view as a process beside us: asked by `colane bpmn fuzz` and by tests whether it shows what Python shows.

Needs Node and the built front end (frontend/dist-mirror); where either is missing nothing is compared, and that is said.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from collab.bpmn.records import Snapshot

SCRIPT: Final = Path(__file__).resolve().parents[1] / "frontend" / "dist-mirror" / "mirror.js"


@contextmanager
def mirror() -> Iterator[Callable[[Snapshot], str] | None]:
    """A function from records to the canonical view as TypeScript makes it; None where it cannot be asked."""
    beside = Path(sys.executable).parent  # where the wheel that brings Node puts it
    node = shutil.which("node") or shutil.which("node", path=str(beside))
    if node is None or not SCRIPT.exists():
        yield None
        return
    with subprocess.Popen([node, SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8") as process:  # noqa: S603 -- our own script
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def ask(snapshot: Snapshot) -> str:
            # Nothing beyond ASCII goes out: Node's reader takes U+2028 for the end of a line.
            stdin.write(json.dumps({"meta": snapshot.meta, "nodes": snapshot.nodes}) + "\n")
            stdin.flush()
            return stdout.readline().removesuffix("\n")

        yield ask

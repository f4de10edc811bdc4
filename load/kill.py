"""kill -9 while people write and scripts save: the tests of tests/interop/test_kill.py, ten times each, with their figures.

Budget: nothing that was acknowledged is lost. `--seconds` says nothing here; the runs last as long as they last.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

KILLS: Final = "10"
ROOT: Final = Path(__file__).resolve().parent.parent


def run(_seconds: float) -> bool:
    """Prints what the tests print; True when they pass."""
    environment = {**os.environ, "COLANE_KILLS": KILLS}  # noqa: TID251 -- handed on to a child
    command = [sys.executable, "-m", "pytest", "-n0", "-q", "-s", "tests/interop/test_kill.py"]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0  # noqa: S603 -- words of ours

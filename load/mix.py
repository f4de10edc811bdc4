"""What people and scripts do over REST, 50 requests a second for ten minutes, on 100,000 diagrams of 1,000 organizations.

Locust asks (load/rest/people.py) as an editor each of 50 organizations, once a second; its exit code says whether the budget
of load/budgets.toml was kept. `--data` is the folder of `./run bench rest`.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from load.figures import cpu_seconds, table
from load.rest import filled
from tests.serving import ROOT

PEOPLE: Final = 50


def run(seconds: float, data: Path | None) -> bool:
    """Prints locust's table and the budget; True when it was kept."""
    with tempfile.TemporaryDirectory() as folder, filled(data or Path(folder) / "data") as server:
        asked = [
            sys.executable, "-m", "locust", "-f", str(ROOT / "load" / "rest" / "people.py"), "--headless", "--only-summary",
            "--host", server.url, "--users", str(PEOPLE), "--spawn-rate", "10", "--run-time", f"{seconds:.0f}s",
        ]  # fmt: skip
        assert server.process is not None
        before = cpu_seconds(server.process.pid)
        kept = subprocess.run(asked, cwd=ROOT, check=False).returncode == 0  # noqa: S603 -- our own words
        after = cpu_seconds(server.process.pid)
        rows = [(kind, f"{(after[kind] - before[kind]) / seconds * 100:.0f}") for kind in after]
        table("CPU meanwhile", ("process", "% of a core"), rows)
        return kept

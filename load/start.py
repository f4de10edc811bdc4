"""How long until the server is ready. Budget: a warm start within 3 s.

The first start makes the database in a fresh folder; the later ones find it. Measured from the command to the ready line,
as a user sees it, without what `./run` itself checks before.
"""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

from load.figures import table
from tests.serving import Served

BUDGET_S: Final = 3.0
STARTS: Final = 5


def run(_seconds: float) -> bool:
    """Prints the table; True when every warm start was in time."""
    with tempfile.TemporaryDirectory() as folder:
        server = Served(Path(folder) / "data")
        starts, stops = [], []
        for _ in range(STARTS + 1):
            began = time.perf_counter()
            server.start()
            starts.append(time.perf_counter() - began)
            began = time.perf_counter()
            assert server.stop() == 0
            stops.append(time.perf_counter() - began)
    first, warm = starts[0], starts[1:]
    table(
        "Start and stop",
        ("what", "times", "middle s", "longest s"),
        [
            ["first start, fresh folder", 1, f"{first:.2f}", f"{first:.2f}"],
            ["warm start", STARTS, f"{statistics.median(warm):.2f}", f"{max(warm):.2f}"],
            ["stop (SIGTERM)", len(stops), f"{statistics.median(stops):.2f}", f"{max(stops):.2f}"],
        ],
    )
    print(f"\nbudget (warm start within {BUDGET_S:.0f} s): {'kept' if max(warm) < BUDGET_S else 'NOT KEPT'}")
    return max(warm) < BUDGET_S

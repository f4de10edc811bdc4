"""What a load run must keep (budgets.toml), held against what it did. Called by the locustfile at the end."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from locust.env import Environment

from load.figures import table

BUDGETS = Path(__file__).with_name("budgets.toml")


def kept(environment: Environment, server: Mapping[str, float]) -> bool:
    """Prints what was promised beside what was; True when all of it was kept."""
    budgets = tomllib.loads(BUDGETS.read_text())
    rows = [*_rows(environment, budgets["rows"])]
    rows.append(("failures", environment.stats.total.num_failures, budgets["all"]["failures"]))
    rows += [(name, round(server[name], 1), most) for name, most in budgets["server"].items() if name in server]
    judged = [(what, value, most, "kept" if value <= most else "NOT KEPT") for what, value, most in rows]
    table("Budgets", ("what", "measured", "at most", ""), judged)
    return all(value <= most for _, value, most in rows)


def _rows(environment: Environment, budgets: Mapping[str, Mapping[str, float]]) -> list[tuple[str, Any, float]]:
    found: list[tuple[str, Any, float]] = []
    for entry in environment.stats.entries.values():
        for share, most in budgets.get(entry.name, {}).items():
            value = entry.get_response_time_percentile(int(share.removeprefix("p")) / 100)
            found.append((f"{entry.name}, {share} ms", value, most))
    return found

"""Whoever looks at the server while the others work: its memory, its rooms, and what must stay at nothing.

One in each run; in a long one (`--run-time 2h`) it is the soak test. Growth is counted from the end of the first third, when
everybody is there, as the middle of that third against the middle of the last. Judged in load/budgets.py.
"""

import statistics

from locust import HttpUser, constant, task

SERIES = {
    "memory": "process_resident_memory_bytes ",
    "divergent": "colane_divergent_rooms ",
    "journal": "colane_journal_bytes ",
    "rooms": "colane_rooms ",
    "sockets": "colane_sockets ",
}

seen: dict[str, list[float]] = {name: [] for name in SERIES}


class Watcher(HttpUser):
    """Reads /metrics every second, and asks whether the server is well."""

    fixed_count = 1
    wait_time = constant(1)

    @task
    def look(self) -> None:
        lines = self.client.get("/metrics", name="GET /metrics").text.splitlines()
        for name, series in SERIES.items():
            seen[name].append(sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(series)))
        self.client.get("/readyz", name="GET /readyz")


def figures() -> dict[str, float]:
    """What was seen, as budgets name it."""
    memory = seen["memory"]
    third = len(memory) // 3
    if third < 1:
        return {}
    early, late = statistics.median(memory[third : 2 * third]), statistics.median(memory[-third:])
    return {
        "memory_mib": max(memory) / 2**20,
        "memory_growth_mib": (late - early) / 2**20,
        "divergent_rooms": max(seen["divergent"]),
        "journal_mib": max(seen["journal"]) / 2**20,
    }

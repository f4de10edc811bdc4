"""The one command: ready, two at once, a clean end, and nothing left behind when it is killed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from storage.embedded import embedded
from tests.interop.clients import eventually
from tests.serving import Served

pytestmark = pytest.mark.timeout(120)


def descendants(pid: int) -> set[int]:
    """All processes below one."""
    table = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in table.splitlines()]
    found, open_ = set[int](), [pid]
    while open_:
        at = open_.pop()
        children = {child for child, parent in pairs if parent == at}
        found |= children
        open_ += children
    return found


def alive(pids: set[int]) -> set[int]:
    return {
        pid
        for pid in pids
        if Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    }


def test_two_servers_side_by_side_end_cleanly(tmp_path: Path) -> None:
    with Served(tmp_path / "one") as one, Served(tmp_path / "two") as two:
        for server in (one, two):
            assert httpx.get(f"{server.url}/readyz").status_code == 200
            assert server.greeting == [f"Colane is ready at {server.url}"]
        diagram = one.create((Path(__file__).parents[1] / "fixtures" / "golden" / "everything.bpmn").read_bytes())
        with two.http() as http:
            assert http.get(f"/diagrams/{diagram}").status_code == 404
        assert one.process is not None
        children = descendants(one.process.pid)
        began = time.monotonic()
        assert one.stop() == 0
        assert time.monotonic() - began < 10
        eventually("nothing is left", lambda: not alive(children))


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc")
def test_kill_9_leaves_nothing_behind_and_the_next_start_has_everything(tmp_path: Path) -> None:
    with Served(tmp_path / "data") as server:
        diagram = server.create((Path(__file__).parents[1] / "fixtures" / "golden" / "everything.bpmn").read_bytes())
        assert server.process is not None
        children = descendants(server.process.pid)
        assert len(children) > 3
        server.kill()
        eventually("PostgreSQL, worker and workshop ended with it", lambda: not alive(children), timeout=15)
        server.start()
        with server.http() as http:
            assert http.get(f"/diagrams/{diagram}").json()["version"] == 1
            assert len(http.get("/diagrams").json()["items"]) == 4, "the demo is made once"


def test_bad_settings_are_refused_in_plain_words(tmp_path: Path) -> None:
    for settings, words in (
        ({"COLANE_MODE": "production"}, "DATABASE_URL"),
        ({"COLANE_TOKEN": "short"}, "20 characters"),
        ({"COLANE_HOST": "0.0.0.0", "COLANE_TOKEN": "x" * 30}, "loopback"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "colane", "serve"],
            env={**os.environ, "COLANE_DATA": str(tmp_path / "x"), **settings},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert words in done.stderr
        assert done.stdout == ""


def test_the_embedded_server_recovers_from_its_own_kill(tmp_path: Path) -> None:
    with embedded(tmp_path / "pg") as running:
        assert running.sql("SHOW fsync") == "on"
        assert running.sql("SHOW listen_addresses") == ""
        running.sql("CREATE TABLE kept (n int); INSERT INTO kept SELECT generate_series(1, 1000)")
        running.process.kill()
        running.process.wait(10)
    with embedded(tmp_path / "pg") as running:
        assert running.sql("SELECT count(*) FROM kept") == "1000"
        assert (
            running.sql("SELECT rolsuper::text || rolbypassrls::text FROM pg_roles WHERE rolname = 'colane_app'")
            == "falsefalse"
        )

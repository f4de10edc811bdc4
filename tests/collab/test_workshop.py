"""The process pool: errors travel as they are, a stuck or dead process is replaced, a crowd harms nobody."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from collab import workshop
from collab.bpmn import diagram
from collab.bpmn.errors import ForbiddenError
from collab.workshop import Workshop, WorkshopError
from tests.conftest import ROOT

pytestmark = pytest.mark.timeout(90)


async def test_work_happens_in_another_process(shop: Workshop) -> None:
    assert await shop.do(os.getpid) != os.getpid()


async def test_the_bench_s_errors_come_back_as_they_are(shop: Workshop) -> None:
    with pytest.raises(ForbiddenError) as raised:
        await shop.do(diagram.from_xml, b"<!DOCTYPE a><a/>", None, 1)
    assert raised.value.rule == "doctype"
    assert str(raised.value) == "the file has a DOCTYPE, which is not accepted"


async def test_a_process_that_dies_is_replaced(shop: Workshop) -> None:
    with pytest.raises(WorkshopError):
        await shop.do(os._exit, 3)
    assert await shop.do(abs, -3) == 3


async def test_a_process_that_dies_idle_costs_nobody_their_work(shop: Workshop) -> None:
    os.kill(await shop.do(os.getpid), signal.SIGKILL)
    await asyncio.sleep(0.3)
    assert await shop.do(abs, -5) == 5


async def test_work_that_takes_too_long_is_given_up(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.do(abs, 1)
    monkeypatch.setattr(workshop, "JOB_S", 0.2)
    with pytest.raises(WorkshopError):
        await shop.do(time.sleep, 30)
    monkeypatch.undo()
    assert await shop.do(abs, -4) == 4


async def test_time_in_the_queue_is_not_time_at_work(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty jobs of 60 ms take longer than one job may: none of them may be given up for that."""
    pid = await shop.do(os.getpid)
    monkeypatch.setattr(workshop, "JOB_S", 0.5)
    await asyncio.gather(*(shop.do(time.sleep, 0.06) for _ in range(20)))
    assert await shop.do(os.getpid) == pid


async def test_a_crowd_is_refused_and_the_work_of_others_goes_on(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = await shop.do(os.getpid)
    monkeypatch.setattr(workshop, "PATIENCE_S", 0.2)
    results = await asyncio.gather(*(shop.do(time.sleep, 0.15) for _ in range(6)), return_exceptions=True)
    assert [type(one) for one in results if one is not None] == [WorkshopError] * 4
    assert await shop.do(os.getpid) == pid
    monkeypatch.setattr(workshop, "WAITING", 2)
    crowd = await asyncio.gather(*(shop.do(abs, -1) for _ in range(10)), return_exceptions=True)
    assert [one for one in crowd if not isinstance(one, WorkshopError)] == [1, 1]
    assert await shop.do(os.getpid) == pid


async def test_whoever_gives_up_waiting_takes_nothing_from_the_next(shop: Workshop) -> None:
    pid = await shop.do(os.getpid)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await shop.do(time.sleep, 0.2)
    assert await shop.do(os.getpid) == pid


async def test_a_stuck_process_stops_nobody_else() -> None:
    async with Workshop.open(2) as shop:
        stuck = asyncio.get_running_loop().create_task(shop.do(time.sleep, 60))
        assert await asyncio.gather(*(shop.do(abs, -n) for n in range(5))) == list(range(5))
    with pytest.raises(WorkshopError):
        await stuck


def test_the_processes_end_with_a_killed_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import asyncio, os, time\n"
        "from collab.workshop import Workshop\n"
        "async def main():\n"
        "    async with Workshop.open() as shop:\n"
        "        print(await shop.do(os.getpid), flush=True)\n"
        "        await shop.do(time.sleep, 60)\n"
        "if __name__ == '__main__':\n"
        "    asyncio.run(main())\n"
    )
    parent = subprocess.Popen(
        [sys.executable, str(script)], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    child = Path("/proc") / parent.stdout.readline().decode().strip()
    assert child.exists()
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 5
    while child.exists() and "\nState:\tZ" not in (child / "status").read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not child.exists() or "\nState:\tZ" in (child / "status").read_text()

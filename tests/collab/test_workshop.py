"""The process pool: errors travel as they are, a stuck or dead process is replaced."""

import os
import time

import pytest

from collab import workshop
from collab.bpmn import diagram
from collab.bpmn.errors import ForbiddenError
from collab.workshop import Workshop, WorkshopError

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


async def test_work_that_takes_too_long_is_given_up(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.do(abs, 1)
    monkeypatch.setattr(workshop, "TIMEOUT_S", 0.2)
    with pytest.raises(WorkshopError):
        await shop.do(time.sleep, 30)
    monkeypatch.undo()
    assert await shop.do(abs, -4) == 4

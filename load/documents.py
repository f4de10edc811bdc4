"""What a diagram costs on the bench, step by step and by size. Budget: the text of 2,400 elements in at most 50 ms.

Runs in this process, without a server: pure functions of collab/bpmn. The fastest of a few runs counts, because what
makes a run slower is the machine. Sizes are those of load/chart.py.
"""

import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

from collab.bpmn import diagram, document, imports, repair, xml
from collab.workshop import collect_seldom
from load.chart import HUGE, MEDIUM, SMALL, chart
from load.figures import table
from load.pen import Pen

T = TypeVar("T")

BUDGET_S: Final = 0.05
SIZES: Final = {"small": (SMALL, 0), "medium": (MEDIUM, 0), "huge": (HUGE, 100)}
CLIENT: Final = 0x7F00_0001  # a client id as long as a browser's


def _timed(times: int, work: Callable[[], T]) -> tuple[float, T]:
    """The fastest of some runs, in seconds, and what the last one gave."""
    best = float("inf")
    for _ in range(times):
        began = time.perf_counter()
        result = work()
        best = min(best, time.perf_counter() - began)
    return best, result


def run(_seconds: float) -> bool:
    """Prints the tables; True when the budget was kept."""
    collect_seldom()  # as in the processes where this work is done
    costs: dict[str, dict[str, float]] = {}
    sizes: list[list[object]] = []
    for name, (tasks, words) in SIZES.items():
        costs[name], size = _measure(tasks, words, times=2 if name == "huge" else 10)
        sizes.append([name, *size])
    table("Sizes", ("diagram", "XML bytes", "elements", "records", "document bytes"), sizes)
    head = ("step", *(f"{name} ms" for name in SIZES), *(f"{name} µs an element" for name in SIZES))
    elements = {str(row[0]): int(str(row[2])) for row in sizes}
    table(
        "Costs",
        head,
        [
            [
                step,
                *(f"{costs[name][step] * 1e3:.1f}" for name in SIZES),
                *(f"{costs[name][step] * 1e6 / elements[name]:.1f}" for name in SIZES),
            ]
            for step in costs["small"]
        ],
    )
    _updates()
    kept = costs["medium"]["the text of a version (load, view, write)"] <= BUDGET_S
    print(f"\nbudget (text of the medium diagram within {BUDGET_S * 1000:.0f} ms): {'kept' if kept else 'NOT KEPT'}")
    return kept


def _measure(tasks: int, words: int, times: int) -> tuple[dict[str, float], list[object]]:
    text = chart(tasks, words)
    cost: dict[str, float] = {}
    cost["parse XML"], tree = _timed(times, lambda: xml.parse(text))
    cost["import into records"], snapshot = _timed(times, lambda: imports.from_tree(tree))
    cost["seed the document"], update = _timed(times, lambda: document.seed(snapshot, CLIENT))
    cost["load the document"], doc = _timed(times, lambda: document.load([update]))
    cost["read its records"], live = _timed(times, lambda: document.read(doc))
    cost["view (all repair rules)"], view = _timed(times, lambda: repair.view(live))
    cost["write XML"], written = _timed(times, lambda: xml.write(repair.tree(view)))
    cost["whole import over REST (with validation, drawing)"], _ = _timed(
        times, lambda: diagram.from_xml(text, None, CLIENT)
    )
    cost["the text of a version (load, view, write)"], _ = _timed(times, lambda: diagram.text([update]))
    cost["a whole version (text, validation, drawing)"], _ = _timed(times, lambda: diagram.render([update]))
    renamed = text.replace(b'name="step 7"', b'name="another"')
    cost["a save that renames one task"], _ = _timed(
        times, lambda: diagram.edit_towards([update], renamed, None, CLIENT)
    )
    return cost, [len(text), written.count(b"<") - written.count(b"</") - 1, len(live.nodes), len(update)]


def _updates() -> None:
    """Bytes of the updates that edits make, in a document that has seen a few."""
    doc = document.load([document.seed(imports.from_tree(xml.parse(chart(SMALL))), CLIENT)], CLIENT + 1)
    pen = Pen(doc, SMALL, random.Random(1))
    edits: dict[str, Callable[[], bytes]] = {
        "a rename": pen.rename,
        "a move of one shape without flows": lambda: pen.move_alone("Shape_3"),
        "a move of one shape with its two flows": pen.move,
        "a new task with its flow, drawn": pen.draw,
    }
    rows = []
    for name, edit in edits.items():
        lengths = sorted(len(edit()) for _ in range(101))
        rows.append([name, lengths[50], lengths[-1]])
    table("Update sizes", ("edit", "bytes, p50", "bytes, most"), rows)

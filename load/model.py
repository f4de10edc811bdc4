"""What the document model costs on real files, beside bpmn-moddle on the same files in the same run: CPU time, medians.

Bounds: a move of one unconnected shape is an update of at most 100 bytes; view and export of 2,430 elements (C.8.0 of the
MIWG references) take at most 50 ms once the document is loaded; the import of 7,945 elements at most 1 s. Give the files:
`./run bench model FILE...`; without any it is our samples. The import here ends where a document can be loaded from bytes.
"""

import json
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from collab.bpmn import document, imports, repair, summary, xml
from collab.bpmn.records import Change, Snapshot, Value
from collab.workshop import collect_seldom
from load.figures import table

TIMES: Final = 9
MOVE_BYTES: Final = 100
CLIENT: Final = 0x7F00_0001  # a client id as long as a browser's
BOUNDS_MS: Final = {"view and export": (2_500, 50.0), "import": (8_000, 1000.0)}  # up to so many elements, in so long


def _median(work: Callable[[], object]) -> float:
    """CPU milliseconds."""
    found = []
    for _ in range(TIMES):
        began = time.process_time()
        work()
        found.append((time.process_time() - began) * 1000)
    return statistics.median(found)


def run(_seconds: float, files: list[Path]) -> bool:
    """Prints the table; True when all bounds were kept."""
    collect_seldom()  # as in the processes where this work is done
    peers = _moddle(files)
    rows: list[list[object]] = []
    kept = True
    for file, peer in zip(files, peers, strict=True):
        data = file.read_bytes()
        snapshot = imports.from_tree(xml.parse(data))
        doc = document.load([document.seed(snapshot, 1)], CLIENT)
        elements = summary.summarise(xml.parse(data))["elements"]
        took = {
            "import": _median(lambda data=data: document.seed(imports.from_tree(xml.parse(data)), 1)),  # type: ignore[misc]
            "view and export": _median(
                lambda doc=doc: xml.write(repair.tree(repair.view(document.read(doc))))  # type: ignore[misc]
            ),
        }
        moved = _move(doc, snapshot)
        kept = kept and all(elements > most or took[what] <= bound for what, (most, bound) in BOUNDS_MS.items())
        kept = kept and (moved is None or moved <= MOVE_BYTES)
        rows.append(
            [
                file.name, elements, f"{took['import']:.0f}", f"{peer['read']:.0f}" if peer else "–",
                f"{took['view and export']:.1f}", f"{peer['write']:.1f}" if peer else "–",
                "–" if moved is None else moved,
            ]
        )  # fmt: skip
    head = (
        "file",
        "elements",
        "import ms",
        "moddle reads ms",
        "view and export ms",
        "moddle writes ms",
        "bytes of a move",
    )
    table(f"The model on files: CPU, medians of {TIMES}", head, rows)
    print(f"\nbounds: {'kept' if kept else 'NOT KEPT'}")
    return kept


def _move(doc: document.Shared, snapshot: Snapshot) -> int | None:
    """The most bytes that a move of a shape without edges costs; its new place has two decimals."""
    tied = {_led(record, name) for record in snapshot.nodes.values() for name in ("@sourceRef", "@targetRef")}
    most: int | None = None
    for key, record in snapshot.nodes.items():
        bounds = record.get("b")
        if not isinstance(bounds, list) or _led(record, "@bpmnElement") in tied:
            continue
        update = document.write(doc, [Change(key, "b", [*bounds[:2], "1234.56", "789.01", *bounds[4:]])])
        most = max(most or 0, len(update or b""))
    return most


def _led(record: dict[str, Value], name: str) -> str:
    value = record.get(name)
    return str(value["r"]) if isinstance(value, dict) and "r" in value else ""


def _moddle(files: list[Path]) -> list[dict[str, float] | None]:
    node = shutil.which("node")
    if node is None:
        return [None for _ in files]
    script = Path(__file__).with_name("moddle.mjs")
    told = subprocess.run([node, script, str(TIMES), *files], check=True, capture_output=True, text=True)  # noqa: S603 -- our own script
    return [json.loads(line) for line in told.stdout.splitlines()]

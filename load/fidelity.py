"""What comes back of real files: through our documents, and through bpmn-moddle, by one comparison.

Give the files: `./run bench fidelity FILE...`; without any it is our samples. The comparison is the tests' own reader
(tests/interop/infoset.py), to the letter; for bpmn-moddle, which writes prefixes and the XML declaration anew and drops
comments, a second count forgives these. Kept when every file that is not refused comes back the same.
"""

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final
from xml.parsers.expat import ExpatError

from collab.bpmn import diagram
from collab.bpmn.errors import BpmnError
from load.figures import table
from tests.interop.infoset import Event, infoset

AT_ONCE: Final = 100  # files a Node process; a command line has an end


def run(_seconds: float, files: list[Path]) -> bool:
    """Prints the table; True when nothing was lost."""
    ours, peer = Counter[str](), Counter[str]()
    for path, theirs in zip(files, _moddle(files), strict=True):
        data = path.read_bytes()
        try:
            text = diagram.roundtrip(data)[0]
        except BpmnError as error:
            ours[f"refused: {error.rule}"] += 1
            continue
        wanted = infoset(data)
        same = infoset(text) == wanted
        ours["identical" if same else "different"] += 1
        if not same:
            print(f"different: {path}")
        peer[_judged(wanted, theirs)] += 1
    rows = [
        [who, what, many] for who, counts in (("Colane", ours), ("bpmn-moddle", peer)) for what, many in counts.items()
    ]
    table(f"What comes back of {len(files)} files", ("who", "outcome", "files"), rows)
    print(f"\nnothing lost: {'kept' if not ours['different'] else 'NOT KEPT'}")
    return not ours["different"]


def _judged(wanted: list[Event], text: str | None) -> str:
    if text is None:
        return "not read, or not written"
    try:
        got = infoset(text.encode())
    except ExpatError:
        return "written, and not well-formed"
    if got == wanted:
        return "identical"
    return "identical but for comments, prefixes and declarations" if _core(got) == _core(wanted) else "different"


def _core(events: list[Event]) -> list[Event]:
    found = []
    for kind, *rest in events:
        if kind in ("start", "end"):
            name = rest[0].rpartition(":")[2]
            plain = (one.partition("=")[0].rpartition(":")[2] + "=" + one.partition("=")[2] for one in rest[1:])
            kept = zip(rest[1:], plain, strict=True)
            found.append((kind, name, *sorted(two for one, two in kept if not one.startswith("xmlns"))))
        elif kind == "text":
            found.append((kind, rest[0].replace("\0", "")))
    return found


def _moddle(files: list[Path]) -> Iterator[str | None]:
    node = shutil.which("node")
    script = Path(__file__).with_name("moddle.mjs")
    left = iter(files)
    while batch := list(islice(left, AT_ONCE)):
        if node is None:
            yield from (None for _ in batch)
            continue
        told = subprocess.run([node, script, "text", *batch], check=True, capture_output=True, text=True)  # noqa: S603 -- our own script
        yield from (json.loads(line) for line in told.stdout.splitlines())

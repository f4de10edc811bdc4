"""Writes tests/fixtures/vectors: what the view makes of records that merges leave, for Python and TypeScript to agree on.

    python -m tests.bpmn.make_vectors [--fuzz N --seed S --out DIR]

Run after a deliberate change of a rule, and read the difference before it is committed. With --fuzz: random ones, for
comparing the two languages over more than anybody would write down.
"""

import argparse
import json
import random
import re
from pathlib import Path

from collab.bpmn import imports, repair, xml
from collab.bpmn.records import Snapshot
from tests.bpmn.mutate import NAMED, mutated, randomly

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"


def vector(name: str, snapshot: Snapshot) -> dict[str, object]:
    """One vector: the records, and the view as canonical JSON."""
    view = json.loads(repair.canonical(repair.view(snapshot)))
    return {"name": name, "meta": snapshot.meta, "nodes": snapshot.nodes, "view": view}


def write(folder: Path, name: str, snapshot: Snapshot) -> None:
    """One file a vector."""
    file = folder / (re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") + ".json")
    text = json.dumps(vector(name, snapshot), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    file.write_text(text + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fuzz", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=FIXTURES / "vectors")
    parser.add_argument("files", nargs="*", type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if not options.fuzz:
        base = imports.from_tree(xml.parse((FIXTURES / "golden" / "everything.bpmn").read_bytes()))
        for name in NAMED:
            write(options.out, name, mutated(base, name))
        quirky = imports.from_tree(xml.parse((FIXTURES / "golden" / "quirks.bpmn").read_bytes()))
        write(options.out, "a file with faults of its own", quirky)
        return
    rng = random.Random(options.seed)
    print(f"seed {options.seed}")
    files = options.files or sorted((FIXTURES / "golden").glob("*.bpmn"))
    bases = [imports.from_tree(xml.parse(file.read_bytes())) for file in files]
    for number in range(options.fuzz):
        write(options.out, f"fuzz {options.seed} {number}", randomly(rng.choice(bases), rng, rng.randrange(1, 20)))


if __name__ == "__main__":
    main()

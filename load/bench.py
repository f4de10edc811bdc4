"""The benchmarks by name: `./run bench` lists them, `./run bench NAME [--seconds N]` runs one.

Exit code 0 when its budget was kept, 1 when not. A benchmark is a module with `run`; nothing here is part of the tests.
"""

import argparse
import importlib
import inspect
import sys
from pathlib import Path

BENCHMARKS = {
    "health": "p99 of /livez and /readyz while two rooms are busy and large files come and go",
    "documents": "what a diagram costs step by step, by size; sizes of updates",
    "edits": "from an edit to its acknowledgement with two rooms; CPU an edit; memory of open rooms",
    "start": "how long until the server is ready",
    "nodes": "two nodes while the Redis between them is killed and comes back",
    "model": "what import, view, export and moves cost on FILES, beside bpmn-moddle on the same files",
    "fidelity": "how many FILES come back identical, through our documents and through bpmn-moddle",
    "merges": "which stale saves merge by themselves: random pairs of edits over FILES; is every merge what it should be?",
    "peers": "Colane beside Hocuspocus, @y/websocket-server and pycrdt-websocket; see README.md",
    "rest": "100,000 diagrams in 1,000 organizations: time and CPU of each route beside a bare handler, round trips, plans",
    "mix": "50 requests a second on the same 100,000 diagrams for ten minutes: 95th percentile and errors",
    "drain": "SIGTERM with 2,000 sockets and people writing, who come back as stock clients do: lost edits, time, exit code",
    "revoke": "a right taken while its holder writes: until when edits are accepted",
    "outage": "kill -9 of PostgreSQL while people write, 30 times: does it go on by itself, is everything still there?",
    "kill": "kill -9 while people write and scripts save: is everything acknowledged still there?",
}
SECONDS = {"peers": 10.0, "mix": 600.0}  # where it is not 30


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def main() -> int:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(prog="./run bench", description="Benchmarks; each starts a server of its own.")
    parser.add_argument("name", nargs="?", choices=sorted(BENCHMARKS))
    parser.add_argument("--seconds", type=float, help="how long to measure, where that matters (30; peers 10, mix 600)")
    parser.add_argument("files", nargs="*", type=Path, help="BPMN files, for those that work on files; else our own")
    parser.add_argument(
        "--data", type=Path, help="rest, mix: a folder to keep the filled database in, or to find it in"
    )
    peers = parser.add_argument_group("peers")
    peers.add_argument("--points", type=_names, default=(), help="A10,A50,... (all of them)")
    peers.add_argument("--servers", type=_names, default=(), help="colane,hocuspocus,... (the usual ones)")
    peers.add_argument("--repeats", type=int, default=3, help="0 only prints what is in --out")
    peers.add_argument("--retries", type=int, default=2, help="of a run that others disturbed")
    peers.add_argument("--patience", type=float, default=60.0, help="seconds to wait for idle cores before each run")
    peers.add_argument("--out", type=Path, help="JSON lines: added to, and read for the tables")
    options = parser.parse_intermixed_args()
    if options.name is None:
        for name, what in BENCHMARKS.items():
            print(f"  {name:<12}{what}")
        return 0
    run = importlib.import_module(f"load.{options.name}").run
    options.seconds = options.seconds or SECONDS.get(options.name, 30.0)
    options.files = options.files or sorted((Path(__file__).resolve().parents[1] / "collab" / "samples").glob("*.bpmn"))
    _, *more = inspect.signature(run).parameters
    kept = run(options.seconds, **{name: getattr(options, name) for name in more})
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())

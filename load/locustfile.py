"""Load on a running Colane: people editing and pointing over WebSocket, storms of them, scripts over REST.

    ./run load --users 20 --spawn-rate 5 --run-time 60s --token TOKEN [CoEditor Pointer ...]

One file a scenario in load/scenarios/; without names, all of them. The exit code is 1 when a budget was not kept
(load/budgets.toml). Only loopback hosts are accepted, there is no web page, and a run without --run-time ends after two
minutes: a load test that can hit a stranger, or never stops, is an accident waiting.
"""

from typing import Any
from urllib.parse import urlsplit

from locust import events
from locust.env import Environment

from load import budgets
from load.scenarios import soak
from load.scenarios.coedit import CoEditor
from load.scenarios.presence import Pointer
from load.scenarios.read import Reader
from load.scenarios.soak import Watcher
from load.scenarios.storm import Returner
from load.scenarios.write import Saver

__all__ = ["CoEditor", "Pointer", "Reader", "Returner", "Saver", "Watcher"]

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
RUN_TIME = "120s"


@events.init_command_line_parser.add_listener
def _arguments(parser: Any) -> None:
    parser.set_defaults(host="http://127.0.0.1:8000", headless=True, only_summary=True, run_time=RUN_TIME)
    parser.add_argument(
        "--token", env_var="COLANE_TOKEN", default="", is_secret=True, help="an access token of an editor"
    )
    parser.add_argument("--diagrams", type=int, default=5, help="how many diagrams the co-editors share")


@events.init.add_listener
def _only_loopback(environment: Environment, **_: Any) -> None:
    options = environment.parsed_options
    host = urlsplit(environment.host or (options.host if options else "") or "").hostname
    if host not in LOOPBACK:
        raise SystemExit(f"load tests talk to this machine only, not to {host!r}")
    if options is not None and not options.token:
        raise SystemExit("say whose access token to use: --token TOKEN, or COLANE_TOKEN")


@events.quitting.add_listener
def _judge(environment: Environment, **_: Any) -> None:
    if not budgets.kept(environment, soak.figures()):
        environment.process_exit_code = 1

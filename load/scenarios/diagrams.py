"""The diagrams a load run works on: made by us over REST, once a run (the data folder is the run's)."""

import threading

import requests

from load.chart import SMALL, chart

_made: dict[str, list[str]] = {}
_lock = threading.Lock()


def shared_diagrams(host: str, token: str, count: int) -> list[str]:
    """Ids of `count` diagrams that all users of this process share; made on the first call."""
    with _lock:
        if host not in _made:
            _made[host] = [_create(host, token, number) for number in range(count)]
        return _made[host]


def _create(host: str, token: str, number: int) -> str:
    answer = requests.post(
        f"{host}/api/v1/diagrams",
        params={"title": f"Load {number}"},
        data=chart(SMALL),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/xml"},
        timeout=30,
    )
    answer.raise_for_status()
    return str(answer.json()["id"])


def live_text(host: str, token: str, diagram: str) -> str:
    """The XML of what is committed now."""
    answer = requests.get(
        f"{host}/api/v1/diagrams/{diagram}/content",
        params={"version": "live"},
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    )
    answer.raise_for_status()
    return str(answer.text)

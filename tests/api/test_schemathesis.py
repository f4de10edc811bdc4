"""schemathesis over the whole OpenAPI document, against a real server on a real PostgreSQL.

Nothing may answer 5xx, or with a status, body or header that is not described; what is invalid is refused, what is valid is
not. By itself so many requests of one seed, what follows links and any seed with `./run test --long`. The seed is printed.
"""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from collab.bpmn import diagram
from tests.api.conftest import PASSWORD, Client, signed_up
from tests.people import TEXT
from tests.serving import ROOT, Served

LONG = float(os.environ.get("COLANE_LONG_MINUTES") or 0)
SECONDS = int(12 * LONG)  # a fifth of the time there is
# By itself so many requests and no more, whatever the machine is busy with; what is cut off by the clock proves nothing.
BOUND = ["--max-time", str(SECONDS)] if LONG else ["--max-examples", "4", "--phases", "examples,coverage,fuzzing"]
SMALL = (
    '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="urn:x">'
    '<process id="P"><task id="Task_1" name="{}"/></process></definitions>'
)
CONFIG = """
[checks]
# Ours says which refusals a schema cannot describe (tests/api/hooks.py).
positive_data_acceptance.enabled = false
# A deleted diagram can be brought back: that is no use after free.
use_after_free.enabled = false
negative_data_rejection.expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "410", "415", "422", "428"]

[phases.coverage]
generate-duplicate-query-parameters = true
unexpected-methods = ["DELETE", "OPTIONS"]

[generation]
database = "none"
"""


def known(server: Served, ann: Client, bob: Client, seed: int) -> dict[str, Any]:
    """Things that exist, made over REST."""
    http = ann.http

    def made(path: str, body: Any) -> dict[str, Any]:
        answer = http.post(path, json=body)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    project, other = made("/projects", {"name": "Sales"})["id"], made("/orgs", {"name": "Other"})["id"]
    diagrams: dict[str, Any] = {}
    for number in range(4):
        one = ann.diagram(TEXT if number else SMALL.format("zero").encode(), f"Known {number}")
        for version in range(1, 3):
            content = TEXT.replace(b'name="Do"', b'name="%d"' % version)
            http.put(
                f"/diagrams/{one}/content?base_version={version}", content=content, headers={"Content-Type": "text/xml"}
            )
        comment = made(f"/diagrams/{one}/comments", {"text": "Why?", "element_id": "Task_1"})["id"]
        http.put(f"/diagrams/{one}/members", json={"email": bob.email, "role": "viewer"})
        diagrams[one] = {"version": [1, 2, 3], "element_id": ["Task_1", "Lane_1"], "comment_id": [comment]}
    secrets = [
        made(
            f"/orgs/{ann.org_id}/invitations", {"email": f"{name}-{os.urandom(4).hex()}@example.org", "role": "viewer"}
        )["url"].rpartition("/")[2]
        for name in ("emil", "dora")
    ]
    # Somebody who is nowhere else, so that her password may be reset here.
    dora = httpx.post(
        f"{http.base_url}invitations/{secrets.pop()}/accept", json={"name": "Dora", "password": PASSWORD}
    ).json()["user_id"]
    gone = ann.diagram(TEXT, "Deleted")
    http.delete(f"/diagrams/{gone}")
    diagrams[gone] = {"version": [1], "element_id": [], "comment_id": []}
    texts = [SMALL.format(word) for word in ("one", "two", "drei")] + [
        diagram.blank("x").decode(),
        TEXT.decode(),
        "<a/>",
    ]
    return {
        "url": server.url,
        "seed": seed,
        "token": ann.http.headers["Authorization"].removeprefix("Bearer "),
        "own_token": http.get("/tokens").json()["items"][0]["id"],
        "texts": texts,
        "diagrams": diagrams,
        "dora": dora,
        "bob": {"id": bob.user_id, "email": bob.email},
        "path": {
            "org_id": [ann.org_id, other],
            "user_id": [ann.user_id, bob.user_id, dora],
            "project_id": [project],
            "secret": secrets,
        },
        "fields": {
            "org": [ann.org_id, other],
            "project": [project],
            "project_id": [project],
            "version": ["1", "2", "3", "live"],
            "from": ["1", "2", "live"],
            "to": ["3", "live"],
            "base_version": ["3", "3", "3", "3", "1"],  # what their heads are, until one is saved
            "user_id": [bob.user_id],
            "email": [ann.email, bob.email],
            "password": [PASSWORD],
            "bpmn_xml": texts,
            "element_id": ["Task_1", "Lane_1"],
            "mentions": [[bob.user_id], []],
            "update": ["AAA="],
            "epoch": [1],
        },
    }


@pytest.mark.timeout(300 + 3 * SECONDS)
def test_the_document_holds_whatever_is_sent(server: Served, ann: Client, mallory: Client, tmp_path: Path) -> None:
    seed = int(os.environ.get("COLANE_SEED") or (random.SystemRandom().randrange(2**31) if LONG else 1))
    print(f"seed {seed}; COLANE_SEED={seed} repeats it")
    (tmp_path / "known.json").write_text(json.dumps(known(server, ann, signed_up(server, "Bob"), seed)))
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(tmp_path / "schemathesis.toml")),
            *("run", f"{server.url}/openapi.json", "--no-color", "--seed", str(seed), "--workers", "2"),
            *("--header", f"Authorization: {ann.http.headers['Authorization']}"),
            *BOUND,
            *("--continue-on-failure", "--warnings", "off", "--no-shrink", "--request-timeout", "60"),
        ],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.api.hooks",
            "COLANE_KNOWN": str(tmp_path / "known.json"),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=240 + 3 * SECONDS,
    )
    print(ran.stdout[-3000:])
    assert ran.returncode == 0, f"seed {seed}\n{ran.stdout[-20_000:]}\n{ran.stderr[-3000:]}"
    assert '"status":5' not in server.log()

"""What an organization uses, by key, beside what its plan allows."""

from uuid import uuid4

from storage.entitlements import PLANS
from tests.api.conftest import Client, signed_up
from tests.people import TEXT
from tests.serving import Served


def test_usage_counts_what_is_there_and_only_ones_own(server: Served, mallory: Client) -> None:
    dana = signed_up(server, "Dana")

    def used() -> dict[str, int]:
        told = dana.http.get("/usage").json()
        assert (told["org_id"], told["plan"]) == (dana.org_id, "free")
        assert {one["key"] for one in told["items"]} == set(PLANS["free"])
        return {one["key"]: one["used"] for one in told["items"]}

    assert used() == {"diagrams": 0, "people": 1, "versions": 0, "bytes": 0, "ai.generate": None}
    diagram, other = dana.diagram(TEXT), dana.diagram(TEXT)
    now = used()
    assert (now["diagrams"], now["versions"]) == (2, 2)
    assert now["bytes"] > 2 * len(TEXT)
    dana.http.put(f"/diagrams/{diagram}/members", json={"email": mallory.email, "role": "viewer"})
    assert dana.http.delete(f"/diagrams/{other}").status_code == 204
    now = used()
    assert (now["diagrams"], now["people"]) == (1, 2), "guests count, what is deleted does not"
    foreign, unknown = (mallory.http.get("/usage", params={"org": one}) for one in (dana.org_id, str(uuid4())))
    assert (foreign.status_code, foreign.json()["code"]) == (422, "invalid_reference")
    assert foreign.json()["detail"] == unknown.json()["detail"]
    dana.http.close()


def test_every_plan_answers_every_key() -> None:
    assert len({frozenset(one) for one in PLANS.values()}) == 1

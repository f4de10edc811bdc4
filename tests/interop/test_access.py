"""R10 on real sockets: whatever is taken, a right, a token, a session, or its time, what it opened ends, and only that."""

import asyncio
import contextlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from pycrdt import Map
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from collab.wire import messages
from tests.interop.clients import NodeClient, eventually
from tests.interop.raw import Guest, Talk, give, guest, hocuspocus, yws
from tests.interop.test_one_room import DIAGRAM
from tests.serving import Served, served

pytestmark = pytest.mark.timeout(150)
LONG = bool(os.environ.get("COLANE_LONG_MINUTES"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("access") / "data") as running:
        yield running


def works(talk: Talk, key: str) -> bool:
    """An edit of it is acknowledged."""
    talk.edit(key, 1)
    return talk.until(messages.SYNC if talk.name is None else messages.SYNC_STATUS).kind >= 0


def test_R10_an_editor_who_is_made_a_viewer_writes_no_more_and_comes_back_to_read(server: Served) -> None:
    diagram = server.create(DIAGRAM)
    someone = guest(server)
    give(server, diagram, someone, "editor")
    with yws(server, diagram, someone.token) as old, hocuspocus(server, diagram, someone.token) as new:
        assert works(old, "a")
        assert works(new, "b")
        give(server, diagram, someone, "viewer")
        told = new.until(messages.STATELESS)
        assert b'"event":"role"' in told.rest
        assert b'"role":"viewer"' in told.rest
        assert (old.code, new.code) == (4403, 4403)
    with hocuspocus(server, diagram, someone.token) as reader:
        assert set(reader.doc.get("burst", type=Map)) == {"a", "b"}
        reader.edit("c", "forbidden")
        assert reader.code == 4403
    give(server, diagram, someone, "editor")
    with yws(server, diagram, someone.token) as again:
        assert works(again, "d")


def test_R10_a_viewer_who_is_made_an_editor_writes_at_once(server: Served) -> None:
    diagram = server.create(DIAGRAM)
    someone = guest(server)
    give(server, diagram, someone, "viewer")
    with yws(server, diagram, someone.token) as talk:
        give(server, diagram, someone, "editor")
        talk.quiet(0.7)
        assert works(talk, "a")


def test_R10_a_revoked_token_ends_its_sockets_and_no_others(server: Served) -> None:
    diagram = server.create(DIAGRAM)
    headers = {"Authorization": f"Bearer {server.token}"}
    with httpx.Client(base_url=f"{server.url}/api/v1", headers=headers) as http:
        made = http.post("/tokens", json={"name": "short"}).json()
        with (
            yws(server, diagram, made["token"]) as old,
            hocuspocus(server, diagram, made["token"]) as new,
            yws(server, diagram) as other,
        ):
            assert http.delete(f"/tokens/{made['id']}").status_code == 204
            assert (old.code, new.code) == (4401, 4401)
            assert works(other, "a")


def test_R10_who_signs_out_leaves_what_the_cookie_opened(server: Served) -> None:
    diagram = server.create(DIAGRAM)
    someone = guest(server)
    give(server, diagram, someone, "editor")
    headers = {"Cookie": someone.cookie, "Origin": server.url}
    with (
        connect(f"{server.ws}/{diagram}", additional_headers=headers) as one,
        connect(server.ws, additional_headers=headers) as many,
        yws(server, diagram, someone.token) as other,
    ):
        old, new = Talk(one).join(), Talk(many, diagram)
        assert new.sign_in("").rest.startswith(b"\x02"), "by the cookie of the upgrade"
        new.join()
        assert works(old, "a")
        httpx.post(f"{server.url}/api/v1/auth/logout", headers=headers).raise_for_status()
        assert (old.code, new.code) == (4401, 4401)
        assert works(other, "b")


def test_R10_a_token_whose_time_is_over_ends_its_sockets(server: Served) -> None:
    diagram = server.create(DIAGRAM)
    end = datetime.now(UTC) + timedelta(seconds=4)
    with server.http() as http:
        token = http.post("/tokens", json={"name": "brief", "expires_at": end.isoformat()}).json()["token"]
    with yws(server, diagram, token) as old, hocuspocus(server, diagram, token) as new:
        assert works(old, "a")
        assert (old.code, new.code) == (4401, 4401)
    assert datetime.now(UTC) >= end


def test_R10_a_fresh_token_in_band_keeps_a_document_open(server: Served) -> None:
    diagram = server.create(DIAGRAM)
    stranger = guest(server)
    give(server, diagram, stranger, "editor")
    with server.http() as http:
        made = http.post("/tokens", json={"name": "old"}).json()
        with hocuspocus(server, diagram, made["token"]) as talk:
            assert talk.sign_in(stranger.token).rest.startswith(b"\x01"), "somebody else's"
            assert talk.sign_in("nonsense").rest.startswith(b"\x01")
            assert works(talk, "a"), "what was open stays open"
            assert talk.sign_in(server.token).rest == b"\x02\x0aread-write"
            http.delete(f"/tokens/{made['id']}").raise_for_status()
            talk.quiet(0.7)
            assert works(talk, "b"), "the old one is not what it stands on any more"


def ticket(server: Served, diagram: str, **headers: str) -> str:
    with httpx.Client(base_url=f"{server.url}/api/v1", headers={"Origin": server.url, **headers}) as http:
        return str(http.post(f"/diagrams/{diagram}/ticket").raise_for_status().json()["ticket"])


def test_R10_what_a_ticket_opened_ends_with_the_session_it_was_made_in(server: Served) -> None:
    diagram = server.create(DIAGRAM)
    someone = guest(server)
    give(server, diagram, someone, "editor")
    made = [ticket(server, diagram, Cookie=someone.cookie) for _ in range(3)]
    other = ticket(server, diagram, Authorization=f"Bearer {someone.token}")
    with (
        connect(f"{server.ws}/{diagram}?ticket={made[0]}") as one,
        hocuspocus(server, diagram, made[1]) as new,
        hocuspocus(server, diagram, other) as by_token,
    ):
        old = Talk(one).join()
        assert works(old, "a")
        headers = {"Cookie": someone.cookie, "Origin": server.url}
        httpx.post(f"{server.url}/api/v1/auth/logout", headers=headers).raise_for_status()
        assert (old.code, new.code) == (4401, 4401)
        assert works(by_token, "b")
    with (
        pytest.raises(InvalidStatus) as raised,
        connect(f"{server.ws}/{diagram}?ticket={made[2]}"),
    ):
        pass
    assert raised.value.response.status_code == 401, "made before, not yet spent"


def test_R10_what_a_ticket_opened_ends_with_the_token_it_was_made_with(server: Served) -> None:
    diagram = server.create(DIAGRAM)
    end = datetime.now(UTC) + timedelta(seconds=4)
    with server.http() as http:
        made = http.post("/tokens", json={"name": "short"}).json()
        brief = http.post("/tokens", json={"name": "brief", "expires_at": end.isoformat()}).json()["token"]
        bearer = {"Authorization": f"Bearer {made['token']}"}
        with (
            hocuspocus(server, diagram, ticket(server, diagram, **bearer)) as deleted,
            hocuspocus(server, diagram, ticket(server, diagram, Authorization=f"Bearer {brief}")) as expired,
        ):
            http.delete(f"/tokens/{made['id']}").raise_for_status()
            assert deleted.code == 4401
            assert works(expired, "a")
            assert expired.code == 4401
    assert datetime.now(UTC) >= end


def test_R10_a_read_token_opens_a_document_to_read_it(server: Served) -> None:
    diagram = server.create(DIAGRAM)
    with server.http() as http:
        token = http.post("/tokens", json={"name": "reads", "scopes": ["read"]}).json()["token"]
    with yws(server, diagram, token) as old:
        old.edit("a", "forbidden")
        assert old.code == 4403
    spent = ticket(server, diagram, Authorization=f"Bearer {token}")
    with connect(server.ws) as socket:
        new = Talk(socket, diagram)
        assert new.sign_in(spent).rest == b"\x02\x08readonly"
        new.join().edit("a", "forbidden")
        assert new.code == 4403
    with hocuspocus(server, diagram) as talk:
        assert works(talk, "a")
        assert talk.sign_in(token).rest == b"\x02\x08readonly", "a lesser credential in place of the first"
        assert talk.code == 4403


def member(server: Served, role: str) -> tuple[Guest, str]:
    """Somebody of the owner's organization, and the path that says so."""
    someone = guest(server)
    with server.http() as owner:
        org = owner.get("/orgs").json()["items"][0]["id"]
        owner.post(f"/orgs/{org}/members", json={"email": someone.email, "role": role}).raise_for_status()
    return someone, f"/orgs/{org}/members/{someone.id}"


def test_R10_a_lower_role_in_the_organization_and_none_at_all_reach_open_documents(server: Served) -> None:
    diagram, private = server.create(DIAGRAM), server.create(DIAGRAM)
    someone, path = member(server, "admin")
    with server.http() as owner:
        with (
            yws(server, diagram, someone.token) as old,
            hocuspocus(server, diagram, ticket(server, diagram, Cookie=someone.cookie)) as new,
            yws(server, private, someone.token) as hidden,
        ):
            assert works(old, "a")
            assert works(new, "b")
            owner.patch(f"/diagrams/{private}", json={"visibility": "private"}).raise_for_status()
            assert hidden.code == 4403
            assert works(old, "c")
            owner.patch(path, json={"role": "commenter"}).raise_for_status()
            assert (old.code, new.code) == (4403, 4403)
        with yws(server, diagram, someone.token) as reader:
            owner.delete(path).raise_for_status()
            assert reader.code == 4403
    with pytest.raises(InvalidStatus) as raised, yws(server, diagram, someone.token):
        pass
    assert raised.value.response.status_code == 404


def test_R10_a_link_to_a_new_password_ends_what_the_old_one_opened(server: Served) -> None:
    diagram = server.create(DIAGRAM)
    someone, path = member(server, "editor")
    headers = {"Cookie": someone.cookie, "Origin": server.url}
    with (
        connect(f"{server.ws}/{diagram}", additional_headers=headers) as one,
        hocuspocus(server, diagram, ticket(server, diagram, Cookie=someone.cookie)) as by_ticket,
        server.http() as owner,
    ):
        by_cookie = Talk(one).join()
        assert works(by_ticket, "a")
        owner.post(f"{path}/reset-link").raise_for_status()
        assert (by_cookie.code, by_ticket.code) == (4401, 4401)


def shared(server: Served, diagram: str, **wanted: Any) -> tuple[str, str]:
    """A new link's id and secret."""
    with server.http() as http:
        made = http.post(f"/diagrams/{diagram}/share-links", json=wanted).raise_for_status().json()
        return made["id"], made["url"].rpartition("/")[2]


def visit(server: Served, secret: str) -> str:
    """Somebody opens a link without signing in: their cookie."""
    opened = httpx.post(f"{server.url}/api/v1/share-links/{secret}/open").raise_for_status()
    return f"colane_session={opened.cookies['colane_session']}"


def unshare(server: Served, diagram: str, made: str) -> None:
    with server.http() as http:
        http.delete(f"/diagrams/{diagram}/share-links/{made}").raise_for_status()


def test_R10_a_deleted_link_ends_what_it_opened_and_nothing_else(server: Served) -> None:
    diagram = server.create(DIAGRAM)
    someone, member = guest(server), guest(server)
    give(server, diagram, member, "viewer")
    made, secret = shared(server, diagram, role="editor")
    _, open_to_all = shared(server, diagram, role="viewer")
    for one in (someone, member):
        bearer = {"Authorization": f"Bearer {one.token}"}
        httpx.post(f"{server.url}/api/v1/share-links/{secret}/open", headers=bearer).raise_for_status()
    cookie = visit(server, open_to_all)
    with (
        yws(server, diagram, someone.token) as old,
        hocuspocus(server, diagram, member.token) as new,
        connect(f"{server.ws}/{diagram}", additional_headers={"Cookie": cookie, "Origin": server.url}) as raw,
        hocuspocus(server, diagram, ticket(server, diagram, Cookie=cookie)) as by_ticket,
    ):
        visitor = Talk(raw).join()
        assert works(old, "a")
        assert works(new, "b")
        unshare(server, diagram, made)
        assert (old.code, new.code) == (4403, 4403), "the second comes back as the viewer they are"
        visitor.until(messages.SYNC)
        by_ticket.until(messages.SYNC)
        visitor.edit("c", "forbidden")
        assert visitor.code == 4403
        by_ticket.quiet(0.2)
    with yws(server, diagram, member.token) as reader:
        assert set(reader.doc.get("burst", type=Map)) == {"a", "b"}
    with pytest.raises(InvalidStatus) as raised, yws(server, diagram, someone.token):
        pass
    assert raised.value.response.status_code == 404


def test_R10_a_visitor_is_out_when_the_link_is_deleted(server: Served) -> None:
    diagram, other = server.create(DIAGRAM), server.create(DIAGRAM)
    made, secret = shared(server, diagram, role="viewer")
    cookie = visit(server, secret)
    headers = {"Cookie": cookie, "Origin": server.url}
    with pytest.raises(InvalidStatus) as raised, connect(f"{server.ws}/{other}", additional_headers=headers):
        pass
    assert raised.value.response.status_code == 404, "another diagram of the same organization"
    unused = ticket(server, diagram, Cookie=cookie)
    with (
        connect(f"{server.ws}/{diagram}", additional_headers=headers) as raw,
        hocuspocus(server, diagram, ticket(server, diagram, Cookie=cookie)) as by_ticket,
    ):
        by_cookie = Talk(raw).join()
        unshare(server, diagram, made)
        assert (by_cookie.code, by_ticket.code) == (4401, 4401)
    for place, more in ((f"{server.ws}/{diagram}", headers), (f"{server.ws}/{diagram}?ticket={unused}", {})):
        with pytest.raises(InvalidStatus) as raised, connect(place, additional_headers=more):
            pass
        assert raised.value.response.status_code == 401


def test_R10_a_link_whose_time_is_over_ends_what_it_opened(server: Served) -> None:
    diagram = server.create(DIAGRAM)
    someone, member = guest(server), guest(server)
    give(server, diagram, member, "viewer")
    end = datetime.now(UTC) + timedelta(seconds=4)
    _, secret = shared(server, diagram, role="editor", expires_at=end.isoformat())
    _, open_to_all = shared(server, diagram, role="viewer", expires_at=end.isoformat())
    for one in (someone, member):
        bearer = {"Authorization": f"Bearer {one.token}"}
        httpx.post(f"{server.url}/api/v1/share-links/{secret}/open", headers=bearer).raise_for_status()
    with (
        yws(server, diagram, someone.token) as old,
        hocuspocus(server, diagram, member.token) as new,
        hocuspocus(server, diagram, ticket(server, diagram, Cookie=visit(server, open_to_all))) as visitor,
    ):
        assert works(old, "a")
        assert works(new, "b")
        assert (old.code, new.code, visitor.code) == (4403, 4403, 4401)
        assert datetime.now(UTC) - end < timedelta(seconds=10), "not found by the minute's look"
    assert datetime.now(UTC) >= end


@pytest.mark.node
def test_the_stock_provider_hears_of_each_event(server: Served) -> None:
    diagram = server.create(DIAGRAM)
    someone = guest(server)
    give(server, diagram, someone, "editor")
    with (
        NodeClient("hocuspocus").connect(server, diagram) as owner,
        NodeClient("hocuspocus") as client,
        server.http() as http,
    ):
        client.ask("connect", "connecting", protocol="hocuspocus", url=server.ws, name=diagram, token=someone.token)
        client.wait_for("synced")
        client.ask("set", "done", key="Task_1", register="@name", value="two")
        eventually("it is saved", lambda: client.ask("unsynced", "value")["value"] == 0)
        http.post(f"/diagrams/{diagram}/versions", json={"name": "now"}).raise_for_status()
        version = client.wait_for("stateless")["payload"]
        assert (version["event"], version["diagram"]) == ("version", diagram)
        give(server, diagram, someone, "viewer")
        role = client.wait_for("stateless")["payload"]
        assert role == {"event": "role", "diagram": diagram, "role": "viewer"}
        owner.wait_for("stateless")
        http.delete(f"/diagrams/{diagram}").raise_for_status()
        assert owner.wait_for("stateless")["payload"] == {"event": "deleted", "diagram": diagram}
    last = server.create(DIAGRAM)
    with NodeClient("hocuspocus").connect(server, last) as client:
        server.stop()
        assert client.wait_for("stateless")["payload"] == {"event": "drain", "diagram": last}
        client.wait_for("closed", code=4500)
        server.start()
        client.wait_for("synced", 30)


@pytest.mark.skipif(not LONG, reason="takes a minute: only with ./run test --long")
def test_R10_what_no_event_told_is_found_within_a_minute(server: Served) -> None:
    diagram = server.create(DIAGRAM)
    someone = guest(server)
    give(server, diagram, someone, "editor")
    with yws(server, diagram, someone.token) as talk:

        async def remove() -> None:
            conn = await asyncpg.connect(server.database("postgres"))
            await conn.execute("DELETE FROM colane.diagram_members")
            await conn.close()

        asyncio.run(remove())
        for _ in range(7):  # a client that is being listened to
            with contextlib.suppress(TimeoutError, ConnectionClosed):
                talk.next(10)
        assert talk.code == 4403

"""What XML and JSON can be made to do to a server, over REST: every trick gets its typed answer, and memory stays bounded.

Each body goes to the three routes that read XML. What is refused leaves nothing behind; what is data is kept to the letter.
"""

import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.conftest import Client
from tests.serving import Served

ROOT = '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="urn:x">'
GOOD = f'{ROOT}<process id="P"><task id="T" name="{{}}"/></process></definitions>'
MIB = 1024 * 1024
GROWTH = 500 * MIB  # of all processes of the server together, at their highest


def inside(text: str) -> bytes:
    return f"{ROOT}{text}</definitions>".encode()


def ten(number: int) -> str:
    return f"&l{number};" * 10


LAUGHS = "<!ENTITY l0 'lol'>" + "".join(f"<!ENTITY l{n} '{ten(n - 1)}'>" for n in range(1, 10))
CASES: dict[str, tuple[bytes, str, int, str, str | None]] = {
    "a bare DOCTYPE": (b"<!DOCTYPE definitions>" + inside(""), "", 422, "xml_forbidden", "doctype"),
    "a DOCTYPE after a comment": (b"<!-- x --><?y z?>\n<!DOCTYPE d>" + inside(""), "", 422, "xml_forbidden", "doctype"),
    "an external DTD": (
        b'<!DOCTYPE d SYSTEM "http://127.0.0.1:9/x.dtd">' + inside(""), "", 422, "xml_forbidden", "doctype"
    ),
    "an external entity": (
        b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + inside("&x;"), "", 422, "xml_forbidden", "doctype"
    ),
    "a parameter entity": (
        b'<!DOCTYPE d [<!ENTITY % x SYSTEM "file:///etc/passwd"> %x;]>' + inside(""), "", 422, "xml_forbidden", "doctype"
    ),
    "a billion laughs": (f"<!DOCTYPE d [{LAUGHS}]>{ROOT}&l9;</definitions>".encode(), "", 422, "xml_forbidden", "doctype"),
    "quadratic growth": (
        f"<!DOCTYPE d [<!ENTITY a '{'a' * 50_000}'>]>{ROOT}{'&a;' * 50_000}</definitions>".encode(),
        "", 422, "xml_forbidden", "doctype",
    ),
    "a DOCTYPE in UTF-16": (
        f'<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE d>{ROOT}</definitions>'.encode("utf-16"),
        "", 422, "xml_forbidden", "doctype",
    ),
    "an entity nobody defined": (inside("&nbsp;"), "", 422, "xml_forbidden", "entity"),
    "UTF-7 that spells a DOCTYPE": (
        b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE d+AD4-' + inside(""), "", 422, "invalid_bpmn", "encoding"
    ),
    "a charset nobody reads": (inside(""), "utf-32", 422, "invalid_bpmn", "encoding"),
    "a charset that is a codec of another kind": (inside(""), "zlib", 422, "invalid_bpmn", "encoding"),
    "a charset that is no word": (inside(""), "%00../x", 422, "invalid_bpmn", "encoding"),
    "bytes that are not in the charset": (inside("").replace(b"urn:x", b"\xc3\xbc"), "us-ascii", 422, "invalid_bpmn", "encoding"),
    "broken UTF-8": (inside("<process id='\xc3'/>").replace(b"\xc3\x83", b"\xc3"), "", 422, "invalid_bpmn", "malformed"),
    "a NUL by number": (inside("<process id='&#0;'/>"), "", 422, "invalid_bpmn", "malformed"),
    "an attribute twice": (inside("<process id='a' id='b'/>"), "", 422, "invalid_bpmn", "malformed"),
    "two roots": (inside("") * 2, "", 422, "invalid_bpmn", "malformed"),
    "nothing": (b"", "", 422, "invalid_bpmn", "malformed"),
    "another root": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "", 422, "invalid_bpmn", "root"),
    "our root in another namespace": (b"<definitions xmlns='urn:y'/>", "", 422, "invalid_bpmn", "root"),
    "a million empty elements": (inside("<p/>" * 1_000_000), "", 413, "too_large", "size"),
    "one element too many": (inside("<p/>" * 50_000), "", 413, "too_large", "size"),
    "too deep": (inside("<p>" * 200 + "</p>" * 200), "", 413, "too_large", "size"),
    "deep enough for any stack": (inside("<p>" * 400_000), "", 413, "too_large", "size"),
    "too many attributes": (
        inside("<p" + "".join(f" a{n}='x'" for n in range(1_001)) + "/>"), "", 413, "too_large", "size"
    ),
    "a huge attribute": (inside(f"<p a='{'x' * (MIB + 1)}'/>"), "", 413, "too_large", "size"),
    "a huge text": (inside(f"<p>{'x' * (MIB + 1)}</p>"), "", 413, "too_large", "size"),
    "a huge text in pieces": (inside(f"<p>{'xxxxxxxx&amp;<![CDATA[y]]>' * 120_000}</p>"), "", 413, "too_large", "size"),
    "a byte too many": (inside("")[:-1].ljust(5 * MIB) + b">", "", 413, "too_large", None),
}  # fmt: skip


def resident(pid: int) -> int:
    """The most memory that a process and its descendants held, without those of PostgreSQL; each at its own highest."""
    total = 0
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        try:
            lines = dict(line.split(":", 1) for line in Path(f"/proc/{one}/status").read_text().splitlines())
        except OSError:
            continue
        if lines["Name"].strip() != "postgres":
            waiting += parents.get(one, [])
            total += int(lines.get("VmHWM", "0 kB").split()[0]) * 1024
    return total


@pytest.fixture(scope="module")
def watched(server: Served, ann: Client) -> Iterator[None]:
    """The memory of the server over all of these tests."""
    assert server.process is not None
    ann.diagram(GOOD.format("warm").encode())
    before = resident(server.process.pid)
    yield
    grown = resident(server.process.pid) - before
    print(f"at their highest the processes held {grown / MIB:.0f} MiB more")
    assert grown < GROWTH
    assert httpx.get(f"{server.url}/livez").status_code == 200


@pytest.mark.parametrize("name", CASES)
@pytest.mark.usefixtures("watched")
def test_a_trick_gets_its_typed_answer_and_leaves_nothing(ann: Client, name: str) -> None:
    body, charset, status, code, rule = CASES[name]
    kind = {"Content-Type": f"application/xml; charset={charset}" if charset else "application/xml"}
    diagram = ann.diagram(GOOD.format("before").encode())
    started = time.monotonic()
    for method, path in (
        ("POST", "/validate"),
        ("POST", "/diagrams?title=trick"),
        ("PUT", f"/diagrams/{diagram}/content?base_version=1"),
    ):
        answer = ann.http.request(method, path, content=body, headers=kind)
        told = answer.json()
        assert (answer.status_code, told["code"]) == (status, code), f"{path}: {told['detail']}"
        assert rule is None or [one["rule"] for one in told["errors"]] == [rule]
        assert 10 < len(told["detail"]) < 300
        assert "passwd" not in answer.text
    assert time.monotonic() - started < 60, "a request has 20 seconds, whatever it brings"
    assert ann.http.get(f"/diagrams/{diagram}").json()["version"] == 1
    assert ann.http.get("/diagrams", params={"q": "trick"}).json()["items"] == []


def test_what_only_looks_like_a_command_is_data(ann: Client) -> None:
    """Processing instructions, XInclude, schema locations: nobody acts on them, and they come back to the letter."""
    text = (
        '<?xml version="1.0"?>\n<?xml-stylesheet type="text/xsl" href="http://127.0.0.1:9/x.xsl"?>\n'
        + ROOT.replace(
            "targetNamespace",
            'xmlns:xi="http://www.w3.org/2001/XInclude" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
            ' xsi:schemaLocation="http://www.omg.org/spec/BPMN/20100524/MODEL file:///etc/passwd" targetNamespace',
        )
        + '<process id="P"><extensionElements><xi:include href="file:///etc/passwd" parse="text"/></extensionElements>'
        "<?php system('id'); ?></process></definitions>"
    ).encode()
    diagram = ann.diagram(text)
    kept = ann.http.get(f"/diagrams/{diagram}/content")
    assert kept.content == text
    assert kept.headers["content-disposition"].startswith("attachment")
    assert kept.headers["content-security-policy"].startswith("sandbox")
    live = ann.http.get(f"/diagrams/{diagram}/content?version=live").text
    assert "file:///etc/passwd" in live
    assert "root:" not in live
    listed = json.loads(ann.http.get(f"/diagrams/{diagram}/export?format=json").content)
    assert [one["id"] for one in listed["elements"]] == ["P"]


@pytest.mark.parametrize(
    ("kind", "coding", "body"),
    [
        ("application/xml", "gzip", gzip.compress(b" " * 20 * MIB)),
        ("application/xml", "deflate", b"x"),
        ("multipart/form-data; boundary=x", "identity", b"--x--"),
        ("application/x-www-form-urlencoded", "identity", b"a=b"),
        ("application/json+x", "identity", b"{}"),
        ("", "identity", inside("")),
    ],
    ids=["a bomb", "deflate", "multipart", "form", "a type like JSON", "no type"],
)
def test_what_is_packed_or_of_another_kind_is_not_opened(ann: Client, kind: str, coding: str, body: bytes) -> None:
    headers = {"Content-Encoding": coding, "Content-Type": kind} if kind else {"Content-Encoding": coding}
    answer = ann.http.post("/validate", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 200_000, 400),
        (b'{"bpmn_xml":' * 50_000, 400),
        (b'{"bpmn_xml": "\\ud800"}', 400),
        (b'{"bpmn_xml": "\xff"}', 400),
        (b'{"bpmn_xml": NaN}', 400),
        (b'{"bpmn_xml": ' + b"9" * 100_000 + b"}", 400),
        (b'{"bpmn_xml": "' + b"x" * (12 * MIB) + b'"}', 413),
        (b'{"bpmn_xml": "' + b"x" * (6 * MIB) + b'"}', 413),
    ],
    ids=[
        "deep",
        "deep objects",
        "half a character",
        "no UTF-8",
        "NaN",
        "a long number",
        "over 12 MiB",
        "over 5 MiB of XML",
    ],
)
def test_json_has_its_limits_too(ann: Client, body: bytes, status: int) -> None:
    answer = ann.http.post("/validate", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text[:300]


def test_a_body_of_unknown_length_is_counted_as_it_comes(ann: Client) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(24):
            yield b" " * MIB

    answer = ann.http.post("/validate", content=endless(), headers={"Content-Type": "application/xml"})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")

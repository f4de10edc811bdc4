"""One trace leads from a save over REST through the outbox to the read model, and every log line of it has one request id."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.api.conftest import Client, signed_up
from tests.interop.clients import eventually
from tests.people import TEXT
from tests.serving import Served, served

CALLER = "4bf92f3577b34da6a3ce929d0e0e4736"


@dataclass(frozen=True)
class Span:
    """What a collector is told of a span."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, Any]


@dataclass
class Collector:
    """An OTLP collector that keeps what it is sent."""

    port: int = 0
    spans: list[Span] = field(default_factory=list)

    def of(self, trace: str) -> dict[str, Span]:
        return {one.name: one for one in list(self.spans) if one.trace == trace}

    def took(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = next(one.value.string_value for one in resource.resource.attributes if one.key == "service.name")
            for scope in resource.scope_spans:
                for one in scope.spans:
                    said = {kept.key: kept.value.string_value or kept.value.int_value for kept in one.attributes}
                    ids = one.trace_id.hex(), one.span_id.hex(), one.parent_span_id.hex()
                    self.spans.append(Span(service, one.name, *ids, said))


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.took(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        collector.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield collector
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Client, Collector]]:
    folder: Path = tmp_path_factory.mktemp("trace")
    with collecting() as collector:
        settings = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.port}",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        with served(folder / "data", **settings) as server:
            client = signed_up(server, "Ann")
            yield server, client, collector
            client.http.close()


def lines(server: Served, **wanted: str) -> list[dict[str, Any]]:
    told = [json.loads(line) for line in server.log().splitlines() if line.startswith("{")]
    return [line for line in told if all(line.get(name) == value for name, value in wanted.items())]


def test_one_trace_from_the_save_to_the_read_model(traced: tuple[Served, Client, Collector]) -> None:
    server, ann, collector = traced
    diagram = ann.diagram(TEXT)
    eventually("it is in", lambda: ann.http.get("/search", params={"q": "inner"}).json()["items"])
    changed = TEXT.replace(b'name="Inner"', b'name="Traced"')
    headers = {
        "Content-Type": "application/xml",
        "X-Request-Id": "the-save",
        "traceparent": f"00-{CALLER}-00f067aa0ba902b7-01",
    }
    saved = ann.http.put(f"/diagrams/{diagram}/content", params={"base_version": 1}, content=changed, headers=headers)
    assert saved.status_code == 200, saved.text
    names = {
        "PUT /api/v1/diagrams/{diagram_id}/content",
        "version.create handle",
        "readmodels.read",
        "readmodels.write",
    }
    eventually("all of it is told", lambda: names <= collector.of(CALLER).keys())
    spans = collector.of(CALLER)
    request, handled = spans["PUT /api/v1/diagrams/{diagram_id}/content"], spans["version.create handle"]
    assert request.parent == "00f067aa0ba902b7"
    assert handled.parent == request.id
    assert spans["readmodels.read"].parent == spans["readmodels.write"].parent == handled.id
    assert (request.service, handled.service, spans["readmodels.write"].service) == (
        "colane",
        "colane-worker",
        "colane-worker",
    )
    assert request.attributes["request_id"] == handled.attributes["request_id"] == "the-save"
    assert request.attributes["http.response.status_code"] == 200
    assert [one["element_id"] for one in ann.http.get("/search", params={"q": "traced"}).json()["items"]] == ["Task_2"]
    # In the logs of both processes: by the trace one finds the request, and by the request the trace.
    by_trace = lines(server, trace_id=CALLER)
    assert {"request", "outbox.handled"} <= {line["event"] for line in by_trace}
    assert {line["request_id"] for line in by_trace} == {"the-save"}
    assert {line["trace_id"] for line in lines(server, request_id="the-save")} == {CALLER}


def test_a_request_without_a_trace_begins_one(traced: tuple[Served, Client, Collector]) -> None:
    server, ann, collector = traced
    made = ann.http.post("/diagrams", json={"title": "New"}, headers={"X-Request-Id": "the-start"})
    assert made.status_code == 201
    eventually("it is logged to its end", lambda: lines(server, request_id="the-start", event="outbox.handled"))
    (trace,) = {line["trace_id"] for line in lines(server, request_id="the-start")}
    assert trace.strip("0")
    eventually("it is told", lambda: {"POST /api/v1/diagrams", "diagram.create handle"} <= collector.of(trace).keys())
    assert collector.of(trace)["POST /api/v1/diagrams"].parent == ""


@pytest.mark.parametrize("bad", ["", "00-zz-yy-01", f"00-{'0' * 32}-00f067aa0ba902b7-01", "x" * 5000])
def test_a_trace_that_is_none_is_not_taken(traced: tuple[Served, Client, Collector], bad: str) -> None:
    server, ann, _ = traced
    name = f"bad-{abs(hash(bad))}"
    assert ann.http.get("/me", headers={"traceparent": bad, "X-Request-Id": name}).status_code == 200
    eventually("it is logged", lambda: lines(server, request_id=name, event="request"))
    (line,) = lines(server, request_id=name, event="request")
    assert len(line["trace_id"]) == 32
    assert line["trace_id"].strip("0")

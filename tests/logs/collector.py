"""A collector that takes lines by OTLP over HTTP, on loopback, and shows what it was told."""

import gzip
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

PATIENCE = 60.0
"""Seconds after which a test that waits for something has failed."""


class Collector:
    """What arrived: `bodies` as sent but for their compression, `lines` as people log them.

    While `open` is not set no request is answered; `status` is what they are answered with.
    """

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.status = 200
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.arrived: queue.Queue[dict[str, Any]] = queue.Queue()
        self.url = ""

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Every line so far, as in the log's own files."""
        return [line for body in list(self.bodies) for line in _lines(body)]

    def line(self) -> dict[str, Any]:
        """The next line, waited for."""
        return self.arrived.get(timeout=PATIENCE)

    def take(self, body: bytes, headers: dict[str, str]) -> int:
        """What to answer a request with, once it may be answered."""
        body = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
        self.bodies.append(body)
        self.headers.append(headers)
        for line in _lines(body):
            self.arrived.put(line)
        self.open.wait(PATIENCE)
        return self.status


@contextmanager
def collector() -> Iterator[Collector]:
    """One that listens on a port of its own until the end."""
    made = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = made.take(body, {k.lower(): v for k, v in self.headers.items()})
            answer = ExportLogsServiceResponse().SerializeToString()
            self.send_response(status)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Not on the tests' own output."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A sender that hung up is no news."""

    with Server(("127.0.0.1", 0), Handler) as server:
        made.url = f"http://127.0.0.1:{server.server_address[1]}/v1/logs"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield made
        finally:
            made.open.set()
            server.shutdown()
            thread.join()


def _lines(body: bytes) -> list[dict[str, Any]]:
    told = ExportLogsServiceRequest.FromString(body)
    found = []
    for resource in told.resource_logs:
        who = _fields(resource.resource.attributes)
        for scope in resource.scope_logs:
            for record in scope.log_records:
                own = {
                    "nanoseconds": record.time_unix_nano,
                    "severity": record.severity_number,
                    "log.level": record.severity_text,
                    "message": _plain(record.body),
                    "event": record.event_name,
                }
                found.append(who | own | _fields(record.attributes))
    return found


def _fields(given: Any) -> dict[str, Any]:
    pairs: list[KeyValue] = list(given)
    return {pair.key: _plain(pair.value) for pair in pairs}


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_plain(each) for each in value.array_value.values]
    if kind == "kvlist_value":
        return _fields(value.kvlist_value.values)
    return getattr(value, kind)

"""Lines to a collector by OTLP over HTTP, from a thread of their own. Needs the extra `otlp`."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Thread

import orjson
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import (
    BatchLogRecordProcessor,
    LogRecordExporter,
    LogRecordExportResult,
)
from opentelemetry.sdk.resources import Resource

from daemon.logs.repeats import Line

WAITING = 2_048
"""Lines that wait for the collector at most, those being sent included."""
BATCH = 512
PERIOD_MS = 1_000
"""How long a line waits for others to be sent with it."""
ANSWER = 10.0
"""Seconds that a batch has, with all its tries."""
FAREWELL = 3.0
"""Seconds that the lines still waiting have at the end."""

_SEVERITIES = {
    "debug": SeverityNumber.DEBUG,
    "info": SeverityNumber.INFO,
    "warning": SeverityNumber.WARN,
    "error": SeverityNumber.ERROR,
    "critical": SeverityNumber.FATAL,
}
_ELSEWHERE = frozenset({"@timestamp", "log.level", "message"})
"""Fields that a record has places of its own for; those of the resource come on top."""
_START = datetime(1970, 1, 1, tzinfo=UTC)
_LIBRARIES = ("opentelemetry", "urllib3")


class OtlpOutlet:
    """Lines for the collector at `endpoint`, the whole URL. `resource` are fields of every line.

    `write` never waits: it hands over the text, and the thread makes the record of it. What the
    text lacks, redaction having taken it out, is in no record.
    """

    name = "otlp"

    def __init__(
        self,
        endpoint: str,
        resource: Line,
        *,
        waiting: int = WAITING,
        answer: float = ANSWER,
        farewell: float = FAREWELL,
    ) -> None:
        for library in _LIBRARIES:
            # Their complaints about a line would come back here as lines.
            logger = logging.getLogger(library)
            logger.propagate = False
            logger.addHandler(logging.NullHandler())
        self._waiting = waiting
        self._farewell = farewell
        self._taken = 0
        self._exporter = _Exporter(endpoint, frozenset(resource), answer)
        self._provider = LoggerProvider(Resource(dict(resource)), shutdown_on_exit=False)
        self._provider.add_log_record_processor(
            BatchLogRecordProcessor(
                self._exporter,
                schedule_delay_millis=PERIOD_MS,
                max_export_batch_size=min(BATCH, waiting),
                max_queue_size=waiting,
            )
        )
        self._logger = self._provider.get_logger(str(resource.get("service.name", "")))

    def write(self, text: str, _line: Line) -> None:
        """Hand over one line of JSON; raises `OSError` when too many wait already."""
        if self._taken - self._exporter.done >= self._waiting:
            raise BlockingIOError("the collector is too slow")
        self._logger.emit(LogRecord(body=text))
        self._taken += 1

    def lost(self) -> int:
        """Lines that were taken and that the collector did not take."""
        return self._exporter.lost

    def close(self) -> None:
        """Send what waits, for as long as `farewell` allows, and end the thread."""
        ending = Thread(target=self._provider.shutdown, name="otlp end", daemon=True)
        ending.start()
        ending.join(self._farewell)
        if ending.is_alive():
            self._exporter.shutdown()


class _Exporter(LogRecordExporter):
    """Makes records of texts and sends them, in the thread of the processor; counts both ends."""

    def __init__(self, endpoint: str, elsewhere: frozenset[str], answer: float) -> None:
        self._sender = OTLPLogExporter(
            endpoint=endpoint, timeout=answer, compression=Compression.Gzip
        )
        self._elsewhere = _ELSEWHERE | elsewhere
        self._ended = False
        self.done = 0
        self.lost = 0

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Send a batch, trying again while its time lasts."""
        result = LogRecordExportResult.FAILURE
        try:
            result = self._sender.export([self._record(each) for each in batch])
        finally:
            if result is not LogRecordExportResult.SUCCESS:
                self.lost += len(batch)
            self.done += len(batch)
        return result

    def shutdown(self) -> None:
        """Give up what is being sent."""
        if not self._ended:
            self._ended = True
            self._sender.shutdown()  # type: ignore[no-untyped-call]

    def force_flush(self, timeout_millis: int = 0) -> bool:
        """Nothing waits here."""
        return True

    def _record(self, handed: ReadableLogRecord) -> ReadableLogRecord:
        text = str(handed.log_record.body)
        try:
            line = orjson.loads(text)
        except orjson.JSONDecodeError:
            # What was taken out of the line may have been a part of its form.
            return handed
        at = datetime.fromisoformat(line["@timestamp"]) - _START
        level = line["log.level"]
        record = LogRecord(
            timestamp=at // timedelta(microseconds=1) * 1_000,
            observed_timestamp=at // timedelta(microseconds=1) * 1_000,
            severity_number=_SEVERITIES.get(level),
            severity_text=level,
            body=line["message"],
            event_name=line["event.name"],
            attributes={
                name: value
                for name, value in line.items()
                if value is not None and name not in self._elsewhere
            },
        )
        return replace(handed, log_record=record)

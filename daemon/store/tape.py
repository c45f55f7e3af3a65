"""The tape: every message of the stream as it came, with the instant of its receipt.

Recording never waits for the disk and never raises; a crash costs what was not written yet.
"""

import os
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple

import structlog
from pydantic import BaseModel, ConfigDict, Field

from daemon.core.calendar import KST
from daemon.store.locks import PRIVATE_FILE, PRIVATE_FOLDER, private_folder
from daemon.store.tapefile import GZIP, frame_line, lost_line, tape_path, tapes_by_day

LEVEL = 4
"""Of zlib: half the time of its usual 6 for a tenth more on the disk."""

WRITE_EVERY = 1.0
"""Seconds between two writes: about what a crash may cost."""

CLOSE_PATIENCE = 2.0
"""Seconds a closing tape may keep the daemon from ending."""

MIB = 1024 * 1024

_PIECE = 32 * 1024
_BLOCK = 256 * 1024
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
_DAY = timedelta(days=1)

log = structlog.get_logger("tape")


class TapeSettings(BaseModel):
    """Whether there is a tape, how large a file of it grows, and what is left of the disk.

    `max_file_mib` is counted compressed. The tapes of the last `keep_days` days that have any are
    kept, 0 for all. With less than `keep_free_mib` free nothing is written: the journal, which
    orders depend on, may share the disk.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = True
    max_file_mib: int = Field(default=256, ge=1, le=65_536)
    keep_days: int = Field(default=30, ge=0)
    keep_free_mib: int = Field(default=1024, ge=0)


@dataclass(slots=True)
class TapeStats:
    """Counts since the start: `frames`, `blocks` and compressed `bytes` written, `dropped` ones."""

    frames: int = 0
    dropped: int = 0
    blocks: int = 0
    bytes: int = 0
    files: int = 0


class _Block(NamedTuple):
    """A gzip member of frames of one day."""

    day: date
    data: bytes
    frames: int


def _free_bytes(folder: Path) -> int:
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


class TapeWriter:
    """Records frames in memory, and writes what waits whenever `flush` is called.

    `record` and `flush` may belong to two threads, `flush` and `close` to one. Files are
    `tape-YYYYMMDD-NNN.jsonl.gz`, one or more for each date in Seoul; a start, a full file, and a
    write that failed begin the next number. Files are never renamed, cut or opened again.

    A block is handed to the system at once and synced when its file is closed: it survives the
    process, and all but the file being written survive the power. Market data is not money.

    `name` is the login the notices go by: where a frame repeats it, it is written as stars.

    At most `ROOM` bytes wait. What comes beyond that, because the disk is full or slow, is dropped
    and counted, on the tape too. Trouble is told in the log when it begins and when it is over.
    """

    ROOM = 16 * MIB
    FRAME_COST = 250
    """Bytes a waiting frame takes besides its letters."""

    def __init__(
        self,
        folder: Path,
        settings: TapeSettings,
        *,
        write: Callable[[int, bytes], int] = os.write,
        sync: Callable[[int], None] = os.fsync,
        free: Callable[[Path], int] = _free_bytes,
        name: str = "",
    ) -> None:
        self.stats = TapeStats()
        self.folder = folder
        self._settings = settings
        self._write = write
        self._sync = sync
        self._free = free
        self._name = name
        self._waiting: deque[tuple[datetime, str | bytes]] = deque()
        # Each is written by one thread alone: their difference is what waits, in bytes.
        self._recorded = 0
        self._taken = 0
        self._lost_marked = 0
        self._since = self._until = datetime.min.replace(tzinfo=UTC)
        self._block: _Block | None = None
        self._descriptor = -1
        self._path = folder
        self._day = date.min
        self._size = 0
        self._in_trouble = False
        self._lost_before = 0
        self._lost_seen = 0

    def record(self, frame: str | bytes, at: datetime) -> None:
        """Take in a frame received `at` (aware UTC). Never waits and never raises."""
        if self._recorded - self._taken > self.ROOM:
            self.stats.dropped += 1
            if not self._in_trouble:
                self._trouble("the disk does not keep up")
            return
        self._recorded += len(frame) + self.FRAME_COST
        self._waiting.append((at, frame))

    def flush(self) -> None:
        """Write what waits, as far as the disk takes it: what it does not take is tried again."""
        dropped = self.stats.dropped
        # What comes meanwhile waits for the next time: blocks of few frames compress badly.
        until = self._recorded
        try:
            while self._block is not None or self._taken < until:
                if self._block is None:
                    self._block = self._next_block()
                self._put(self._block)
                self._block = None
        except OSError as error:
            self._abandon()
            self._trouble(str(error))
            return
        except Exception:
            # A bug of ours costs what waits, not the thread that writes, and is told once.
            if not self._in_trouble:
                log.exception("tape_broke", folder=str(self.folder))
            self._in_trouble = True
            self._block = None
            while self._taken < until:
                self._take()
            return
        if self._in_trouble and dropped == self._lost_seen:
            log.warning("tape_recovered", frames_lost=dropped - self._lost_before)
            self._lost_before = dropped
            self._in_trouble = False
        self._lost_seen = dropped

    def close(self) -> None:
        """Write what waits and sync the file; what the disk does not take now is lost."""
        self.flush()
        left = len(self._waiting) + (self._block.frames if self._block is not None else 0)
        if left or self._in_trouble:
            lost = self.stats.dropped - self._lost_before + left
            log.error("tape_ends_in_trouble", frames_lost=lost)
        self._end_file()

    @contextmanager
    def in_background(self, every: float = WRITE_EVERY) -> Iterator["TapeWriter"]:
        """Have a thread of its own flush the tape every so many seconds, and close it at the end.

        A disk that hangs keeps the caller for `CLOSE_PATIENCE` seconds at most.
        """
        stop = threading.Event()

        def work() -> None:
            while not stop.wait(every):
                self.flush()
            self.close()

        worker = threading.Thread(target=work, name="tape", daemon=True)
        worker.start()
        try:
            yield self
        finally:
            stop.set()
            worker.join(CLOSE_PATIENCE)
            if worker.is_alive():
                log.error("tape_left_behind", seconds=CLOSE_PATIENCE)

    def _next_block(self) -> _Block:
        """Compress frames of one day from the front of what waits, a block's worth at most.

        The interpreter is held for a piece at a time only: compressing lets others run.
        """
        waiting = self._waiting
        lost, frames = self.stats.dropped - self._lost_marked, len(waiting)
        compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP)
        packed: list[bytes] = []
        piece: list[bytes] = []
        size = piece_size = written = 0
        at = waiting[0][0]
        if not self._since <= at < self._until:
            self._new_day(at)
        since, until = self._since, self._until
        while written < frames and size < _BLOCK:
            at, frame = waiting[0]
            if not since <= at < until:
                break
            self._take()
            written += 1
            line = frame_line(at, frame, self._name)
            piece.append(line)
            size += len(line)
            piece_size += len(line)
            if piece_size >= _PIECE:
                packed.append(compressor.compress(b"".join(piece)))
                piece.clear()
                piece_size = 0
        if lost and written == frames:
            # Frames are dropped while there is no room: behind all that waited.
            self._lost_marked += lost
            piece.append(lost_line(at, lost))
        packed += (compressor.compress(b"".join(piece)), compressor.flush())
        return _Block(self._since.astimezone(KST).date(), b"".join(packed), written)

    def _take(self) -> None:
        _, frame = self._waiting.popleft()
        self._taken += len(frame) + self.FRAME_COST

    def _new_day(self, at: datetime) -> None:
        day = at.astimezone(KST).date()
        self._since = datetime.combine(day, time(), KST).astimezone(UTC)
        self._until = self._since + _DAY

    def _put(self, block: _Block) -> None:
        """Hand a block to the system; raises `OSError`."""
        full = self._size + len(block.data) > self._settings.max_file_mib * MIB
        if self._descriptor >= 0 and (full or block.day != self._day):
            self._end_file()
        if self._descriptor < 0:
            self.folder.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
            private_folder(self.folder)
            self._delete_old(block.day)
        room = self._free(self.folder) - len(block.data)
        if room < self._settings.keep_free_mib * MIB:
            raise OSError(f"less than {self._settings.keep_free_mib} MiB are free")
        if self._descriptor < 0:
            self._begin_file(block.day)
        data = block.data
        while data:
            written = self._write(self._descriptor, data)
            if written <= 0:
                raise OSError("the disk takes nothing")
            data = data[written:]
        self._size += len(block.data)
        self.stats.blocks += 1
        self.stats.bytes += len(block.data)
        self.stats.frames += block.frames

    def _begin_file(self, day: date) -> None:
        number = max(tapes_by_day(self.folder).get(day, ()), default=0) + 1
        while True:
            self._path = tape_path(self.folder, day, number)
            try:
                self._descriptor = os.open(self._path, _FLAGS, PRIVATE_FILE)
                break
            except FileExistsError:
                number += 1
        self._day, self._size = day, 0
        self.stats.files += 1
        with suppress(OSError):
            # For its name to survive the power as well; not every file system can.
            folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                self._sync(folder)
            finally:
                os.close(folder)

    def _delete_old(self, today: date) -> None:
        """Keep the last days that have tapes: a clock that jumps ahead costs no more than one."""
        if not self._settings.keep_days:
            return
        days = tapes_by_day(self.folder)
        kept = sorted({*days, today})[-self._settings.keep_days :]
        for day in days.keys() - {today, *kept}:
            for path in days[day].values():
                try:
                    path.unlink(missing_ok=True)
                    log.info("tape_deleted", path=str(path))
                except OSError as error:
                    log.warning("tape_not_deleted", path=str(path), cause=str(error))

    def _end_file(self) -> None:
        """Sync the file and let go of it. What it holds is with the system already."""
        if self._descriptor < 0:
            return
        try:
            self._sync(self._descriptor)
        except OSError as error:
            log.warning("tape_not_synced", path=str(self._path), cause=str(error))
        self._let_go()

    def _abandon(self) -> None:
        """After a failed write the end of the file may be torn: nothing must follow it."""
        if self._size:
            self._end_file()
        elif self._descriptor >= 0:
            self._let_go()
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _let_go(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        with suppress(OSError):
            os.close(descriptor)

    def _trouble(self, cause: str) -> None:
        """Say once that frames may be lost; `tape_recovered` says how many were."""
        if not self._in_trouble:
            self._in_trouble = True
            log.error("tape_in_trouble", folder=str(self.folder), cause=cause)

"""What the processes of one app key share through files: the right to run, a token, a budget.

All locks are advisory `flock`s, which the kernel drops when their holder dies.
"""

import fcntl
import json
import math
import os
import struct
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from daemon.core.errors import NeedsOperator
from daemon.ports import AccessToken

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
_GROUP_AND_WORLD = 0o077


def private_folder(folder: Path) -> None:
    folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    if folder.stat().st_mode & _GROUP_AND_WORLD:
        folder.chmod(PRIVATE_FOLDER)


def _open_private(path: Path) -> int:
    """Open for reading and writing, for this user alone; a symbolic link is refused."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE_FILE)
    if os.fstat(descriptor).st_mode & _GROUP_AND_WORLD:
        os.fchmod(descriptor, PRIVATE_FILE)
    return descriptor


class FileTurn:
    """`ports.ExclusiveTurn` over a lock file. The file stays; only the lock comes and goes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock if nobody, ourselves included, holds it."""
        if self._descriptor is not None:
            return False
        descriptor = _open_private(self._path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Let go; harmless when nothing is held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class SingleInstanceLock:
    """Only one process may run what this file stands for.

    The holder's process number and description are written inside, for the one who is turned
    away. Use it as a context manager.
    """

    NOTE_LIMIT = 500

    def __init__(self, path: Path, *, description: str = "") -> None:
        self._path = path
        self._description = description
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock, or raise `NeedsOperator` saying who holds it."""
        if self._descriptor is not None:
            raise NeedsOperator(f"{self._path} is held by this process already")
        private_folder(self._path.parent)
        descriptor = _open_private(self._path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(descriptor, self.NOTE_LIMIT, 0).decode(errors="replace").strip()
            os.close(descriptor)
            raise NeedsOperator(
                f"another process runs already ({holder or 'unknown'}); it holds {self._path}"
            ) from None
        note = f"pid {os.getpid()}, {self._description}".encode()[: self.NOTE_LIMIT]
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, note, 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Let the next one in; harmless when nothing is held."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> "SingleInstanceLock":
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


class FileTokenStore:
    """`ports.TokenStore` in a folder of one app key: a token file and a lock for issuing.

    The file is readable by this user alone; wider permissions are narrowed when met, and a
    file of another user is not believed.
    """

    LARGEST = 64 * 1024

    def __init__(self, folder: Path) -> None:
        private_folder(folder)
        self._path = folder / "token.json"
        self._turn_path = folder / "issuing.lock"

    def load(self) -> AccessToken | None:
        """The stored token; a missing, damaged or foreign file reads as `None`."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return None
        try:
            status = os.fstat(descriptor)
            if status.st_uid != os.geteuid() or status.st_size > self.LARGEST:
                return None
            if status.st_mode & _GROUP_AND_WORLD:
                os.fchmod(descriptor, PRIVATE_FILE)
            text = os.read(descriptor, self.LARGEST)
        except OSError:
            return None
        finally:
            os.close(descriptor)
        return _read_token(text)

    def save(self, token: AccessToken) -> None:
        """Replace the file in one step; raises `OSError`, and then the old one is still there."""
        text = json.dumps(
            {
                "value": token.value,
                "expires_at": token.expires_at.isoformat(),
                "issued_at": token.issued_at.isoformat(),
            }
        )
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        draft.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(draft, flags, PRIVATE_FILE)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise

    def discard(self) -> None:
        """Forget the stored token; whoever needs one issues it anew."""
        self._path.unlink(missing_ok=True)

    def issuing(self) -> FileTurn:
        """The right to ask for a new token, for one process at a time."""
        return FileTurn(self._turn_path)


def _read_token(text: bytes) -> AccessToken | None:
    try:
        fields = json.loads(text)
        value = fields["value"]
        expires_at = datetime.fromisoformat(fields["expires_at"])
        issued_at = datetime.fromisoformat(fields["issued_at"])
        if not isinstance(value, str) or not value:
            return None
        if expires_at.tzinfo is None or issued_at.tzinfo is None:
            return None
        return AccessToken(value, expires_at.astimezone(UTC), issued_at.astimezone(UTC))
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


class SharedBudget:
    """`ports.RequestBudget` over all processes of a machine, in one small file.

    The file holds, for every slot, the second of `Clock.monotonic()` at which it is free again,
    which is the same in all processes. A holder that dies needs no help: its slots
    free themselves when their hold is over. A time further off than any hold was written before
    a reboot and counts as free. While processes disagree about the capacity, the smallest one
    heard in the last minute holds for all.

    No call ever blocks: when the file is locked by a process that does not go on, there is no
    slot for the moment. An object must not be shared across a fork.
    """

    SLOTS = 64
    LONGEST_HOLD = 120.0
    CAPACITY_LIFE = 60.0
    TRIES = 200
    LOCKED_DELAY = 0.02

    _MAGIC = b"KISSLOT1"
    _HEADER = struct.Struct("<8sId")
    _TIMES = struct.Struct(f"<{SLOTS}d")

    def __init__(self, path: Path, capacity: int, *, period: float = 1.0) -> None:
        if not 1 <= capacity <= self.SLOTS:
            raise ValueError(f"a capacity of {capacity} is not between 1 and {self.SLOTS}")
        self.capacity = capacity
        self.period = period
        private_folder(path.parent)
        self._descriptor = _open_private(path)

    def close(self) -> None:
        """Let go of the file; slots still held free themselves."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def take(self, now: float, *, hold: float) -> int | None:
        """A free slot's number, or `None`; not given back, it frees itself after `hold`."""
        if not 0 <= hold <= self.LONGEST_HOLD:
            raise ValueError(f"a slot cannot be held for {hold} seconds")
        if not self._lock():
            return None
        try:
            capacity, stamp, times = self._read(now)
            if sum(at > now for at in times) >= capacity:
                return None
            slot = next(slot for slot, at in enumerate(times) if at <= now)
            times[slot] = now + hold + self.period
            if capacity == self.capacity:
                stamp = now
            self._write(capacity, stamp, times)
            return slot
        finally:
            self._unlock()

    def give_back(self, slot: int, now: float) -> None:
        """The reply to the request that held `slot` arrived."""
        if not self._lock():
            return  # it frees itself when its hold is over
        try:
            capacity, stamp, times = self._read(now)
            times[slot] = min(times[slot], now + self.period)
            self._write(capacity, stamp, times)
        finally:
            self._unlock()

    def free_at(self, now: float) -> float:
        """When the next slot is free; at most `now` if one is free already."""
        if not self._lock():
            return now + self.LOCKED_DELAY
        try:
            capacity, _, times = self._read(now)
        finally:
            self._unlock()
        busy = sorted(at for at in times if at > now)
        return busy[len(busy) - capacity] if len(busy) >= capacity else now

    def _lock(self) -> bool:
        for _ in range(self.TRIES):
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.sched_yield()
            else:
                return True
        return False

    def _unlock(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _read(self, now: float) -> tuple[int, float, list[float]]:
        """The capacity that holds now, when it was last stated, and the slots' times."""
        size = self._HEADER.size + self._TIMES.size
        raw = os.pread(self._descriptor, size + 1, 0)
        if len(raw) != size or not raw.startswith(self._MAGIC):
            return self.capacity, now, [-math.inf] * self.SLOTS
        _, capacity, stamp = self._HEADER.unpack_from(raw)
        times = list(self._TIMES.unpack_from(raw, self._HEADER.size))
        latest = now + self.LONGEST_HOLD + self.period
        times = [at if -math.inf < at <= latest else -math.inf for at in times]
        is_current = now - self.CAPACITY_LIFE <= stamp <= now + self.CAPACITY_LIFE
        if is_current and 1 <= capacity <= self.capacity:
            return capacity, stamp, times
        return self.capacity, now, times

    def _write(self, capacity: int, stamp: float, times: list[float]) -> None:
        raw = self._HEADER.pack(self._MAGIC, capacity, stamp) + self._TIMES.pack(*times)
        os.pwrite(self._descriptor, raw, 0)

"""Symbol master files on the disk: fetched piece by piece, and kept only when they are whole."""

import asyncio
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import aiohttp
import structlog

from daemon.core.errors import BadData, TryLater
from daemon.kis.masters import (
    FOLDER,
    HOST,
    MASTER_FILES,
    Listing,
    MasterFile,
    Masters,
    read,
    unpack,
)

log = structlog.get_logger()

PIECE = 1 << 16
MOST_BYTES = 32 << 20
TRIES = 3
PAUSE = 0.5
"""Seconds before the second try; twice as long before the third."""

_PARTIAL, _NOT_THERE, _BAD_RANGE, _OK = 206, 404, 416, 200


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a download has come, in bytes; `total` is `None` while it is not known."""

    file: str
    done: int
    total: int | None


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of one file: `listings` is 0 and `problem` says why when the old one stays."""

    file: str
    listings: int
    problem: str = ""


class _Part:
    """What has come of a file so far, and the tag of the version it is of."""

    def __init__(self, folder: Path, master: MasterFile) -> None:
        self.path = folder / f"{master.archive}.part"
        self._tag = folder / f"{master.archive}.tag"

    def resume(self) -> tuple[int, dict[str, str]]:
        """The bytes that are there, and the headers that ask for the rest of the same version."""
        tag = self._tag.read_text() if self._tag.exists() else ""
        have = self.path.stat().st_size if tag and self.path.exists() else 0
        return have, {"Range": f"bytes={have}-", "If-Range": tag} if have else {}

    def begin(self, tag: str) -> BinaryIO:
        """Begin anew, with the version of this tag."""
        self._tag.write_text(tag)
        return self.path.open("wb")

    def go_on(self) -> BinaryIO:
        """Append to what is there."""
        return self.path.open("ab")

    def drop(self) -> None:
        """Forget it."""
        self.path.unlink(missing_ok=True)
        self._tag.unlink(missing_ok=True)

    def become(self, place: Path) -> None:
        """Take the place of the good file, once it is on the disk."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        self.path.replace(place)
        self._tag.unlink(missing_ok=True)


class MasterFolder:
    """Master files in a folder of their own.

    A download goes to a file beside the good one, is taken up again where it broke off, and takes
    the good one's place only after it was unpacked and read to its last line and holds at least
    half as many listings. `host` is the vendor's, or a simulator's.
    """

    def __init__(self, folder: Path, *, host: str = HOST) -> None:
        self._folder = folder
        self._host = host.rstrip("/")

    async def update(
        self,
        masters: Iterable[MasterFile] = MASTER_FILES,
        *,
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> list[Fetched]:
        """Fetch files one after another; what fails is told and leaves the old file alone."""
        self._folder.mkdir(parents=True, exist_ok=True)
        timeout = aiohttp.ClientTimeout(total=None, connect=10.0, sock_read=20.0)
        fetched = []
        async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as http:
            for master in masters:
                fetched.append(await self._update_one(http, master, on_progress))
        return fetched

    async def _update_one(
        self,
        http: aiohttp.ClientSession,
        master: MasterFile,
        on_progress: Callable[[Progress], None],
    ) -> Fetched:
        try:
            part = await self._fetch(http, master, on_progress)
            # Reading a large one takes a while, and whoever trades must not wait for it.
            return await asyncio.to_thread(self._adopt, master, part)
        except (BadData, TryLater, OSError) as error:
            log.warning("master_not_updated", master=master.name, cause=str(error))
            return Fetched(master.name, 0, str(error))

    async def _fetch(
        self,
        http: aiohttp.ClientSession,
        master: MasterFile,
        on_progress: Callable[[Progress], None],
    ) -> _Part:
        part, cause = _Part(self._folder, master), ""
        for attempt in range(TRIES):
            try:
                if await self._append(http, master, part, on_progress):
                    return part
                cause = "it ended too early"
            except (aiohttp.ClientError, TimeoutError) as error:
                cause = str(error) or type(error).__name__
            if attempt + 1 < TRIES:
                await asyncio.sleep(PAUSE * 2**attempt)
        raise TryLater("DOWNLOAD", f"{master.archive} could not be fetched: {cause}", delay=60.0)

    async def _append(
        self,
        http: aiohttp.ClientSession,
        master: MasterFile,
        part: _Part,
        on_progress: Callable[[Progress], None],
    ) -> bool:
        """Fetch what is missing; whether all is there. A file that has changed begins anew."""
        have, headers = part.resume()
        url = f"{self._host}{FOLDER}{master.archive}"
        async with http.get(url, headers=headers) as reply:
            if reply.status == _NOT_THERE:
                raise BadData("there is no such file at the host", field=master.archive)
            if reply.status == _BAD_RANGE:
                part.drop()
                return False
            if reply.status not in (_OK, _PARTIAL):
                raise aiohttp.ClientError(f"HTTP {reply.status}")
            goes_on = reply.status == _PARTIAL and have > 0
            have = have if goes_on else 0
            tag = reply.headers.get("ETag") or reply.headers.get("Last-Modified") or ""
            length = reply.content_length
            total = None if length is None else have + length
            with part.go_on() if goes_on else part.begin(tag) as out:
                async for piece in reply.content.iter_chunked(PIECE):
                    out.write(piece)
                    have += len(piece)
                    if have > MOST_BYTES:
                        raise BadData("unbelievably large", field=master.archive)
                    on_progress(Progress(master.name, have, total))
        return total is None or have == total

    def _adopt(self, master: MasterFile, part: _Part) -> Fetched:
        try:
            found = len(read(master, unpack(part.path.read_bytes())))
            before = self._count(master)
            if found * 2 < before:
                raise BadData(f"only {found} listings, there were {before}", field=master.name)
        except BadData:
            # Whatever it is, going on where it ends would not mend it.
            part.drop()
            raise
        part.become(self._folder / master.archive)
        return Fetched(master.name, found)

    def _count(self, master: MasterFile) -> int:
        try:
            return len(read(master, unpack((self._folder / master.archive).read_bytes())))
        except (OSError, BadData):
            return 0

    def load(self, masters: Iterable[MasterFile] = MASTER_FILES) -> Masters:
        """All listings of the files that are there; a file that cannot be read is told and left."""
        found: dict[MasterFile, list[Listing]] = {}
        for master in masters:
            path = self._folder / master.archive
            try:
                found[master] = read(master, unpack(path.read_bytes()))
            except FileNotFoundError:
                continue
            except (OSError, BadData) as error:
                log.error("master_unreadable", path=str(path), cause=str(error))
        return Masters.of(found)

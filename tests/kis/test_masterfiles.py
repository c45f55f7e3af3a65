"""Downloads over a real socket: taken up again, and never at the cost of a good file."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from daemon.kis import masterfiles
from daemon.kis.masterfiles import Fetched, MasterFolder, Progress
from daemon.kis.masters import BY_NAME, FOLDER
from tests.kis.masterdata import korean, lines, zipped

KOSPI, KOSDAQ = BY_NAME["kospi_code.mst"], BY_NAME["kosdaq_code.mst"]


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masterfiles, "PAUSE", 0.0)


def listing(count: int) -> bytes:
    return zipped(lines(*(korean("kospi", f"{n:06}", f"종목{n}") for n in range(1, count + 1))))


class Host:
    """Serves one file; `cut` bytes of it before it hangs up, as often as `cuts`."""

    def __init__(self, content: bytes, *, cut: int = 0, cuts: int = 0, ranges: bool = True) -> None:
        self.content = content
        self.cut, self.cuts, self.ranges = cut, cuts, ranges
        self.asked: list[str] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.headers.get("Range", ""))
        if not request.path.endswith(KOSPI.archive):
            return web.Response(status=404)
        begin = (request.http_range.start or 0) if self.ranges else 0
        tag = f'"{hash(self.content)}"'
        if request.headers.get("If-Range", tag) != tag:
            begin = 0
        body = self.content[begin:]
        reply = web.StreamResponse(status=206 if begin else 200, headers={"ETag": tag})
        reply.content_length = len(body)
        await reply.prepare(request)
        if self.cuts:
            self.cuts -= 1
            await reply.write(body[: self.cut])
            assert request.transport is not None
            request.transport.close()
            return reply
        await reply.write(body)
        return reply


@asynccontextmanager
async def serving(host: Host) -> AsyncIterator[Host]:
    app = web.Application()
    app.router.add_get(FOLDER + "{name}", host.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield host
    finally:
        await runner.cleanup()


def update(
    folder: Path, host: Host, on_progress: Callable[[Progress], None] = lambda progress: None
) -> list[Fetched]:
    async def play() -> list[Fetched]:
        async with serving(host), asyncio.timeout(20):
            place = MasterFolder(folder, host=host.url)
            return await place.update([KOSPI, KOSDAQ], on_progress=on_progress)

    return asyncio.run(play())


def codes(folder: Path) -> list[str]:
    return [each.code for each in MasterFolder(folder).load()]


def test_files_are_fetched_and_loaded_with_progress(tmp_path: Path) -> None:
    told: list[Progress] = []
    content = listing(30)
    kospi, kosdaq = update(tmp_path / "m", Host(content), told.append)
    assert kospi == Fetched("kospi_code.mst", 30)
    assert (kosdaq.listings, "no such file" in kosdaq.problem) == (0, True)
    assert told[-1] == Progress("kospi_code.mst", len(content), len(content))
    assert len(codes(tmp_path / "m")) == 30
    assert [path.name for path in (tmp_path / "m").iterdir()] == [KOSPI.archive]


def test_a_download_goes_on_where_it_broke_off(tmp_path: Path) -> None:
    host = Host(listing(300), cut=500, cuts=1)
    kospi, _ = update(tmp_path, host)
    assert kospi.listings == 300
    assert host.asked[:2] == ["", "bytes=500-"]


def test_it_goes_on_in_a_later_run_unless_the_file_has_changed(tmp_path: Path) -> None:
    host = Host(listing(300), cut=500, cuts=3)
    assert update(tmp_path, host)[0].problem
    assert codes(tmp_path) == []
    host.cuts = 0
    assert update(tmp_path, host)[0].listings == 300
    other = Host(listing(400), cut=100, cuts=3)
    update(tmp_path, other)
    other.content, other.cuts = listing(500), 0
    assert update(tmp_path, other)[0].listings == 500


def test_a_host_without_ranges_begins_anew(tmp_path: Path) -> None:
    host = Host(listing(300), cut=500, cuts=1, ranges=False)
    assert update(tmp_path, host)[0].listings == 300


@pytest.mark.parametrize(
    "bad",
    [
        b"<html>",
        b"",
        listing(100)[:-40],
        zipped(b""),
        zipped(lines(korean("kospi", "000001", "하나")) + b"half a line"),
        listing(40),
    ],
    ids=["html", "nothing", "cut zip", "no line", "half a line", "too few"],
)
def test_a_good_file_outlives_every_bad_one(tmp_path: Path, bad: bytes) -> None:
    update(tmp_path, Host(listing(100)))
    before = (tmp_path / KOSPI.archive).read_bytes()
    got = update(tmp_path, Host(bad))[0]
    assert (got.listings, bool(got.problem)) == (0, True)
    assert (tmp_path / KOSPI.archive).read_bytes() == before
    assert update(tmp_path, Host(listing(101)))[0].listings == 101


def test_an_unreadable_file_is_told_and_left(tmp_path: Path) -> None:
    update(tmp_path, Host(listing(3)))
    (tmp_path / KOSDAQ.archive).write_bytes(b"broken")
    assert len(codes(tmp_path)) == 3
    (tmp_path / KOSPI.archive).write_bytes(b"broken")
    assert update(tmp_path, Host(listing(2)))[0].listings == 2


def test_no_host_at_all_is_a_problem_of_each_file(tmp_path: Path) -> None:
    async def play() -> list[Fetched]:
        return await MasterFolder(tmp_path, host="http://127.0.0.1:9").update([KOSPI])

    (got,) = asyncio.run(play())
    assert "could not be fetched" in got.problem

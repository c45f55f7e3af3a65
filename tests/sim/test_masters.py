"""The simulator's master files, read by the client's reader, fetched over its own port."""

import asyncio
from pathlib import Path

from daemon.kis.masterfiles import MasterFolder
from daemon.kis.masters import BY_NAME, MASTER_FILES, read, unpack
from daemon.sim.masters import archive
from daemon.sim.universe import LISTINGS
from tests.sim.rig import live

KOSPI = BY_NAME["kospi_code.mst"]


def test_listings_come_back_as_they_are() -> None:
    packed = archive(KOSPI.archive, LISTINGS)
    assert packed is not None
    found = read(KOSPI, unpack(packed))
    assert [(each.code, each.name, each.base) for each in found] == [
        (each.code, each.name, each.base) for each in LISTINGS
    ]
    assert packed == archive(KOSPI.archive, LISTINGS)
    assert archive("kospi_code.mst", LISTINGS) is None
    assert archive("konex_code.mst.zip", LISTINGS) is None


def test_they_are_fetched_like_the_vendors(tmp_path: Path) -> None:
    async def play() -> None:
        async with live(listings=LISTINGS) as simulator:
            folder = MasterFolder(tmp_path, host=simulator.server.rest_url)
            fetched = await folder.update(MASTER_FILES[:4])
            assert [each.listings for each in fetched] == [len(LISTINGS), 0, 0, len(LISTINGS)]
            url = f"{simulator.server.rest_url}/common/master/{KOSPI.archive}"
            async with simulator.http.get(url) as whole:
                content = await whole.read()
                tag = whole.headers["ETag"]
            for headers, status, body in (
                ({"Range": "bytes=10-"}, 206, content[10:]),
                ({"Range": "bytes=10-", "If-Range": tag}, 206, content[10:]),
                ({"Range": "bytes=10-", "If-Range": '"other"'}, 200, content),
                ({"Range": f"bytes={len(content)}-"}, 416, b""),
            ):
                async with simulator.http.get(url, headers=headers) as got:
                    assert (got.status, await got.read()) == (status, body)
        masters = folder.load()
        assert len(masters) == len(LISTINGS)
        assert all(each.nxt for each in masters)

    asyncio.run(play())

"""The simulator's master files, read by the client's reader, fetched over its own port."""

import asyncio
import io
import zipfile
from pathlib import Path

from daemon.kis.masterfiles import MasterFolder
from daemon.kis.masters import BY_NAME, MASTER_FILES, SecurityKind, read, unpack
from daemon.sim.american import LISTINGS as AMERICANS
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


def test_each_american_exchange_has_its_file() -> None:
    found = []
    for name in ("nasmst.cod", "nysmst.cod", "amsmst.cod"):
        packed = archive(f"{name}.zip", (*LISTINGS, *AMERICANS))
        assert packed is not None
        with zipfile.ZipFile(io.BytesIO(packed)) as opened:
            assert opened.namelist() == [name.upper()]
        listed = read(BY_NAME[name], unpack(packed))
        assert {each.currency for each in listed} == {"USD"}
        assert {each.instrument.partition(":")[0] for each in listed} == {
            BY_NAME[name].market.value
        }
        found += listed
    assert [(each.code, each.name, each.english, each.base) for each in found] == [
        (each.code, each.name, each.english, each.base) for each in AMERICANS
    ]
    kinds = {each.code: each.kind for each in found}
    assert (kinds["SPY"], kinds["AAPL"]) == (SecurityKind.ETF, SecurityKind.STOCK)
    assert archive("nasmst.cod.zip", LISTINGS) is None


def test_they_are_fetched_like_the_vendors(tmp_path: Path) -> None:
    async def play() -> None:
        async with live(listings=LISTINGS) as simulator:
            folder = MasterFolder(tmp_path, host=simulator.server.rest_url)
            fetched = await folder.update(MASTER_FILES[:9])
            home, abroad = len(LISTINGS), len(AMERICANS)
            assert [each.listings for each in fetched[:5]] == [home, 0, 0, home, 0]
            assert sum(each.listings for each in fetched[5:8]) == abroad
            assert fetched[8].listings == 0
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
        assert len(masters) == len(LISTINGS) + len(AMERICANS)
        assert all(each.nxt for each in masters if each.currency == "KRW")
        for text in ("AAPL", "애플", "apple"):
            assert masters.search(text)[0].instrument == "nasdaq:AAPL"

    asyncio.run(play())

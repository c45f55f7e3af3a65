"""What the catalogue costs: `uv run python bench/catalogue.py`.

Loading: processes that take turns read the catalogue into objects, or only parse its JSON; seconds
and resident memory, each against the other of its round. Calling: `inquire_price` by name through
the whole client, checked, paced by nothing, answered and read, against the same request of a bare
aiohttp session to the same simulator, which has a process of its own; one call after the other,
and several at once. Prints one JSON line.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import aiohttp
import orjson
import uvloop

from bench import figures
from bench.rig import quiet
from daemon.clock import WallClock
from daemon.core.values import AccountId
from daemon.kis.caller import ApiCaller
from daemon.kis.codec import Credentials
from daemon.kis.rest import KisRest
from daemon.kis.spec import SIM, Api
from daemon.kis.transport import AiohttpTransport
from daemon.sim.options import ACCOUNT, APP_KEY, APP_SECRET, HTS_ID
from daemon.store.locks import FileTokenStore

ROOT = Path(__file__).parents[1]
LOADS = {
    "floor": "from importlib.resources import files; import orjson; "
    "kept = orjson.loads(files('daemon.kis').joinpath('apis.json').read_bytes())",
    "catalogue": "from daemon.kis.catalog import APIS as kept",
}
MEASURED = """
import os, sys, time
page = os.sysconf("SC_PAGE_SIZE")
def resident():
    with open("/proc/self/statm") as told:
        return int(told.read().split()[1]) * page
before, began = resident(), time.perf_counter()
{load}
print(time.perf_counter() - began, resident() - before, len(kept))
"""
ASKED = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": "005930"}
AT_ONCE = 8


class Unpaced:
    """A request budget that is never spent."""

    def take(self, now: float, *, hold: float) -> int | None:
        """Always the same slot."""
        return 0

    def give_back(self, slot: int, now: float) -> None:
        """It was never taken."""

    def free_at(self, now: float) -> float:
        """At once."""
        return now


def loaded(load: str) -> tuple[float, float, int]:
    """Seconds, megabytes and how many entries, of one load in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED.format(load=load)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    seconds, size, count = done.stdout.split()
    return float(seconds), int(size) / 2**20, int(count)


def loading(repeats: int) -> dict[str, object]:
    """Both loads, taking turns."""
    seconds: dict[str, list[float]] = {name: [] for name in LOADS}
    sizes: dict[str, list[float]] = {name: [] for name in LOADS}
    entries = 0
    for name in figures.turns(list(LOADS), repeats):
        took, size, entries = loaded(LOADS[name])
        seconds[name].append(took)
        sizes[name].append(size)
    return {
        "entries": entries,
        "ms": figures.middle([each * 1000 for each in seconds["catalogue"]], 1),
        "mb": figures.middle(sizes["catalogue"], 1),
        "time_ratio": figures.ratio(seconds["catalogue"], seconds["floor"]),
        "memory_ratio": figures.ratio(sizes["catalogue"], sizes["floor"]),
    }


@asynccontextmanager
async def simulator() -> AsyncIterator[str]:
    """The simulator's REST address; it ends with the context."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "daemon.sim", "--rate-limit", "1000000", "--regions", "KR"),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None, "it is a pipe"
    try:
        yield (await process.stdout.readline()).split()[1].decode()
    finally:
        process.terminate()
        await process.wait()


async def rate(call: Callable[[], Awaitable[Any]], count: int, at_once: int) -> float:
    """Calls a second, `at_once` of them always on their way."""

    async def some() -> None:
        for _ in range(count // at_once):
            await call()

    began = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(at_once)))
    return count // at_once * at_once / (time.perf_counter() - began)


async def calling(folder: Path, count: int, repeats: int) -> dict[str, object]:
    """Both ways of asking the same simulator, taking turns."""
    credentials = Credentials(
        app_key=APP_KEY, app_secret=APP_SECRET, account=AccountId(ACCOUNT), hts_id=HTS_ID
    )
    async with simulator() as url, AiohttpTransport(url) as transport:
        broker = KisRest(
            profile=replace(SIM, rest_url=url),
            credentials=credentials,
            transport=transport,
            budget=Unpaced(),
            tokens=FileTokenStore(folder),
            clock=WallClock(),
            random=Random(1),
        )
        serving = asyncio.ensure_future(broker.run())
        caller = ApiCaller(broker)
        headers = {
            "authorization": f"Bearer {await broker.access_token()}",
            **{"appkey": APP_KEY, "appsecret": APP_SECRET, "custtype": "P"},
            **{"tr_id": Api.PRICE.real, "content-type": "application/json; charset=utf-8"},
        }
        async with aiohttp.ClientSession(headers=headers) as session:

            async def bare() -> None:
                async with session.get(f"{url}{Api.PRICE.path}", params=ASKED) as answer:
                    assert int(orjson.loads(await answer.read())["output"]["stck_prpr"]) > 0

            async def named() -> None:
                result = await caller.call("domestic_stock.inquire_price", ASKED)
                price = result.row("output").get("stck_prpr")
                assert isinstance(price, Decimal)
                assert price > 0

            told: dict[str, object] = {}
            for scene, at_once in (("one_at_a_time", 1), (f"{AT_ONCE}_at_once", AT_ONCE)):
                rates: dict[str, list[float]] = {"named": [], "bare": []}
                for call in (named, bare):
                    await rate(call, max(count // 5, at_once), at_once)
                for name in figures.turns(list(rates), repeats):
                    call = named if name == "named" else bare
                    rates[name].append(await rate(call, count, at_once))
                told[scene] = {
                    "calls_per_second": figures.middle(rates["named"], 0),
                    "bare_per_second": figures.middle(rates["bare"], 0),
                    "ratio": figures.ratio(rates["named"], rates["bare"]),
                }
        serving.cancel()
        await asyncio.wait([serving])
        return told


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000)
    parser.add_argument("--repeats", type=int, default=figures.REPEATS)
    parser.add_argument("--quick", action="store_true", help="a few seconds, for a smoke test")
    options = parser.parse_args()
    calls, repeats = (80, 1) if options.quick else (options.calls, max(options.repeats, 1))
    quiet()
    with tempfile.TemporaryDirectory() as name:
        asked = uvloop.run(calling(Path(name), calls, repeats))
    return figures.say(
        {
            "bench": "catalogue",
            "calls": calls,
            "repeats": repeats,
            "load": loading(repeats),
            **asked,
        }
    )


if __name__ == "__main__":
    sys.exit(main())

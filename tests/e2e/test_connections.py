"""Connections that are cut, reset, frozen, delayed and refused between a daemon and its broker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from tests.e2e.process import Running
from tests.e2e.proxy import Fault, Proxy, Way, address_of, opened
from tests.e2e.torture import Tell, World, number_from, run, stop, tidy_up, trades_again, world

pytestmark = pytest.mark.e2e

SEED = number_from("TORTURE_SEED", 20261102)
REST_FAULTS = number_from("TORTURE_FAULTS", 36)
STREAM_FAULTS = REST_FAULTS // 12
STORM_LIMIT = REST_FAULTS * 3.0


@asynccontextmanager
async def proxied(place: World, random: Random) -> AsyncIterator[tuple[Proxy, Proxy]]:
    """The same world behind a proxy each for REST and for the stream."""
    # Orders are answered within 10 s or in doubt: some freezes are longer.
    rest = Proxy(
        address_of(place.rest_url),
        random,
        reach={Way.UP: 16_000, Way.DOWN: 16_000},
        lengths={Fault.FREEZE: (1.0, 13.0), Fault.DELAY: (0.1, 3.0)},
    )
    stream = Proxy(
        address_of(place.ws_url),
        random,
        # Upwards there are a few registrations at first, and then only answers to pings.
        reach={Way.UP: 2_500, Way.DOWN: 40_000},
        lengths={Fault.FREEZE: (1.0, 13.0), Fault.DELAY: (0.1, 3.0)},
    )
    async with opened(rest), opened(stream):
        place.rest_url = f"http://127.0.0.1:{rest.port}"
        place.ws_url = f"ws://127.0.0.1:{stream.port}"
        yield rest, stream


async def storm(proxy: Proxy, faults: int, daemon: Running) -> None:
    """Leave a proxy unleashed until enough has happened; the daemon must live through it."""
    async with asyncio.TaskGroup() as group:
        trouble = group.create_task(proxy.trouble(apart=(3.0, 9.0), lasting=(0.2, 2.0)))
        ended = group.create_task(daemon.process.wait())
        proxy.unleash()
        try:
            async with asyncio.timeout(STORM_LIMIT):
                await proxy.struck(faults)
        except TimeoutError:
            pytest.fail(f"not enough happened: {proxy.counts}")
        finally:
            assert not ended.done(), "\n".join(daemon.lines[-40:])
            trouble.cancel()
            ended.cancel()


def test_cut_connections(tmp_path: Path, tell: Tell) -> None:
    async def scenario() -> None:
        random = Random(SEED)
        async with world(tmp_path) as place, proxied(place, random) as (rest, stream):
            async with place.daemon() as daemon:
                await daemon.seen("trading")
                await trades_again(daemon, orders=6)
                await storm(rest, REST_FAULTS, daemon)
                # Only now: without a stream no orders leave, and little is left to be cut.
                await storm(stream, STREAM_FAULTS, daemon)
                rest.heal()
                stream.heal()
                await trades_again(daemon)
                await stop(daemon)
            await tidy_up(place)
            # Delays bunch requests behind the proxy; before it they are as dense as they left.
            figures = await place.audit(door=False)
        assert rest.density.most <= 10
        tell(
            "connections",
            {
                "seed": SEED,
                **figures,
                "requests": rest.density.total,
                "max_requests_in_any_second_before_the_proxy": rest.density.most,
                "rest": dict(sorted(rest.counts.items())),
                "stream": dict(sorted(stream.counts.items())),
            },
        )

    run(scenario())

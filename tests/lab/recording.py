"""A stretch of the simulated market, as the real feed received it and put it on tape."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from daemon.core.values import BOOK, TRADES, AccountId, InstrumentId, Interest
from daemon.kis.codec import Credentials
from daemon.kis.spec import SIM
from daemon.kis.stream import KisFeed
from daemon.lab.loop import run_virtual
from daemon.lab.mix import FaultMix
from daemon.ports import FeedEvent
from daemon.sim.options import ACCOUNT, APP_KEY, APP_SECRET, HTS_ID
from daemon.store.tape import TapeSettings, TapeWriter
from daemon.store.tapefile import TapeFrame
from tests.lab.scene import OPTIONS, Scene
from tests.sim.rig import FEW

CODES = tuple(listing.code for listing in FEW)
PLENTY = TapeSettings(keep_free_mib=0)


@dataclass
class Recording:
    """What the feed was sent, and what it made of that."""

    frames: list[TapeFrame] = field(default_factory=list)
    events: list[FeedEvent] = field(default_factory=list)


class _Keys:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    async def approval_key(self, *, renew: bool = False) -> str:
        venue = self._scene.venue
        return venue.broker.keys.issue_approval(venue.clock.now())


def record(script: Callable[[Scene], Awaitable[None]]) -> Recording:
    """Everything the real feed hears while `script` runs."""

    async def main() -> Recording:
        scene, heard = Scene(FaultMix(1, ()), options=replace(OPTIONS, listings=FEW)), Recording()
        credentials = Credentials(
            app_key=APP_KEY, app_secret=APP_SECRET, account=AccountId(ACCOUNT), hts_id=HTS_ID
        )
        feed = KisFeed(
            profile=SIM,
            credentials=credentials,
            transport=scene.stream,
            keys=_Keys(scene),
            clock=scene.venue.clock,
            random=Random(2),
            on_raw=lambda frame, at: heard.frames.append(TapeFrame(at, frame)),
        )
        feed.want(
            [
                Interest(channel, InstrumentId(f"krx:{code}"))
                for channel in (TRADES, BOOK)
                for code in CODES
            ]
        )
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(feed.run(heard.events.append))
            await script(scene)
            listening.cancel()
        return heard

    return run_virtual(main())


async def a_minute(scene: Scene) -> None:
    """Nothing but the market."""
    await asyncio.sleep(60.0)


def taped(folder: Path, frames: list[TapeFrame]) -> Path:
    """The frames on a tape of their own."""
    tape = TapeWriter(folder, PLENTY)
    for at, frame in frames:
        tape.record(frame, at)
    tape.close()
    (path,) = sorted(folder.iterdir())
    return path

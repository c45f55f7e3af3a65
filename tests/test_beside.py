"""Work beside the loop: what comes of it, and who waits for it."""

import asyncio
import threading

import pytest

from daemon.beside import beside


def test_what_it_returns_and_what_it_raises_come_back() -> None:
    def fail() -> int:
        raise ZeroDivisionError

    def leave() -> int:
        raise SystemExit(3)

    async def scenario() -> None:
        assert await beside(threading.get_ident) != threading.get_ident()
        with pytest.raises(ZeroDivisionError):
            await beside(fail)
        with pytest.raises(RuntimeError, match="SystemExit"):
            await beside(leave)

    asyncio.run(scenario())


@pytest.mark.parametrize("fails", [True, False])
def test_whoever_gives_up_leaves_it_behind_and_hears_nothing_of_its_end(fails: bool) -> None:
    free, threads = threading.Event(), list[threading.Thread]()

    def work() -> None:
        threads.append(threading.current_thread())
        free.wait(30)
        if fails:
            raise ZeroDivisionError

    async def scenario() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await beside(work)
        async with asyncio.timeout(30):
            while not threads:  # noqa: ASYNC110  a thread tells nobody
                await asyncio.sleep(0.001)

    asyncio.run(scenario())
    [thread] = threads
    assert thread.is_alive(), "the loop has ended without it"
    assert thread.daemon
    free.set()
    thread.join(30)
    assert not thread.is_alive()

"""Work that may take long, or for ever, beside the loop: reading files, running foreign code."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def beside(work: Callable[[], T]) -> T:
    """What `work` returns or raises. Its thread keeps nobody waiting, not even the end of the
    process: whoever gives up on it leaves it behind.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[T] = loop.create_future()

    def tell(settle: Callable[[], None]) -> None:
        # The loop is closed once nobody waits any more.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(lambda: None if found.done() else settle())

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001  it belongs to whoever waits
            wrapped = error if isinstance(error, Exception) else RuntimeError(repr(error))
            tell(lambda: found.set_exception(wrapped))
        else:
            tell(lambda: found.set_result(result))

    threading.Thread(target=run, name="beside the loop", daemon=True).start()
    return await found

"""Questions run in threads of their own: so many at once, each for so long."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")


class TooMuch(Exception):
    """It was not answered in time. `begun`: whether there was a free place for it at all."""

    def __init__(self, seconds: float, *, begun: bool) -> None:
        self.seconds, self.begun = seconds, begun
        super().__init__()


class Work:
    """At most `most` calls run at once; a call waits for its place and its answer for `seconds` together.

    A thread cannot be stopped: one that nobody waits for any more keeps its place until it is done. Threads are
    daemons, so that the server can end meanwhile.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self._places, self.seconds = asyncio.Semaphore(most), seconds

    async def run(self, call: Callable[[], ResultT]) -> ResultT:
        """What the call returns or raises. Raises TooMuch."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self.seconds
        try:
            async with asyncio.timeout_at(until):
                await self._places.acquire()
        except TimeoutError:
            raise TooMuch(self.seconds, begun=False) from None
        future: asyncio.Future[ResultT] = loop.create_future()

        def settle(result: Any, error: BaseException | None) -> None:
            self._places.release()
            if future.cancelled():
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        def work() -> None:
            result, error = None, None
            try:
                result = call()
            except BaseException as caught:  # noqa: BLE001 - it is raised where it is waited for
                error = caught
            try:
                loop.call_soon_threadsafe(settle, result, error)
            except RuntimeError:
                return  # the server has ended

        threading.Thread(target=work, name="question", daemon=True).start()
        try:
            async with asyncio.timeout_at(until):
                return await future
        except TimeoutError:
            raise TooMuch(self.seconds, begun=True) from None

"""Long work takes turns: of one caller's a little at a time, and the loop goes round in between.

A list of a thousand orders costs ten milliseconds of the loop. Someone who asks for a thousand of them at once waits for
himself; others wait for two.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from msgspec import Struct

from ordod.errors import Kind, OrdoError
from ordod.service.methods import Call, Outbox

__all__ = ["Turns"]


class _Lane(Struct):
    places: anyio.Semaphore
    users: int = 0


class Turns:
    """At most `at_once` of each caller, in the order they came."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._lanes: dict[str, _Lane] = {}

    @asynccontextmanager
    async def turn(self, call: Call) -> AsyncIterator[None]:
        """Wait for it; what is done within is the turn. The loop has gone round at least once before it begins.

        Who does not read what he was answered has no turn until he does: the next long answer would only wait beside it.

        Raises:
            OrdoError: OVERLOADED; his connection is closed.
        """
        lane = self._lanes.setdefault(call.caller.name, _Lane(anyio.Semaphore(self._at_once)))
        lane.users += 1
        try:
            await self._wait(lane, call.outbox)
            try:
                yield
            finally:
                lane.places.release()
        finally:
            lane.users -= 1
            if not lane.users:
                del self._lanes[call.caller.name]

    async def _wait(self, lane: _Lane, outbox: Outbox | None) -> None:
        """For his reading first, and without a place: he must not hold up the caller's other connections."""
        while True:
            if outbox is not None and not await outbox.until_free():
                raise OrdoError(Kind.OVERLOADED, "the connection was closed")
            await lane.places.acquire()
            if outbox is None or outbox.is_free:
                return
            lane.places.release()

"""A world in which nothing happens by chance: a test plays each life of the daemon by hand."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import anyio

from ordod.domain.orders import Order, OrderType, Product, Side
from tests.simulation.clients import Answer, call
from tests.simulation.loop import repeatable
from tests.simulation.world import ACCOUNT, Life, Profile, World, quiet

__all__ = ["Stage", "ask", "place"]

Play = Callable[["Stage", Life], Awaitable[None]]


class Stage(World):
    """`act` is one life; between two of them the process is killed, and its disk stays as it was written."""

    def __init__(self, **profile: Any) -> None:
        super().__init__(1, profile=Profile(keys=0, bots=0, listeners=0, **profile))
        self._play: Play

    def act(self, play: Play) -> None:
        """Raises what the daemon broke."""
        self._play = play
        with repeatable(), quiet(is_told=False):
            self._live(is_last=False)
        for broken in self.checks.found:
            raise broken.__cause__ or broken

    def may_release(self) -> bool:
        return False

    async def _until_the_end(self, life: Life) -> None:
        assert await life.parts.readers[ACCOUNT].seen_since(0.0, within_s=10)
        await anyio.sleep(0.2)  # for the instruments
        await self._play(self, life)
        assert self.loop is not None
        self.loop.die()


async def place(
    life: Life, key: str, quantity: int, *, timeout_ms: int = 10_000, price: Decimal | None = None
) -> Answer:
    """A BUY order below the price, unless one is given: it rests."""
    return await ask(
        life,
        "order.place",
        key=key,
        symbol="NSE:INFY",
        side=Side.BUY,
        quantity=quantity,
        type=OrderType.LIMIT,
        product=Product.MIS,
        price=price or life.world.far.price("NSE:INFY", Decimal("0.96")),
        timeout_ms=timeout_ms,
    )


async def ask(life: Life, method: str, **params: Any) -> Answer:
    return await call(life, method, **{"account": ACCOUNT, **params})


def listed(answer: Answer) -> list[Order]:
    orders: list[Order] = answer.result.orders
    return orders

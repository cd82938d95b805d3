"""A bot that follows a price: it buys, and sells when the price falls so far below the highest it saw.

    python examples/trailing_stop.py --account paper --symbol NSE:INFY --percent 0.5

Prices are pushed. Between two of them nothing is done, and whatever happened meanwhile, the newest comes next. Buying and
selling have keys made of `--run`: started again under the same name, it buys nothing twice and goes on watching. A rule for
showing, not for money: what protects money is a stop order at the broker.
"""

import argparse
import sys
from decimal import Decimal

import anyio

from ordoctl import AsyncClient, Refused
from ordoctl.models import Order

FILL_MS = 20_000


async def trade(client: AsyncClient, asked: argparse.Namespace, side: str) -> Order:
    """One market order, waited for. The same key again is the same order."""
    order = await client.order.place(
        account=asked.account,
        key=f"{asked.run}-{side}",
        symbol=asked.symbol,
        side=side,
        quantity=asked.quantity,
        type="MARKET",
        product="MIS",
        strategy="trailing-stop",
    )
    order = await client.order.get(order_id=order.order_id, wait_ms=FILL_MS)
    if order.status != "FILLED":
        raise SystemExit(f"{order.key} is {order.status}: look before going on")
    print(f"{side} {order.filled_quantity} at {order.average_price}", flush=True)
    return order


async def run(client: AsyncClient, asked: argparse.Namespace) -> None:
    bought = await trade(client, asked, "BUY")
    highest = bought.average_price or Decimal(0)
    async with client.ticks([asked.symbol], account=asked.account) as ticks:
        async for tick in ticks:
            highest = max(highest, tick.last_price)
            stop = highest * (1 - asked.percent / 100)
            if tick.last_price <= stop:
                print(f"{tick.last_price} is {asked.percent} % below {highest}", flush=True)
                break
    await trade(client, asked, "SELL")


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--account", required=True)
    parser.add_argument("--symbol", default="NSE:INFY")
    parser.add_argument("--quantity", type=int, default=10)
    parser.add_argument("--percent", type=Decimal, default=Decimal("0.5"))
    parser.add_argument("--run", default="trail-1", help="names this run: its keys are made of it")
    parser.add_argument("--socket", help="where ordod listens; default: the usual places")
    asked = parser.parse_args()
    async with AsyncClient(asked.socket) as client:
        try:
            await run(client, asked)
        except Refused as no:
            print(no, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(anyio.run(main))

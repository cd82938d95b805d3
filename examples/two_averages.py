"""A bot that runs on any broker: it holds shares while the fast average of the day's closes is above the slow one.

    python examples/two_averages.py --account paper --symbol NSE:INFY

It keeps no state. Every order's key is made of the day and the candle it was decided on, so a bot that died and is started
again decides the same from the morning on, sends the same keys, and owns nothing twice. A rule for showing, not for money.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

from ordoctl import Client, Refused

IST = timezone(timedelta(hours=5, minutes=30))
CANDLE = "15m"
FAST, SLOW = 2, 5
OPENS, LAST = (9, 15), (15, 0)  # the first candle, and the one at which the day's work ends
FILL_MS = 20_000


def holds(closes: Sequence[float]) -> bool:
    """The rule."""
    return sum(closes[-FAST:]) / FAST > sum(closes[-SLOW:]) / SLOW


def at(day: datetime, time_of_day: tuple[int, int]) -> datetime:
    hour, minute = time_of_day
    return day.replace(hour=hour, minute=minute, second=0, microsecond=0)


def closed_candles(
    client: Client, account: str, symbol: str, day: datetime
) -> list[tuple[datetime, float]]:
    """Start and close of every candle of the day that has ended: one has, once the next has begun."""
    found = client.market.candles(
        symbol, CANDLE, at(day, OPENS).isoformat(), at(day, LAST).isoformat(), account
    )
    return [(candle.at.astimezone(IST), float(candle.close)) for candle in found][:-1]


def trade(client: Client, account: str, symbol: str, quantity: int, side: str, key: str) -> None:
    """One market order, waited for. The same key again is the same order."""
    order = client.order.place(
        account=account,
        key=key,
        symbol=symbol,
        side=side,
        quantity=quantity,
        type="MARKET",
        product="CNC",
        strategy="two-averages",
    )
    order = client.order.get(order_id=order.order_id, wait_ms=FILL_MS)
    print(
        f"{key}: {side} {order.filled_quantity} at {order.average_price} {order.status}", flush=True
    )
    if order.status != "FILLED":
        raise SystemExit(f"{key} is {order.status}: look before going on")


def run(client: Client, account: str, symbol: str, quantity: int, every_s: float) -> None:
    day = datetime.now(IST)
    decided, held = 0, False
    while True:
        candles = closed_candles(client, account, symbol, day)
        for number in range(decided + 1, len(candles) + 1):
            began = candles[number - 1][0]
            closes = [close for _, close in candles[:number]]
            wanted = number >= SLOW and holds(closes)
            if wanted is not held:
                side = "BUY" if wanted else "SELL"
                trade(client, account, symbol, quantity, side, f"{day:%y%m%d}-{began:%H%M}-{side}")
                held = wanted
            print(f"{began:%H:%M} {'holds' if held else 'is out'}", flush=True)
        decided = len(candles)
        if candles and candles[-1][0] + timedelta(minutes=15) >= at(day, LAST):
            return
        time.sleep(every_s)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--account", required=True)
    parser.add_argument("--symbol", default="NSE:INFY")
    parser.add_argument("--quantity", type=int, default=10)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between looks")
    parser.add_argument("--socket", help="where ordod listens; default: the usual places")
    asked = parser.parse_args()
    with Client(asked.socket) as client:
        try:
            run(client, asked.account, asked.symbol, asked.quantity, asked.every)
        except Refused as no:
            print(no, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

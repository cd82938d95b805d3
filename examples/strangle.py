"""Picks the call and the put whose delta is nearest to a wish, and sells both, one order each.

    python examples/strangle.py --account paper --underlying NSE_INDEX:NIFTY --delta 0.3

Without `--place` it only shows what it would do. Its keys are made of the day: a second run the same day sells nothing more.
Where the same options are nearest it is told the first orders; where others are, it is refused. A rule for showing, not for money: what it sells has no stop.
"""

import argparse
import sys
from datetime import datetime, timedelta, timezone

from ordoctl import Client, Refused
from ordoctl.models import OptionChain, OptionLeg

IST = timezone(timedelta(hours=5, minutes=30))


def nearest(chain: OptionChain, kind: str, wish: float) -> tuple[OptionLeg, float]:
    """The option whose delta, without its sign, is nearest, and that delta. Those without a price have none."""
    legs = [row.call if kind == "CE" else row.put for row in chain.strikes]
    known = [(leg, leg.greeks.delta) for leg in legs if leg is not None and leg.greeks is not None]
    if not known:
        raise SystemExit(f"no {kind} of {chain.symbol} has a price")
    return min(known, key=lambda one: abs(abs(one[1]) - wish))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--account", required=True)
    parser.add_argument("--underlying", default="NSE_INDEX:NIFTY")
    parser.add_argument("--delta", type=float, default=0.3)
    parser.add_argument("--place", action="store_true", help="sell them, not only show them")
    parser.add_argument("--socket", help="where ordod listens; default: the usual places")
    asked = parser.parse_args()
    with Client(asked.socket) as client:
        chain = client.market.option_chain(asked.underlying, strikes=10, account=asked.account)
        for kind in ("CE", "PE"):
            option, delta = nearest(chain, kind, asked.delta)
            print(f"{option.symbol} at {option.last_price}, delta {delta:.2f}")
            if not asked.place:
                continue
            try:
                order = client.order.place(
                    account=asked.account,
                    key=f"{datetime.now(IST):%y%m%d}-strangle-{kind}",
                    symbol=option.symbol,
                    side="SELL",
                    quantity=chain.lot_size or 1,
                    type="MARKET",
                    product="NRML",
                    strategy="strangle",
                )
            except Refused as no:
                print(no, file=sys.stderr)
                return 1
            print(f"{order.key}: {order.status}{' (as before)' if order.replayed else ''}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

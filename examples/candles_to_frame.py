"""Weeks of candles as a pandas DataFrame, and what one does with it. Wants pandas: pip install 'ordod[frame]'.

python examples/candles_to_frame.py --symbol NSE:INFY --days 30
"""

import argparse
import sys
from datetime import datetime, timedelta, timezone

from ordoctl import Client

IST = timezone(timedelta(hours=5, minutes=30))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbol", default="NSE:INFY")
    parser.add_argument("--interval", default="15m")
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--account", help="whose broker is asked; default: any that has a session")
    parser.add_argument("--socket", help="where ordod listens; default: the usual places")
    asked = parser.parse_args()
    now = datetime.now(IST)
    with Client(asked.socket) as client:
        candles = client.market.candles(
            asked.symbol,
            asked.interval,
            now - timedelta(days=asked.days),
            now,
            asked.account,
            progress=lambda done, of: print(f"{done} of {of} parts", file=sys.stderr),
        )
    frame = candles.to_frame()
    days = frame.resample("1D").agg({"open": "first", "high": "max", "low": "min", "close": "last"})
    days = days.dropna()
    days["range"] = (days["high"] - days["low"]) / days["open"] * 100
    print(days.round(2).to_string())
    print(f"{len(frame)} candles; a day moves {days['range'].mean():.2f} % on average")
    return 0


if __name__ == "__main__":
    sys.exit(main())

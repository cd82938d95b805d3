"""The broker's own SDK, timing its own calls. Runs in the SDK's environment: `sdk_orders.py URL API_KEY ACCESS_TOKEN PRICE`.

For each line on standard input, a count, it places so many orders and writes the seconds of each as a JSON list.
"""

import json
import sys
import time

from kiteconnect import KiteConnect  # type: ignore[import-not-found, unused-ignore]

URL, API_KEY, ACCESS_TOKEN, PRICE = sys.argv[1:]


def main() -> None:
    kite = KiteConnect(API_KEY, access_token=ACCESS_TOKEN, root=URL)
    for line in sys.stdin:
        took = []
        for number in range(int(line)):
            begun = time.perf_counter()
            kite.place_order(
                "regular",
                exchange="NSE",
                tradingsymbol="INFY",
                transaction_type="BUY",
                quantity=1,
                product="MIS",
                order_type="LIMIT",
                price=float(PRICE),
                validity="DAY",
                tag=f"sdk{number}",
            )
            took.append(time.perf_counter() - begun)
        sys.stdout.write(json.dumps(took) + "\n")
        sys.stdout.flush()


main()

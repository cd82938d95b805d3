"""Makes the calls it is given with Zerodha's own SDK, in its environment: `kite_calls.py URL`, calls as JSON on standard input.

A call is `{"name", "call", "arguments"}`. What the other side answers is of no interest here: it records what was sent.
"""

import json
import sys

from kiteconnect import KiteConnect  # type: ignore[import-not-found, unused-ignore]

for one in json.load(sys.stdin):
    kite = KiteConnect("key0", access_token="token0", root=sys.argv[1])
    arguments = dict(one["arguments"])
    positional = arguments.pop("*", [])
    getattr(kite, one["call"])(*positional, **arguments)

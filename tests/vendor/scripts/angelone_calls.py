"""Makes the calls it is given with Angel One's own SDK, in its environment: `angelone_calls.py URL`, calls as JSON on standard input.

A call is `{"name", "call", "arguments"}`. What the other side answers is of no interest here: it records what was sent.
"""

import json
import sys

from angelone_sdk import connect  # type: ignore[import-not-found, unused-ignore]

for one in json.load(sys.stdin):
    client = connect(sys.argv[1], api_key="key0", access_token="token0")
    arguments = dict(one["arguments"])
    positional = arguments.pop("*", [])
    getattr(client, one["call"])(*positional, **arguments)

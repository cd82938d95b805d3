"""Makes the calls it is given with one of Kambala's SDKs, in its environment: `noren_calls.py URL`, calls as JSON on standard input.

A call is `{"name", "call", "arguments"}`. What the other side answers is of no interest here: it records what was sent.
"""

import json
import sys

from NorenRestApiPy.NorenApi import (  # type: ignore[import-not-found, unused-ignore]
    NorenApi,
)

URL = sys.argv[1]
api = NorenApi(host=URL, websocket="ws://127.0.0.1:9/")
if hasattr(api, "injectOAuthHeader"):
    api.injectOAuthHeader("token0", "FA00001", "FA00001")
else:
    api.set_session(userid="FA00001", password="", usertoken="token0")
for one in json.load(sys.stdin):
    getattr(api, one["call"])(**one["arguments"])

"""Makes the calls it is given with Dhan's own SDK, in its environment: `dhan_calls.py URL`, calls as JSON on standard input.

A call is `{"name", "call", "arguments"}`; `login.` before its name is the SDK's login object. What the other side answers is of
no interest here: it records what was sent.
"""

import json
import sys
import webbrowser

from dhanhq import DhanContext, DhanLogin, dhanhq  # type: ignore[import-not-found, unused-ignore]
from dhanhq._security import Security  # type: ignore[import-not-found, unused-ignore]

URL = sys.argv[1]
DhanLogin.AUTH_BASE_URL = DhanLogin.API_BASE_URL = URL
Security.DETAILED_CSV_URL = f"{URL}/api-data/api-scrip-master-detailed.csv"
webbrowser.open = lambda *_: True  # type: ignore[assignment, unused-ignore]  # the consent page is a person's

for one in json.load(sys.stdin):
    context = DhanContext("1000000003", "token0")
    context.get_dhan_http().base_url = URL
    where, _, name = one["call"].rpartition(".")
    owner = context.get_dhan_login() if where == "login" else dhanhq(context)
    getattr(owner, name)(**one["arguments"])

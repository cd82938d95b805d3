"""Makes the calls it is given with FYERS' own SDK, in its environment: `fyers_calls.py URL`, calls as JSON on standard input.

A call is `{"name", "call", "arguments"}`; `session` is the SDK's exchange of an auth code. What the other side answers is of no
interest here: it records what was sent.
"""

import json
import sys
import tempfile

from fyers_apiv3 import fyersModel  # type: ignore[import-not-found, unused-ignore]

URL = sys.argv[1]
APP = "ABCD1234XY-100"
fyersModel.Config.API = fyersModel.Config.DATA_API = URL

with tempfile.TemporaryDirectory() as logs:  # it logs to the current folder otherwise
    fyers = fyersModel.FyersModel(client_id=APP, token="token0", log_path=logs)
    for one in json.load(sys.stdin):
        if one["call"] == "session":
            session = fyersModel.SessionModel(
                client_id=APP,
                secret_key="SECRET1234",
                grant_type="authorization_code",
            )
            session.set_token(one["arguments"]["auth_code"])
            session.generate_token()
        else:
            getattr(fyers, one["call"])(**one["arguments"])

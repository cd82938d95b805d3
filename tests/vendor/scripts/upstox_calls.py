"""Makes the calls it is given with Upstox's own SDK, in its environment: `upstox_calls.py URL`, calls as JSON on standard input.

A call is `{"name", "call", "arguments"}`; `call` is an API class and its method, and an argument with a `model` becomes that
model of the SDK. What the other side answers is of no interest here: it records what was sent, and the answer is not read.
"""

import json
import sys
from typing import Any

import upstox_client  # type: ignore[import-not-found, unused-ignore]

configuration = upstox_client.Configuration()
configuration.host = sys.argv[1]
configuration.order_host = f"{sys.argv[1]}/hft"  # which calls go there is seen in their path
configuration.access_token = "token0"
client = upstox_client.ApiClient(configuration)


def argument(value: Any) -> Any:
    if isinstance(value, list):
        return [argument(one) for one in value]
    if not isinstance(value, dict):
        return value
    fields = {name: argument(one) for name, one in value.items() if name != "model"}
    return getattr(upstox_client, value["model"])(**fields)


for one in json.load(sys.stdin):
    api, method = one["call"].split(".")
    arguments = {name: argument(value) for name, value in one["arguments"].items()}
    positional = arguments.pop("*", [])
    call = getattr(getattr(upstox_client, api)(client), method)
    call(*positional, **arguments, _preload_content=False)

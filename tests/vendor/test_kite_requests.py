"""What Zerodha's own SDK sends for each operation is what our sample of it says; `--write-samples` writes it anew.

The fast adapter tests compare our requests with that file and need no SDK.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.vendor.recording import Call, check_sample, sent

pytestmark = pytest.mark.vendor
SCRIPT = Path(__file__).parent / "scripts" / "kite_calls.py"
SAMPLE = Path(__file__).parents[1] / "adapters" / "zerodha" / "samples" / "vendor" / "requests.json"

BUY = {
    "exchange": "NSE",
    "tradingsymbol": "INFY",
    "transaction_type": "BUY",
    "quantity": 10,
    "product": "CNC",
    "validity": "DAY",
}
SELL = BUY | {"transaction_type": "SELL", "product": "MIS"}
LIMIT = {"order_type": "LIMIT", "price": 1450.5}
TAG = {"tag": "a7f3a91c2dk5m7q2w3xy"}
LEG = {
    "transaction_type": "SELL",
    "quantity": 10,
    "order_type": "LIMIT",
    "product": "CNC",
}
GTT = {"tradingsymbol": "INFY", "exchange": "NSE", "last_price": 1450.5}
ONE_LEG = GTT | {
    "trigger_type": "single",
    "trigger_values": [1400.0],
    "orders": [LEG | {"price": 1399.5}],
}
TWO_LEGS = GTT | {
    "trigger_type": "two-leg",
    "trigger_values": [1400.0, 1500.0],
    "orders": [LEG | {"price": 1399.5}, LEG | {"price": 1500.5}],
}
ASKED = {
    "exchange": "NSE",
    "tradingsymbol": "INFY",
    "transaction_type": "BUY",
    "variety": "regular",
    "product": "CNC",
    "order_type": "LIMIT",
    "quantity": 10,
    "price": 1450.5,
    "trigger_price": 0,
}
SPAN = {"from_date": "2026-11-24 09:15:00", "to_date": "2026-11-24 15:30:00"}


def regular(**more: Any) -> dict[str, Any]:
    return {"variety": "regular", **more}


CALLS: dict[str, Call] = {
    "session": ("generate_session", {"request_token": "request0", "api_secret": "secret0"}),
    "logout": ("invalidate_access_token", {}),
    "profile": ("profile", {}),
    "place_limit": ("place_order", regular(**BUY, **LIMIT, **TAG)),
    "place_market": (
        "place_order",
        regular(**BUY, order_type="MARKET", market_protection=-1, **TAG),
    ),
    "place_market_protected": (
        "place_order",
        regular(**BUY, order_type="MARKET", market_protection=2.5, **TAG),
    ),
    "place_sl": (
        "place_order",
        regular(**SELL, order_type="SL", price=1395.5, trigger_price=1400.5, **TAG),
    ),
    "place_slm": (
        "place_order",
        regular(**SELL, order_type="SL-M", trigger_price=1400.5, market_protection=-1, **TAG),
    ),
    "place_ioc": ("place_order", regular(**(BUY | {"validity": "IOC"}), **LIMIT, **TAG)),
    "place_ttl": (
        "place_order",
        regular(**(BUY | {"validity": "TTL"}), **LIMIT, validity_ttl=5, **TAG),
    ),
    "place_disclosed": ("place_order", regular(**BUY, **LIMIT, disclosed_quantity=5, **TAG)),
    "place_amo": ("place_order", {"variety": "amo", **BUY, **LIMIT, **TAG}),
    "place_iceberg": (
        "place_order",
        {"variety": "iceberg", **BUY, **LIMIT, "iceberg_legs": 2, "iceberg_quantity": 5, **TAG},
    ),
    "place_cover": (
        "place_order",
        {"variety": "co", **(BUY | {"product": "MIS"}), **LIMIT, "trigger_price": 1400.5, **TAG},
    ),
    "place_mcx": (
        "place_order",
        regular(
            exchange="MCX",
            tradingsymbol="CRUDEOIL26DECFUT",
            transaction_type="BUY",
            quantity=2,
            product="NRML",
            validity="DAY",
            order_type="LIMIT",
            price=5800,
            **TAG,
        ),
    ),
    "modify_price": (
        "modify_order",
        regular(order_id="1953341975595868160", order_type="LIMIT", price=1449.5),
    ),
    "modify_quantity": ("modify_order", regular(order_id="1953341975595868160", quantity=20)),
    "modify_to_market": (
        "modify_order",
        regular(order_id="1953341975595868160", order_type="MARKET", market_protection=-1),
    ),
    "cancel": ("cancel_order", regular(order_id="1953341975595868160")),
    "exit_cover": (
        "exit_order",
        {
            "variety": "co",
            "order_id": "1953341975595868161",
            "parent_order_id": "1953341975595868160",
        },
    ),
    "orders": ("orders", {}),
    "trail": ("order_history", {"order_id": "1953341975595868160"}),
    "trades": ("trades", {}),
    "positions": ("positions", {}),
    "convert": (
        "convert_position",
        {
            "exchange": "NSE",
            "tradingsymbol": "INFY",
            "transaction_type": "BUY",
            "position_type": "day",
            "quantity": 10,
            "old_product": "MIS",
            "new_product": "CNC",
        },
    ),
    "holdings": ("holdings", {}),
    "funds": ("margins", {}),
    "gtt_place_single": ("place_gtt", ONE_LEG),
    "gtt_place_two_legs": ("place_gtt", TWO_LEGS),
    "gtt_modify": ("modify_gtt", {"trigger_id": 123, **ONE_LEG}),
    "gtt_delete": ("delete_gtt", {"trigger_id": 123}),
    "gtts": ("get_gtts", {}),
    "margin_of_one": ("order_margins", {"params": [ASKED]}),
    "margin_of_two": ("basket_order_margins", {"params": [ASKED, ASKED]}),
    "quote": ("quote", {"*": ["NSE:INFY", "NSE:NIFTY 50", "NSE:M&M"]}),
    "ltp": ("ltp", {"*": ["NSE:INFY", "NSE:NIFTY 50", "NSE:M&M"]}),
    "candles": ("historical_data", {"instrument_token": 408065, "interval": "5minute", **SPAN}),
    "candles_with_oi": (
        "historical_data",
        {"instrument_token": 8960002, "interval": "day", "oi": True, **SPAN},
    ),
    "instruments": ("instruments", {}),
}


HEADERS = ("x-kite-version", "authorization", "content-type")
DATA = {"order_id": "1", "trigger_id": 1, "login_time": "", "candles": []}
CSV = b"instrument_token,exchange_token,tradingsymbol\n"


def answer(path: str) -> tuple[str, bytes]:
    """The little that the SDK needs to go on."""
    if path.startswith("/instruments") and path.count("/") < 3:
        return "text/csv", CSV
    data = {} if path.startswith("/quote") else DATA
    return "application/json", json.dumps({"status": "success", "data": data}).encode()


def test_the_sample_is_what_the_sdk_sends(
    sdk_python: Callable[[str], Path], pytestconfig: pytest.Config
) -> None:
    kept = sent(sdk_python("zerodha"), SCRIPT, CALLS, headers=HEADERS, answer=answer)

    write = pytestconfig.getoption("--write-samples", default=False)
    check_sample(SAMPLE, "kiteconnect 5.2.2", kept, write=write)

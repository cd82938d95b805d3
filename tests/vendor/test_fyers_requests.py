"""What FYERS' own SDK sends for each operation is what our sample of it says; `--write-samples` writes it anew.

The fast adapter tests compare our requests with that file and need no SDK. It has no call for margins and none for the
instrument files.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.vendor.recording import Call, check_sample, sent

pytestmark = pytest.mark.vendor
SCRIPT = Path(__file__).parent / "scripts" / "fyers_calls.py"
SAMPLE = Path(__file__).parents[1] / "adapters" / "fyers" / "samples" / "vendor" / "requests.json"

BUY = {
    "symbol": "NSE:SBIN-EQ",
    "qty": 5,
    "type": 1,
    "side": 1,
    "productType": "INTRADAY",
    "limitPrice": 801.5,
    "stopPrice": 0,
    "validity": "DAY",
    "disclosedQty": 0,
    "offlineOrder": False,
    "stopLoss": 0,
    "takeProfit": 0,
    "orderTag": "a7f3a91c2dk5m7q2w3xy",
}
CRUDE = {
    "symbol": "MCX:CRUDEOIL26JANFUT",
    "productType": "MARGIN",
    "qty": 2,
    "limitPrice": 5800,
}
ORDER = {"id": "26010500000123"}
LOWER = {"price": 760, "triggerPrice": 761, "qty": 1}
UPPER = {"price": 850, "triggerPrice": 849, "qty": 1}
ONE_LEG = {
    "side": -1,
    "symbol": "NSE:SBIN-EQ",
    "productType": "CNC",
    "orderInfo": {"leg1": UPPER},
}
TWO_LEGS = ONE_LEG | {"orderInfo": {"leg1": UPPER, "leg2": LOWER}}
CANDLES = {
    "symbol": "NSE:M&M-EQ",
    "resolution": "5",
    "date_format": "0",
    "range_from": "1767584700",
    "range_to": "1767607200",
    "cont_flag": "0",
    "oi_flag": "0",
}


def data(value: Any) -> dict[str, Any]:
    return {"data": value}


CALLS: dict[str, Call] = {
    "session": ("session", {"auth_code": "header.payload.signature"}),
    "logout": ("logout", {}),
    "profile": ("get_profile", {}),
    "place_limit": ("place_order", data(BUY)),
    "place_market": ("place_order", data(BUY | {"type": 2, "limitPrice": 0})),
    "place_sl": (
        "place_order",
        data(BUY | {"type": 4, "side": -1, "limitPrice": 795, "stopPrice": 796}),
    ),
    "place_slm": (
        "place_order",
        data(BUY | {"type": 3, "side": -1, "limitPrice": 0, "stopPrice": 796}),
    ),
    "place_ioc": ("place_order", data(BUY | {"validity": "IOC"})),
    "place_disclosed": ("place_order", data(BUY | {"disclosedQty": 2})),
    "place_amo": ("place_order", data(BUY | {"offlineOrder": True})),
    "place_mcx": ("place_order", data(BUY | CRUDE)),
    "modify": ("modify_order", data(ORDER | {"type": 1, "limitPrice": 800, "qty": 6})),
    "modify_to_sl": (
        "modify_order",
        data(ORDER | {"type": 4, "limitPrice": 800, "stopPrice": 799}),
    ),
    "cancel": ("cancel_order", data(ORDER)),
    "orders": ("orderbook", {}),
    "by_tag": ("orderbook", data({"order_tag": "1:a7f3a91c2dk5m7q2w3xy"})),
    "trades": ("tradebook", {}),
    "gtt_place_one": ("place_gtt_order", data(ONE_LEG)),
    "gtt_place_two": ("place_gtt_order", data(TWO_LEGS)),
    "gtt_modify": ("modify_gtt_order", data(TWO_LEGS | {"id": "25012400000001"})),
    "gtt_cancel": ("cancel_gtt_order", data({"id": "25012400000001"})),
    "gtts": ("gtt_orderbook", {}),
    "positions": ("positions", {}),
    "holdings": ("holdings", {}),
    "funds": ("funds", {}),
    "convert": (
        "convert_position",
        data(
            {
                "symbol": "NSE:SBIN-EQ-INTRADAY",
                "positionSide": 1,
                "convertQty": 1,
                "convertFrom": "INTRADAY",
                "convertTo": "CNC",
                "overnight": 0,
            }
        ),
    ),
    "quotes": ("quotes", data({"symbols": "NSE:SBIN-EQ,NSE:M&M-EQ"})),
    "depth": ("depth", data({"symbol": "NSE:SBIN-EQ", "ohlcv_flag": "1"})),
    "candles_of_minutes": ("history", data(CANDLES)),
    "candles_of_days": (
        "history",
        data(
            CANDLES
            | {
                "symbol": "MCX:CRUDEOIL26JANFUT",
                "resolution": "1D",
                "date_format": "1",
                "range_from": "2026-01-05",
                "range_to": "2026-01-06",
                "oi_flag": "1",
            }
        ),
    ),
}
HEADERS = ("authorization", "content-type", "version")


def answer(path: str) -> tuple[str, bytes]:
    """The little that the SDK needs to go on."""
    return "application/json", json.dumps({"s": "ok", "code": 200, "message": ""}).encode()


def test_the_sample_is_what_the_sdk_sends(
    sdk_python: Callable[[str], Path], pytestconfig: pytest.Config
) -> None:
    kept = sent(sdk_python("fyers"), SCRIPT, CALLS, headers=HEADERS, answer=answer)

    write: Any = pytestconfig.getoption("--write-samples", default=False)
    check_sample(SAMPLE, "fyers-apiv3 3.2.0", kept, write=bool(write))

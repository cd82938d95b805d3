"""What Kambala's own SDKs send for each operation is what our samples of it say; `--write-samples` writes them anew.

Two members stand for the family: Shoonya's way (OAuth, a Bearer header) and Flattrade's (the token in the body). The SDKs have no calls
for GTT, user details and margins of orders.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.vendor.environments import SDKS
from tests.vendor.recording import Call, check_sample, sent

pytestmark = pytest.mark.vendor
SCRIPT = Path(__file__).parent / "scripts" / "noren_calls.py"
SAMPLES = Path(__file__).parents[1] / "adapters"

BUY: dict[str, Any] = {
    "buy_or_sell": "B",
    "product_type": "I",
    "exchange": "NSE",
    "tradingsymbol": "INFY-EQ",
    "quantity": 3,
    "discloseqty": 0,
    "price_type": "LMT",
    "price": "1510.5",
    "trigger_price": None,
    "retention": "DAY",
    "remarks": "a7f3a91c2dk5m7q2w3xy",
}
STOP = BUY | {"buy_or_sell": "S", "price_type": "SL-LMT", "price": "1495", "trigger_price": "1500"}
CHANGE: dict[str, Any] = {
    "orderno": "26010500000417",
    "exchange": "NSE",
    "tradingsymbol": "INFY-EQ",
    "newquantity": 4,
    "newprice_type": "LMT",
    "newprice": "1509",
}
CALLS: dict[str, Call] = {
    "place_limit": ("place_order", BUY),
    "place_sl": ("place_order", STOP),
    "place_disclosed": ("place_order", BUY | {"discloseqty": 1}),
    "place_ioc": ("place_order", BUY | {"retention": "IOC"}),
    "place_amo": ("place_order", BUY | {"amo": "Yes"}),
    "place_ampersand": ("place_order", BUY | {"tradingsymbol": "M&M-EQ"}),
    "modify": ("modify_order", CHANGE),
    "modify_to_sl": (
        "modify_order",
        CHANGE | {"newprice_type": "SL-LMT", "newtrigger_price": "1508"},
    ),
    "cancel": ("cancel_order", {"orderno": "26010500000417"}),
    "orders": ("get_order_book", {}),
    "trail": ("single_order_history", {"orderno": "26010500000417"}),
    "trades": ("get_trade_book", {}),
    "positions": ("get_positions", {}),
    "holdings": ("get_holdings", {"product_type": "C"}),
    "funds": ("get_limits", {}),
    "convert": (
        "position_product_conversion",
        {
            "exchange": "NSE",
            "tradingsymbol": "INFY-EQ",
            "quantity": 3,
            "new_product_type": "C",
            "previous_product_type": "I",
            "buy_or_sell": "B",
            "day_or_cf": "DAY",
        },
    ),
    "quotes": ("get_quotes", {"exchange": "NSE", "token": "1594"}),
    "candles_of_minutes": (
        "get_time_price_series",
        {
            "exchange": "NSE",
            "token": "1594",
            "starttime": 1767584700,
            "endtime": 1767607200,
            "interval": 5,
        },
    ),
    "candles_of_days": (
        "get_daily_price_series",
        {
            "exchange": "NSE",
            "tradingsymbol": "INFY-EQ",
            "startdate": 1767551400,
            "enddate": 1767607200,
        },
    ),
    "logout": ("logout", {}),
}


def answer(path: str) -> tuple[str, bytes]:
    """The little that the SDKs need to go on."""
    return "application/json", json.dumps({"stat": "Ok", "values": []}).encode()


@pytest.mark.parametrize("member", ["shoonya", "flattrade"])
def test_the_sample_is_what_the_sdk_sends(
    sdk_python: Callable[[str], Path], pytestconfig: pytest.Config, member: str
) -> None:
    kept = sent(sdk_python(member), SCRIPT, CALLS, headers=("authorization",), answer=answer)

    write: Any = pytestconfig.getoption("--write-samples", default=False)
    sample = SAMPLES / member / "samples" / "vendor" / "requests.json"
    check_sample(sample, SDKS[member][0].replace("==", " "), kept, write=bool(write))

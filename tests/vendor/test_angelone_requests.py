"""What Angel One's own SDK sends for each operation is what our sample of it says; `--write-samples` writes it anew.

The SDK sends the bodies it is given: those of orders, triggers and conversions are the ones its own tests give it
(smartapi-python 1.5.5, test/testcases.py), with the fields that the broker's documentation adds.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.vendor.recording import Call, check_sample, sent

pytestmark = pytest.mark.vendor
SCRIPT = Path(__file__).parent / "scripts" / "angelone_calls.py"
SAMPLE = (
    Path(__file__).parents[1] / "adapters" / "angelone" / "samples" / "vendor" / "requests.json"
)

BUY = {
    "variety": "NORMAL",
    "tradingsymbol": "SBIN-EQ",
    "symboltoken": "3045",
    "transactiontype": "BUY",
    "exchange": "NSE",
    "ordertype": "LIMIT",
    "producttype": "DELIVERY",
    "duration": "DAY",
    "price": "812.5",
    "triggerprice": "0",
    "squareoff": "0",
    "stoploss": "0",
    "quantity": "10",
    "ordertag": "a7f3a91c2dk5m7q2w3x",
}
STOP = BUY | {
    "variety": "STOPLOSS",
    "transactiontype": "SELL",
    "producttype": "INTRADAY",
    "triggerprice": "800",
}
CHANGED = {
    "variety": "NORMAL",
    "orderid": "251013000481205",
    "ordertype": "LIMIT",
    "producttype": "DELIVERY",
    "duration": "DAY",
    "price": "811.5",
    "triggerprice": "0",
    "quantity": "10",
    "tradingsymbol": "SBIN-EQ",
    "symboltoken": "3045",
    "exchange": "NSE",
}
TERMS = {"price": 781, "qty": 10, "triggerprice": 780, "disclosedqty": 10, "timeperiod": 365}


def order(**more: Any) -> dict[str, Any]:
    return {"orderparams": BUY | more}


CALLS: dict[str, Call] = {
    "login": ("generateSession", {"clientCode": "A100001", "password": "4821", "totp": "331207"}),
    "logout": ("terminateSession", {"clientCode": "A100001"}),
    "user": ("getProfile", {"refreshToken": "refresh0"}),
    "place_limit": ("placeOrder", order()),
    "place_market": ("placeOrder", order(ordertype="MARKET", price="0")),
    "place_sl": (
        "placeOrder",
        {"orderparams": STOP | {"ordertype": "STOPLOSS_LIMIT", "price": "799.5"}},
    ),
    "place_slm": (
        "placeOrder",
        {"orderparams": STOP | {"ordertype": "STOPLOSS_MARKET", "price": "0"}},
    ),
    "place_ioc": ("placeOrder", order(duration="IOC", producttype="MARGIN")),
    "place_disclosed": ("placeOrder", order(disclosedquantity="5")),
    "place_nfo": (
        "placeOrder",
        order(
            tradingsymbol="NIFTY28OCT2525000CE",
            symboltoken="44662",
            exchange="NFO",
            producttype="CARRYFORWARD",
            quantity="75",
        ),
    ),
    "modify_price": ("modifyOrder", {"orderparams": CHANGED}),
    "modify_to_market": (
        "modifyOrder",
        {"orderparams": CHANGED | {"ordertype": "MARKET", "price": "0", "quantity": "20"}},
    ),
    "modify_sl": (
        "modifyOrder",
        {
            "orderparams": CHANGED
            | {"variety": "STOPLOSS", "ordertype": "STOPLOSS_LIMIT", "triggerprice": "801"}
        },
    ),
    "cancel": ("cancelOrder", {"order_id": "251013000481205", "variety": "NORMAL"}),
    "cancel_sl": ("cancelOrder", {"order_id": "251013000481205", "variety": "STOPLOSS"}),
    "orders": ("orderBook", {}),
    "trail": ("individual_order_details", {"qParam": "8d0b7f0e-1f6c-4b57-9c4a-1f3f27c2a4b1"}),
    "trades": ("tradeBook", {}),
    "positions": ("position", {}),
    "holdings": ("holding", {}),
    "funds": ("rmsLimit", {}),
    "convert": (
        "convertPosition",
        {
            "positionParams": {
                "exchange": "NSE",
                "symboltoken": "3045",
                "oldproducttype": "INTRADAY",
                "newproducttype": "DELIVERY",
                "tradingsymbol": "SBIN-EQ",
                "transactiontype": "BUY",
                "quantity": 10,
                "type": "DAY",
            }
        },
    ),
    "place_gtt": (
        "gttCreateRule",
        {
            "createRuleParams": {
                "tradingsymbol": "SBIN-EQ",
                "symboltoken": "3045",
                "exchange": "NSE",
                "producttype": "DELIVERY",
                "transactiontype": "BUY",
                **TERMS,
            }
        },
    ),
    "modify_gtt": (
        "gttModifyRule",
        {
            "modifyRuleParams": {
                "id": "1857148",
                "symboltoken": "3045",
                "exchange": "NSE",
                **TERMS,
            }
        },
    ),
    "cancel_gtt_details": ("gttDetails", {"id": "1857148"}),
    "cancel_gtt": (
        "gttCancelRule",
        {"gttCancelParams": {"id": "1857148", "symboltoken": "3045", "exchange": "NSE"}},
    ),
    "gtts": ("gttLists", {"status": ["FORALL"], "page": 1, "count": 50}),
    "margin": (
        "getMarginApi",
        {
            "params": {
                "positions": [
                    {
                        "exchange": "NFO",
                        "qty": 75,
                        "price": 120.5,
                        "productType": "CARRYFORWARD",
                        "token": "44662",
                        "tradeType": "SELL",
                        "orderType": "LIMIT",
                    }
                ]
            }
        },
    ),
    "quotes": (
        "getMarketData",
        {
            "mode": "FULL",
            "exchangeTokens": {"NSE": ["3045", "99926000"], "NFO": ["44662"], "BSE": ["99919000"]},
        },
    ),
    "ltp": ("getMarketData", {"mode": "LTP", "exchangeTokens": {"NSE": ["3045"]}}),
    "candles": (
        "getCandleData",
        {
            "historicDataParams": {
                "exchange": "NSE",
                "symboltoken": "3045",
                "interval": "FIVE_MINUTE",
                "fromdate": "2025-10-13 09:15",
                "todate": "2025-10-13 15:30",
            }
        },
    ),
}

HEADERS = (
    *("accept", "authorization", "content-type", "x-usertype", "x-sourceid"),
    *("x-clientlocalip", "x-clientpublicip", "x-macaddress", "x-privatekey"),
)


def answer(path: str) -> tuple[str, bytes]:
    """The little that the SDK needs to go on. A login that is refused asks no further."""
    if path.endswith("loginByPassword"):
        envelope: dict[str, Any] = {
            "status": False,
            "message": "",
            "errorcode": "AB1050",
            "data": None,
        }
    else:
        envelope = {
            "status": True,
            "message": "SUCCESS",
            "errorcode": "",
            "data": {"id": 1, "orderid": "1"},
        }
    return "application/json", json.dumps(envelope).encode()


def test_the_sample_is_what_the_sdk_sends(
    sdk_python: Callable[[str], Path], pytestconfig: pytest.Config
) -> None:
    kept = sent(sdk_python("angelone"), SCRIPT, CALLS, headers=HEADERS, answer=answer)

    write = pytestconfig.getoption("--write-samples", default=False)
    check_sample(SAMPLE, "smartapi-python 1.5.5", kept, write=write)

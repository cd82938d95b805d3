"""What Dhan's own SDK sends for each operation is what our sample of it says; `--write-samples` writes it anew.

The fast adapter tests compare our requests with that file and need no SDK.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.vendor.recording import Call, check_sample, sent

pytestmark = pytest.mark.vendor
SCRIPT = Path(__file__).parent / "scripts" / "dhan_calls.py"
SAMPLE = Path(__file__).parents[1] / "adapters" / "dhan" / "samples" / "vendor" / "requests.json"

BUY = {
    "security_id": "11536",
    "exchange_segment": "NSE_EQ",
    "transaction_type": "BUY",
    "quantity": 5,
    "product_type": "INTRADAY",
    "order_type": "LIMIT",
    "price": 3345.5,
    "tag": "a7f3a91c2dk5m7q2w3xy",
}
STOP = {"transaction_type": "SELL", "order_type": "STOP_LOSS", "trigger_price": 3310.0}
CHANGE = {
    "order_id": "112111182045",
    "order_type": "LIMIT",
    "leg_name": None,
    "quantity": 40,
    "price": 3345.8,
    "trigger_price": 0,
    "disclosed_quantity": 0,
    "validity": "DAY",
}
FOREVER = {
    "security_id": "11536",
    "exchange_segment": "NSE_EQ",
    "transaction_type": "SELL",
    "product_type": "CNC",
    "order_type": "LIMIT",
    "quantity": 10,
}
ASKED = {
    "security_id": "11536",
    "exchange_segment": "NSE_EQ",
    "transaction_type": "BUY",
    "quantity": 5,
    "product_type": "INTRADAY",
    "price": 3345.5,
}
LISTED = {
    "securityId": "11536",
    "exchangeSegment": "NSE_EQ",
    "transactionType": "BUY",
    "quantity": 5,
    "productType": "INTRADAY",
    "price": 3345.5,
    "triggerPrice": 0,
}
SECURITIES = {"securities": {"NSE_EQ": [11536], "IDX_I": [13], "NSE_FNO": [52175]}}
APP = {"app_id": "key0", "app_secret": "secret0"}

CALLS: dict[str, Call] = {
    "login_by_pin": ("login.generate_token", {"pin": "482913", "totp": "654321"}),
    "login_consent": ("login.generate_login_session", APP),
    "login_consume": ("login.consume_token_id", {"token_id": "4f0a1b2c3d4e", **APP}),
    "user": ("login.user_profile", {"access_token": "token0"}),
    "place_limit": ("place_order", BUY),
    "place_market": ("place_order", BUY | {"order_type": "MARKET", "price": 0}),
    "place_sl": ("place_order", BUY | STOP | {"price": 3300.0}),
    "place_slm_as_we_do": ("place_order", BUY | STOP | {"price": 3144.5}),
    "place_ioc": ("place_order", BUY | {"validity": "IOC"}),
    "place_disclosed": ("place_order", BUY | {"disclosed_quantity": 2}),
    "place_amo": ("place_order", BUY | {"after_market_order": True}),
    "place_future": (
        "place_order",
        BUY
        | {
            "security_id": "52175",
            "exchange_segment": "NSE_FNO",
            "product_type": "MARGIN",
            "quantity": 75,
        },
    ),
    "modify_price_and_quantity": ("modify_order", CHANGE),
    "modify_to_market": ("modify_order", CHANGE | {"order_type": "MARKET", "price": 0}),
    "cancel": ("cancel_order", {"order_id": "112111182045"}),
    "orders": ("get_order_list", {}),
    "trail": ("get_order_by_id", {"order_id": "112111182045"}),
    "by_tag": ("get_order_by_correlationID", {"correlation_id": "a7f3a91c2dk5m7q2w3xy"}),
    "trades": ("get_trade_book", {}),
    "place_gtt_single": ("place_forever", FOREVER | {"price": 3300.0, "trigger_Price": 3301.0}),
    "place_gtt_two_legs": (
        "place_forever",
        FOREVER
        | {
            "order_flag": "OCO",
            "price": 3500.0,
            "trigger_Price": 3499.0,
            "price1": 3300.0,
            "trigger_Price1": 3301.0,
            "quantity1": 10,
        },
    ),
    "modify_gtt": (
        "modify_forever",
        {
            "order_id": "5132208051112",
            "order_flag": "SINGLE",
            "order_type": "LIMIT",
            "leg_name": "TARGET_LEG",
            "quantity": 10,
            "price": 3300.0,
            "trigger_price": 3301.0,
            "disclosed_quantity": 0,
            "validity": "DAY",
        },
    ),
    "cancel_gtt": ("cancel_forever", {"order_id": "5132208051112"}),
    "gtts": ("get_forever", {}),
    "positions": ("get_positions", {}),
    "holdings": ("get_holdings", {}),
    "funds": ("get_fund_limits", {}),
    "convert": (
        "convert_position",
        {
            "from_product_type": "INTRADAY",
            "exchange_segment": "NSE_EQ",
            "position_type": "LONG",
            "security_id": "11536",
            "convert_qty": 10,
            "to_product_type": "CNC",
        },
    ),
    "margin_of_one": ("margin_calculator", ASKED),
    "margin_of_two": (
        "margin_calculator_multi",
        {"scrip_list": [LISTED, LISTED], "include_position": True},
    ),
    "quotes": ("quote_data", SECURITIES),
    "ltp": ("ticker_data", SECURITIES),
    "candles_of_minutes": (
        "intraday_minute_data",
        {
            "security_id": "11536",
            "exchange_segment": "NSE_EQ",
            "instrument_type": "EQUITY",
            "from_date": "2026-01-08 09:15:00",
            "to_date": "2026-01-08 15:30:00",
            "interval": "5",
        },
    ),
    "candles_of_days": (
        "historical_daily_data",
        {
            "security_id": "52175",
            "exchange_segment": "NSE_FNO",
            "instrument_type": "FUTIDX",
            "from_date": "2026-01-08",
            "to_date": "2026-01-10",
            "oi": True,
        },
    ),
    "master": ("fetch_security_list", {"mode": "detailed", "filename": "/dev/null"}),
}

HEADERS = ("access-token", "client-id", "dhanclientid", "content-type", "app_id", "app_secret")


def answer(path: str) -> tuple[str, bytes]:
    """The little that the SDK needs to go on."""
    if path.startswith("/api-data/"):
        return "text/csv", b"EXCH_ID,SEGMENT,SECURITY_ID\n"
    return "application/json", json.dumps({"status": "success", "consentAppId": "c0"}).encode()


def test_the_sample_is_what_the_sdk_sends(
    sdk_python: Callable[[str], Path], pytestconfig: pytest.Config
) -> None:
    kept = sent(sdk_python("dhan"), SCRIPT, CALLS, headers=HEADERS, answer=answer)

    write: Any = pytestconfig.getoption("--write-samples", default=False)
    check_sample(SAMPLE, "dhanhq 2.3.0", kept, write=bool(write))

"""What Upstox's own SDK sends for each operation is what our sample of it says; `--write-samples` writes it anew.

The fast adapter tests compare our requests with that file and need no SDK.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.vendor.recording import Call, check_sample, sent

pytestmark = pytest.mark.vendor
SCRIPT = Path(__file__).parent / "scripts" / "upstox_calls.py"
SAMPLE = Path(__file__).parents[1] / "adapters" / "upstox" / "samples" / "vendor" / "requests.json"

INFY = "NSE_EQ|INE009A01021"
V2 = {"api_version": "2.0"}
ID = "260105000987654"
GTT_ID = "GTT-C26010500123456"


def place(**more: Any) -> Call:
    fields = {
        "quantity": 10,
        "product": "D",
        "validity": "DAY",
        "price": 1450.5,
        "tag": "a7f3a91c2dk5m7q2w3xy",
        "instrument_token": INFY,
        "order_type": "LIMIT",
        "transaction_type": "BUY",
        "disclosed_quantity": 0,
        "trigger_price": 0,
        "is_amo": False,
    }
    return "OrderApiV3.place_order", {"body": {"model": "PlaceOrderV3Request", **fields, **more}}


def modify(**more: Any) -> Call:
    fields = {"order_id": ID, "validity": "DAY", "trigger_price": 0, **more}
    return "OrderApiV3.modify_order", {"body": {"model": "ModifyOrderRequest", **fields}}


def rule(price: float, side: str) -> dict[str, Any]:
    return {"model": "GttRule", "strategy": "ENTRY", "trigger_type": side, "trigger_price": price}


def asked(quantity: int, price: float) -> dict[str, Any]:
    return {
        "model": "Instrument",
        "instrument_key": INFY,
        "quantity": quantity,
        "product": "D",
        "transaction_type": "BUY",
        "price": price,
    }


GTT: dict[str, Any] = {"type": "SINGLE", "quantity": 10}
CALLS: dict[str, Call] = {
    "login": (
        "LoginApi.token",
        {
            "*": ["2.0"],
            "code": "mk404xQ",
            "client_id": "client0",
            "client_secret": "secret0",
            "redirect_uri": "http://127.0.0.1:8800/",
            "grant_type": "authorization_code",
        },
    ),
    "login_page": (
        "LoginApi.authorize",
        {"client_id": "client0", "redirect_uri": "http://127.0.0.1:8800/", **V2},
    ),
    "login_push": (
        "LoginApi.init_token_request_for_indie_user",
        {
            "body": {"model": "IndieUserTokenRequest", "client_secret": "secret0"},
            "client_id": "client0",
        },
    ),
    "logout": ("LoginApi.logout", V2),
    "user": ("UserApi.get_profile", V2),
    "place_limit": place(),
    "place_market": place(order_type="MARKET", price=0, market_protection=-1),
    "place_market_protected": place(order_type="MARKET", price=0, market_protection=2.5),
    "place_sl": place(
        order_type="SL", price=1395.5, trigger_price=1400.5, transaction_type="SELL", product="I"
    ),
    "place_slm": place(
        order_type="SL-M",
        price=0,
        trigger_price=1400.5,
        transaction_type="SELL",
        product="I",
        market_protection=-1,
    ),
    "place_ioc": place(validity="IOC"),
    "place_disclosed": place(disclosed_quantity=5),
    "place_amo": place(is_amo=True),
    "place_future": place(instrument_token="NSE_FO|40062", quantity=75, price=120.05),
    "place_mcx": place(instrument_token="MCX_FO|499095", quantity=2, price=5800),
    "modify_price": modify(order_type="LIMIT", price=1449.5),
    "modify_quantity": modify(order_type="LIMIT", price=1450.5, quantity=20),
    "modify_to_market": modify(order_type="MARKET", price=0, market_protection=-1),
    "cancel": ("OrderApiV3.cancel_order", {"order_id": ID}),
    "orders": ("OrderApi.get_order_book", V2),
    "trail": ("OrderApi.get_order_details", {"order_id": ID, **V2}),
    "by_tag": ("OrderApi.get_order_details", {"tag": "a7f3a91c2dk5m7q2w3xy", **V2}),
    "trades": ("OrderApi.get_trade_history", V2),
    "place_gtt": (
        "OrderApiV3.place_gtt_order",
        {
            "body": {
                "model": "GttPlaceOrderRequest",
                **GTT,
                "product": "D",
                "rules": [rule(1500.5, "ABOVE")],
                "instrument_token": INFY,
                "transaction_type": "SELL",
            }
        },
    ),
    "modify_gtt": (
        "OrderApiV3.modify_gtt_order",
        {
            "body": {
                "model": "GttModifyOrderRequest",
                **GTT,
                "rules": [rule(1400, "BELOW")],
                "gtt_order_id": GTT_ID,
            }
        },
    ),
    "cancel_gtt": (
        "OrderApiV3.cancel_gtt_order",
        {"body": {"model": "GttCancelOrderRequest", "gtt_order_id": GTT_ID}},
    ),
    "gtts": ("OrderApiV3.get_gtt_order_details", {}),
    "positions": ("PortfolioApi.get_positions", V2),
    "positions_mtf": ("PortfolioApi.get_mtf_positions", {}),
    "holdings": ("PortfolioApi.get_holdings", V2),
    "funds": ("UserApi.get_user_fund_margin_v3", {}),
    "convert": (
        "PortfolioApi.convert_positions",
        {
            "body": {
                "model": "ConvertPositionRequest",
                "instrument_token": INFY,
                "new_product": "D",
                "old_product": "I",
                "transaction_type": "BUY",
                "quantity": 10,
            },
            **V2,
        },
    ),
    "margin": (
        "ChargeApi.post_margin",
        {"body": {"model": "MarginRequest", "instruments": [asked(10, 1450.5), asked(5, 0)]}},
    ),
    "quotes": (
        "MarketQuoteApi.get_full_market_quote",
        {"symbol": f"{INFY},NSE_INDEX|Nifty 50", **V2},
    ),
    "ltp": ("MarketQuoteV3Api.get_ltp", {"instrument_key": f"{INFY},NSE_INDEX|Nifty 50"}),
    "candles": (
        "HistoryV3Api.get_historical_candle_data1",
        {
            "instrument_key": "NSE_INDEX|Nifty 50",
            "unit": "minutes",
            "interval": 5,
            "to_date": "2026-11-24",
            "from_date": "2026-11-20",
        },
    ),
    "candles_today": (
        "HistoryV3Api.get_intra_day_candle_data",
        {"instrument_key": "NSE_INDEX|Nifty 50", "unit": "minutes", "interval": 5},
    ),
}

HEADERS = ("api-version", "authorization", "accept", "content-type")


def answer(path: str) -> tuple[str, bytes]:
    """Nothing of it is read."""
    return "application/json", b"{}"


def test_the_sample_is_what_the_sdk_sends(
    sdk_python: Callable[[str], Path], pytestconfig: pytest.Config
) -> None:
    kept = sent(sdk_python("upstox"), SCRIPT, CALLS, headers=HEADERS, answer=answer)

    write = pytestconfig.getoption("--write-samples", default=False)
    check_sample(SAMPLE, "upstox-python-sdk 2.30.0", kept, write=write)

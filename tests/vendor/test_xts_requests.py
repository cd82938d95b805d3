"""What Symphony's own SDKs for Node send for each operation is what our sample of it says; `--write-samples` writes it anew.

The fast adapter tests compare our requests with that file and need no SDK. Symphony's SDKs for Python are on no package index. Those
for Node have no call for margins.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.vendor import environments
from tests.vendor.recording import Call, check_sample, sent

pytestmark = pytest.mark.vendor
SCRIPT = Path(__file__).parent / "scripts" / "xts_calls.js"
SAMPLE = Path(__file__).parents[1] / "adapters" / "iifl" / "samples" / "vendor" / "requests.json"

KEYS = {"appKey": "interactive-app-key", "secretKey": "interactive-secret", "source": "WEBAPI"}
MARKET_KEYS = {"appKey": "market-app-key", "secretKey": "market-secret", "source": "WEBAPI"}
BUY = {
    "exchangeSegment": "NSECM",
    "exchangeInstrumentID": 1594,
    "productType": "MIS",
    "orderType": "LIMIT",
    "orderSide": "BUY",
    "timeInForce": "DAY",
    "disclosedQuantity": 0,
    "orderQuantity": 3,
    "limitPrice": 1510.5,
    "stopPrice": 0,
    "orderUniqueIdentifier": "a7f3a91c2dk5m7q2w3xy",
    "apiOrderSource": "",
}
STOP = BUY | {"orderSide": "SELL", "stopPrice": 1500}
CHANGE = {
    "appOrderID": 1200030045,
    "modifiedProductType": "MIS",
    "modifiedOrderType": "LIMIT",
    "modifiedOrderQuantity": 5,
    "modifiedDisclosedQuantity": 0,
    "modifiedLimitPrice": 1509,
    "modifiedStopPrice": 0,
    "modifiedTimeInForce": "DAY",
    "orderUniqueIdentifier": "od7f3k2m",
}
CONVERSION = {
    "exchangeSegment": "NSECM",
    "exchangeInstrumentID": 1594,
    "targetQty": 3,
    "isDayWise": True,
    "oldProductType": "MIS",
    "newProductType": "CNC",
}
QUOTES = {
    "instruments": [{"exchangeSegment": 1, "exchangeInstrumentID": 1594}],
    "xtsMessageCode": 1502,
    "publishFormat": "JSON",
}
CANDLES = {
    "exchangeSegment": "NSECM",
    "exchangeInstrumentID": 1594,
    "startTime": "Sep 07 2026 091500",
    "endTime": "Sep 07 2026 153000",
    "compressionValue": 60,
}


def with_(*arguments: Any) -> dict[str, Any]:
    return {"*": list(arguments)}


CALLS: dict[str, Call] = {
    "login": ("logIn", with_(KEYS)),
    "market_login": ("market.logIn", with_(MARKET_KEYS)),
    "logout": ("logOut", with_()),
    "market_logout": ("market.logOut", with_()),
    "profile": ("getProfile", with_()),
    "place_limit": ("placeOrder", with_(BUY)),
    "place_market": ("placeOrder", with_(BUY | {"orderType": "MARKET", "limitPrice": 0})),
    "place_sl": ("placeOrder", with_(STOP | {"orderType": "STOPLIMIT", "limitPrice": 1499})),
    "place_slm": ("placeOrder", with_(STOP | {"orderType": "STOPMARKET", "limitPrice": 0})),
    "place_ioc": ("placeOrder", with_(BUY | {"timeInForce": "IOC", "disclosedQuantity": 1})),
    "modify": ("modifyOrder", with_(CHANGE)),
    "cancel": (
        "cancelOrder",
        with_({"appOrderID": 1200030045, "orderUniqueIdentifier": "od7f3k2m"}),
    ),
    "orders": ("getOrderBook", with_()),
    "trail": ("getOrderHistory", with_(1200030045)),
    "trades": ("getTradeBook", with_()),
    "positions": ("getPositions", with_({"dayOrNet": "NetWise"})),
    "holdings": ("getHoldings", with_()),
    "funds": ("getBalance", with_()),
    "convert": ("positionConversion", with_(CONVERSION)),
    "quotes": ("market.getQuotes", with_(QUOTES)),
    "ltp": ("market.getQuotes", with_(QUOTES | {"xtsMessageCode": 1501})),
    "candles": ("market.getOHLC", with_(CANDLES)),
    "master": ("market.instrumentMaster", with_({"exchangeSegmentList": ["NSECM"]})),
    "indices": ("market.getIndexList", with_({"exchangeSegment": 1})),
}
HEADERS = ("authorization", "content-type")


def answer(path: str) -> tuple[str, bytes]:
    """The little that the SDKs need to go on: a login's token is the one of all calls."""
    said = {"type": "success", "code": "", "description": "", "result": {"token": "token0"}}
    return "application/json", json.dumps(said).encode()


def test_the_sample_is_what_the_sdks_send(pytestconfig: pytest.Config) -> None:
    try:
        node = environments.xts()
    except environments.CannotInstall as reason:
        pytest.skip(str(reason))
    kept = sent(node, SCRIPT, CALLS, headers=HEADERS, answer=answer)

    write: Any = pytestconfig.getoption("--write-samples", default=False)
    sdks = ", ".join(f"{name} {version}" for name, version in environments.XTS.items())
    check_sample(SAMPLE, sdks, kept, write=bool(write))

"""What is not an order is refused with its field, its value and a way out, and leaves no trace (WIRE 2, 4, 5)."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.daemon import Client, Daemon

LEFT_OUT = object()
BIG = 10**30
NFO = "a future"  # stands for the nearest NIFTY contract, whose name changes with the date

MARKET: dict[str, Any] = {
    "account": "paper",
    "symbol": "NSE:INFY",
    "side": "BUY",
    "quantity": 1,
    "type": "MARKET",
    "product": "CNC",
}
LIMIT = {**MARKET, "type": "LIMIT", "price": 1300}
SL = {**LIMIT, "type": "SL", "trigger_price": 1290}

# What is changed of a good order; the field that is named; its value as named (None: none); a part of the message.
PARAMETERS: tuple[tuple[dict[str, Any], dict[str, Any], str, Any, str], ...] = (
    # missing
    (MARKET, {"symbol": LEFT_OUT}, "symbol", None, "`symbol` is missing"),
    (MARKET, {"side": LEFT_OUT}, "side", None, "one of `BUY`, `SELL`"),
    (MARKET, {"quantity": LEFT_OUT}, "quantity", None, "a whole number"),
    (MARKET, {"type": LEFT_OUT}, "type", None, "`MARKET`"),
    (MARKET, {"product": LEFT_OUT}, "product", None, "`CNC`"),
    (MARKET, {"symbol": None}, "symbol", None, "`symbol` is missing"),
    (MARKET, {"account": LEFT_OUT}, "account", None, "accounts"),
    (LIMIT, {"price": LEFT_OUT}, "price", None, "LIMIT needs it"),
    (SL, {"trigger_price": LEFT_OUT}, "trigger_price", None, "SL needs it"),
    (SL, {"price": LEFT_OUT}, "price", None, "SL needs it"),
    (
        {**MARKET, "type": "SL-M"},
        {},
        "trigger_price",
        None,
        "SL-M needs it",
    ),
    # unknown
    (MARKET, {"quantty": 1}, "quantty", None, "did you mean `quantity`?"),
    (MARKET, {"Price": 1}, "Price", None, "did you mean `price`?"),
    (MARKET, {"zzz": 1}, "zzz", None, "there are"),
    (MARKET, {"": 1}, "", None, "there is no parameter"),
    # wrong words
    (MARKET, {"side": "buy"}, "side", "buy", "did you mean `BUY`?"),
    (MARKET, {"side": "B"}, "side", "B", "one of"),
    (MARKET, {"type": "LIMT"}, "type", "LIMT", "did you mean `LIMIT`?"),
    (MARKET, {"type": "SLM"}, "type", "SLM", "`SL-M`"),
    (MARKET, {"product": "NRLM"}, "product", "NRLM", "did you mean `NRML`?"),
    (MARKET, {"validity": "GTC"}, "validity", "GTC", "`DAY`"),
    (MARKET, {"variety": "regular"}, "variety", "regular", "did you mean `REGULAR`?"),
    # wrong types
    (MARKET, {"account": 5}, "account", 5, "a-z"),
    (MARKET, {"key": 5}, "key", 5, "A-Z"),
    (MARKET, {"symbol": 5}, "symbol", 5, "NSE:INFY"),
    (MARKET, {"symbol": ["NSE:INFY"]}, "symbol", "a list of 1", "NSE:INFY"),
    (MARKET, {"side": 1}, "side", 1, "one of"),
    (MARKET, {"side": True}, "side", True, "one of"),
    (MARKET, {"quantity": True}, "quantity", True, "a whole number, not true"),
    (MARKET, {"quantity": "1"}, "quantity", "1", 'a whole number, not "1"'),
    (MARKET, {"quantity": 1.5}, "quantity", "1.5", "a whole number, not 1.5"),
    (MARKET, {"quantity": 1.0}, "quantity", "1.0", "a whole number"),
    (MARKET, {"quantity": [1]}, "quantity", "a list of 1", "a whole number"),
    (MARKET, {"quantity": {}}, "quantity", "an object", "a whole number"),
    (MARKET, {"type": 5}, "type", 5, "one of"),
    (MARKET, {"product": {}}, "product", "an object", "one of"),
    (LIMIT, {"price": True}, "price", True, "a price in rupees"),
    (LIMIT, {"price": [1]}, "price", "a list of 1", "a price in rupees"),
    (LIMIT, {"price": {}}, "price", "an object", "a price in rupees"),
    (SL, {"trigger_price": False}, "trigger_price", False, "a price in rupees"),
    (MARKET, {"validity": 1}, "validity", 1, "one of"),
    (MARKET, {"validity_minutes": "5"}, "validity_minutes", "5", "a whole number"),
    (MARKET, {"variety": 1}, "variety", 1, "one of"),
    (MARKET, {"iceberg_legs": "5"}, "iceberg_legs", "5", "a whole number"),
    (MARKET, {"disclosed_quantity": True}, "disclosed_quantity", True, "a whole number"),
    (MARKET, {"market_protection": True}, "market_protection", True, "not true"),
    (MARKET, {"strategy": 5}, "strategy", 5, "1 to 32"),
    (MARKET, {"timeout_ms": "5"}, "timeout_ms", "5", "a whole number"),
    (MARKET, {"timeout_ms": True}, "timeout_ms", True, "a whole number"),
    (MARKET, {"dry_run": 1}, "dry_run", 1, "true or false"),
    (MARKET, {"dry_run": "true"}, "dry_run", "true", "true or false"),
    # numbers
    (MARKET, {"quantity": 0}, "quantity", 0, "1 or more"),
    (MARKET, {"quantity": -1}, "quantity", -1, "1 or more"),
    (MARKET, {"quantity": BIG}, "quantity", str(BIG), "beyond 64 bits"),
    (MARKET, {"quantity": -BIG}, "quantity", str(-BIG), "beyond 64 bits"),
    (MARKET, {"quantity": 2**63 - 1}, "quantity", str(2**63 - 1), "above"),
    (MARKET, {"quantity": 100_001}, "quantity", 100_001, "order.slice"),
    (MARKET, {"symbol": NFO, "product": "NRML"}, "quantity", 1, "multiple of the lot size 65"),
    (
        MARKET,
        {"symbol": NFO, "product": "NRML", "quantity": 64},
        "quantity",
        64,
        "near: 65",
    ),
    (
        MARKET,
        {"symbol": NFO, "product": "NRML", "quantity": 66},
        "quantity",
        66,
        "near: 65 or 130",
    ),
    (LIMIT, {"price": 0}, "price", 0, "above 0"),
    (LIMIT, {"price": -5}, "price", -5, "negative"),
    (LIMIT, {"price": -0.1}, "price", "-0.1", "negative"),
    (LIMIT, {"price": "-1"}, "price", "-1", "negative"),
    (LIMIT, {"price": 1300.05}, "price", 1300.05, "near: 1300 or 1300.1"),
    (LIMIT, {"price": "1300.05"}, "price", 1300.05, "tick 0.1"),
    (LIMIT, {"price": "1300.0000000000000000000000000000001"}, "price", None, "tick 0.1"),
    (LIMIT, {"price": BIG}, "price", str(BIG), "beyond 64 bits"),
    (LIMIT, {"price": "1" + "0" * 30}, "price", str(BIG), "which no price reaches"),
    (LIMIT, {"price": "nan"}, "price", "nan", "no exponent, nan or inf"),
    (LIMIT, {"price": "inf"}, "price", "inf", "no exponent, nan or inf"),
    (LIMIT, {"price": "-Infinity"}, "price", "-Infinity", "no exponent, nan or inf"),
    (LIMIT, {"price": "1e3"}, "price", "1e3", "no exponent, nan or inf"),
    (LIMIT, {"price": "1_300"}, "price", "1_300", "plain decimal"),
    (LIMIT, {"price": "1,300"}, "price", "1,300", "plain decimal"),
    (LIMIT, {"price": " 1300"}, "price", " 1300", "plain decimal"),
    (LIMIT, {"price": ""}, "price", "", "a price in rupees"),
    (LIMIT, {"price": "-"}, "price", "-", "not a decimal number"),
    (LIMIT, {"price": "1.2.3"}, "price", "1.2.3", "not a decimal number"),
    (LIMIT, {"price": "१३००"}, "price", "१३००", "plain decimal"),
    (SL, {"trigger_price": 0}, "trigger_price", 0, "above 0"),
    (SL, {"trigger_price": 1290.05}, "trigger_price", 1290.05, "tick"),
    # what does not belong together
    (MARKET, {"price": 1300}, "price", 1300, "does not belong to an order of type MARKET"),
    (LIMIT, {"trigger_price": 1300}, "trigger_price", 1300, "does not belong"),
    (MARKET, {"validity": "TTL"}, "validity_minutes", None, "TTL needs it"),
    (MARKET, {"validity_minutes": 5}, "validity_minutes", 5, "TTL only"),
    (MARKET, {"validity": "TTL", "validity_minutes": 0}, "validity_minutes", 0, "from 1"),
    (MARKET, {"validity": "TTL", "validity_minutes": 9999}, "validity_minutes", 9999, "1440"),
    (MARKET, {"variety": "ICEBERG"}, "iceberg_legs", None, "ICEBERG needs it"),
    (MARKET, {"iceberg_legs": 2}, "iceberg_legs", 2, "ICEBERG only"),
    (LIMIT, {"variety": "ICEBERG", "iceberg_legs": 1}, "iceberg_legs", 1, "from 2 to 50"),
    (LIMIT, {"variety": "ICEBERG", "iceberg_legs": 51}, "iceberg_legs", 51, "from 2 to 50"),
    (
        LIMIT,
        {"variety": "ICEBERG", "iceberg_legs": 3, "quantity": 10},
        "iceberg_legs",
        3,
        "divide",
    ),
    (MARKET, {"disclosed_quantity": 2}, "disclosed_quantity", 2, "from 1 to the quantity, 1"),
    (MARKET, {"disclosed_quantity": 0}, "disclosed_quantity", 0, "from 1"),
    (MARKET, {"disclosed_quantity": -1}, "disclosed_quantity", -1, "from 1"),
    (LIMIT, {"market_protection": 2}, "market_protection", 2, "not to LIMIT"),
    (MARKET, {"market_protection": 0}, "market_protection", 0, "percentage"),
    (MARKET, {"market_protection": 101}, "market_protection", 101, "percentage"),
    (MARKET, {"accounts": ["second"]}, "account", None, "one of the two"),
    (MARKET, {"account": LEFT_OUT, "accounts": []}, "accounts", "a list of 0", "list"),
    (
        MARKET,
        {"account": LEFT_OUT, "accounts": ["paper", "paper"]},
        "accounts",
        "paper paper",
        "twice",
    ),
    (MARKET, {"account": LEFT_OUT, "accounts": "paper"}, "accounts", "paper", "a list"),
    (MARKET, {"account": LEFT_OUT, "accounts": [5]}, "accounts[0]", 5, "a-z"),
    # texts
    (MARKET, {"account": ""}, "account", "", "1 to 32"),
    (MARKET, {"account": "Paper"}, "account", "Paper", "1 to 32"),
    (MARKET, {"account": "a" * 33}, "account", "a" * 33, "1 to 32"),
    (MARKET, {"account": "paper\n"}, "account", "paper\n", "1 to 32"),
    (MARKET, {"key": ""}, "key", "", "1 to 64"),
    (MARKET, {"key": "k" * 65}, "key", "k" * 65, "1 to 64"),
    (MARKET, {"key": "a b"}, "key", "a b", "1 to 64"),
    (MARKET, {"key": "a/1"}, "key", "a/1", "1 to 64"),
    (MARKET, {"key": "k\n"}, "key", "k\n", "1 to 64"),
    (MARKET, {"key": "k\0"}, "key", "k\0", "1 to 64"),
    (MARKET, {"key": "schlüssel"}, "key", "schlüssel", "1 to 64"),
    (MARKET, {"key": LEFT_OUT}, "key", None, "`key` is missing"),
    (MARKET, {"symbol": ""}, "symbol", "", "NSE:INFY"),
    (MARKET, {"symbol": "N" * 65}, "symbol", "N" * 65, "NSE:INFY"),
    (MARKET, {"strategy": ""}, "strategy", "", "1 to 32"),
    (MARKET, {"strategy": "s" * 33}, "strategy", "s" * 33, "1 to 32"),
    (MARKET, {"timeout_ms": 0}, "timeout_ms", 0, "from 1"),
    (MARKET, {"timeout_ms": -1}, "timeout_ms", -1, "from 1"),
    (MARKET, {"timeout_ms": 10**9}, "timeout_ms", 10**9, "to 600000"),
)


def future(client: Client) -> str:
    found = client.ask("instrument.search", text="NIFTY", account="paper", limit=50)
    names = [each["symbol"] for each in found["instruments"]]
    return str(next(name for name in names if name.startswith("NFO:NIFTY")))


def changed(client: Client, good: dict[str, Any], change: dict[str, Any], key: str) -> Any:
    wanted = {"key": key, **good, **change}
    if wanted.get("symbol") is NFO:
        wanted["symbol"] = future(client)
    return {name: value for name, value in wanted.items() if value is not LEFT_OUT}


@pytest.fixture
def left_no_trace(daemon: Daemon, client: Client) -> Callable[[str], None]:
    """Nobody knows the key: not the book, not the journal; and the broker's book is what it was."""
    before = daemon.paper_book().count('"place"')

    def check(key: str) -> None:
        assert client.refused("order.get", account="paper", key=key)["data"]["kind"] == (
            "UNKNOWN_ORDER"
        )
        assert f'"{key}"' not in daemon.journal()
        assert daemon.paper_book().count('"place"') == before

    return check


@pytest.mark.parametrize(("good", "change", "field", "value", "says"), PARAMETERS)
def test_a_wrong_parameter_is_named_with_its_value_and_a_way_out(
    client: Client,
    new_key: Callable[[], str],
    left_no_trace: Callable[[str], None],
    good: dict[str, Any],
    change: dict[str, Any],
    field: str,
    value: Any,
    says: str,
) -> None:
    key = new_key()

    error = client.refused("order.place", **changed(client, good, change, key))

    assert error["data"]["kind"] == "INVALID_PARAMS"
    assert error["data"]["field"] == field
    assert value is None or str(error["data"]["value"]) == str(value)
    assert says in error["message"]
    left_no_trace(key)


@pytest.mark.parametrize("number", ["1e3", "1E3", "1.3e3", "1300e0"])
def test_a_number_with_an_exponent_is_no_price(
    client: Client, new_key: Callable[[], str], number: str
) -> None:
    params = json.dumps({**LIMIT, "key": new_key(), "price": "NUMBER"}).replace('"NUMBER"', number)

    client.send_bytes(
        f'{{"jsonrpc":"2.0","id":1,"method":"order.place","params":{params}}}\n'.encode()
    )

    error = client.read()["error"]
    assert error["data"]["kind"] == "INVALID_PARAMS"
    assert (error["data"]["field"], error["data"]["value"]) == ("price", number)
    assert "exponent" in error["message"]


@pytest.mark.parametrize(
    ("symbol", "closest"),
    [
        ("NSE:INFI", "NSE:INFY"),
        ("NSE:RELIANC", "NSE:RELIANCE"),
        ("NSE:HDFC BANK", "NSE:HDFCBANK"),
        ("nse:infy", "NSE:INFY"),
        ("XYZ:INFY", "NSE:INFY"),
    ],
)
def test_an_unknown_symbol_is_refused_with_the_closest_names(
    client: Client,
    new_key: Callable[[], str],
    left_no_trace: Callable[[str], None],
    symbol: str,
    closest: str,
) -> None:
    key = new_key()

    error = client.refused("order.place", **{**MARKET, "key": key, "symbol": symbol})

    assert error["data"]["kind"] == "UNKNOWN_INSTRUMENT"
    assert (error["data"]["field"], error["data"]["value"]) == ("symbol", symbol)
    assert closest in error["data"]["closest"]
    assert closest in error["message"]
    left_no_trace(key)


@pytest.mark.parametrize(
    "symbol",
    [
        "NSE:इंफी",
        "NSE:\u202eYFNI",
        "NSE:INFY\u0301",
        "NSE:\U0001f680\U0001f680",
        "NSE:IN\0FY",
        "NSE:INFY\n",
        ":::",
        "NSE:",
        "%s%n{}",
        "' OR 1=1 --",
        "NSE:*",
        '"""',
    ],
)
def test_an_odd_symbol_is_an_unknown_one(
    client: Client,
    new_key: Callable[[], str],
    left_no_trace: Callable[[str], None],
    symbol: str,
) -> None:
    key = new_key()

    error = client.refused("order.place", **{**MARKET, "key": key, "symbol": symbol})

    assert error["data"]["kind"] == "UNKNOWN_INSTRUMENT"
    assert error["data"]["value"] == symbol
    left_no_trace(key)


def test_an_index_is_refused_and_what_can_be_traded_instead_is_named(
    client: Client, new_key: Callable[[], str], left_no_trace: Callable[[str], None]
) -> None:
    key = new_key()

    error = client.refused("order.place", **{**MARKET, "key": key, "symbol": "NSE_INDEX:NIFTY"})

    assert error["data"]["kind"] == "UNSUPPORTED"
    assert (error["data"]["field"], error["data"]["value"]) == ("symbol", "NSE_INDEX:NIFTY")
    assert "future" in error["message"]
    left_no_trace(key)


def test_an_unknown_account_is_refused_with_those_there_are(
    client: Client, new_key: Callable[[], str]
) -> None:
    error = client.refused("order.place", **{**MARKET, "key": new_key(), "account": "papre"})

    assert error["data"]["kind"] == "UNKNOWN_ACCOUNT"
    assert (error["data"]["field"], error["data"]["value"]) == ("account", "papre")
    assert "paper" in error["message"]


@pytest.mark.parametrize(
    "params", [[], [1], ["paper", "k", "NSE:INFY", "BUY", 1, "MARKET", "CNC"], [MARKET]]
)
def test_a_list_of_parameters_is_refused(client: Client, params: list[Any]) -> None:
    client.send({"jsonrpc": "2.0", "id": 1, "method": "order.place", "params": params})

    error = client.read()["error"]
    assert error["data"]["kind"] == "INVALID_PARAMS"
    assert "by name" in error["message"]


@pytest.mark.parametrize("field", ["symbol", "key", "account", "strategy", "side", "price"])
@pytest.mark.parametrize("escape", ["\\ud800", "x\\udfff", "\\ud83d\\ud83d", "\\u0000"])
def test_a_text_that_is_no_text_ends_one_request_only(
    client: Client,
    new_key: Callable[[], str],
    left_no_trace: Callable[[str], None],
    field: str,
    escape: str,
) -> None:
    key = new_key()
    params = json.dumps({**LIMIT, "key": key, field: "TEXT"}).replace("TEXT", escape)

    client.send_bytes(
        f'{{"jsonrpc":"2.0","id":7,"method":"order.place","params":{params}}}\n'.encode()
    )

    kind = client.read()["error"]["data"]["kind"]
    assert kind in ("PARSE", "INVALID_PARAMS", "UNKNOWN_INSTRUMENT")
    assert client.ask("system.ping")
    left_no_trace(key)


def test_a_key_that_was_refused_can_be_used(client: Client, new_key: Callable[[], str]) -> None:
    key = new_key()
    for wrong in ({"quantity": 0}, {"symbol": "NSE:NOSUCH"}, {"product": "XYZ"}, {"price": 1}):
        client.refused("order.place", **{**MARKET, "key": key, **wrong})

    placed = client.ask("order.place", **{**MARKET, "key": key})

    assert placed["replayed"] is False
    assert placed["order"]["key"] == key

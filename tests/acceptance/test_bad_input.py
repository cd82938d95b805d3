"""Whatever stands in a parameter of whatever method: it is refused by name, at once, and is never a bug (WIRE 1, 5)."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.daemon import Client, Daemon

BIG = 10**30
WRONG: tuple[Any, ...] = (
    True,
    0,
    -1,
    BIG,
    1.5,
    "",
    "\0",
    "nan",
    "no such thing",
    "x" * 5000,
    "\u202e\U0001f680",
    [],
    [None],
    [[]],
    [{}],
    [""],
    [1],
    ["no such thing"],
    ["x"] * 5000,
    {},
    {"": 1},
    {"a": {"b": []}},
)
REFUSALS = {
    "INVALID_PARAMS",
    "UNKNOWN_INSTRUMENT",
    "UNKNOWN_ORDER",
    "UNKNOWN_ACCOUNT",
    "UNSUPPORTED",
    "RISK_REFUSED",
    "ORDER_REJECTED",
}
# Something that works where the parameter alone would be missing others; what acts on the whole daemon is not tried.
GOOD: dict[str, Any] = {
    "account": "paper",
    "accounts": ["paper"],
    "symbol": "NSE:INFY",
    "symbols": ["NSE:INFY"],
    "side": "BUY",
    "quantity": 1,
    "type": "MARKET",
    "product": "CNC",
    "key": "wrong-1",
    "interval": "1d",
    "from": "2026-11-23T09:15:00+05:30",
    "to": "2026-11-23T15:30:00+05:30",
    "legs": [{"trigger_price": 1300, "side": "BUY", "quantity": 1, "price": 1300}],
    "gtt_id": "1",
    "from_product": "CNC",
    "to_product": "MIS",
    "text": "INFY",
    "topics": ["orders"],
    "subscription": "s0",
    "outcome": "placed",
    "reason": "a test",
    "otp": "000000",
    "token": "ordo_x",
    "day": "2026-11-23",
    "table": "orders",
    "orders": [
        {"symbol": "NSE:INFY", "side": "BUY", "quantity": 1, "type": "MARKET", "product": "CNC"}
    ],
}
STOPS_THE_DAEMON = {"system.shutdown"}
CHANGES_THE_WHOLE = {
    "kill.engage",
    "kill.release",
    "account.logout",
    "account.login",
    "order.cancel_all",
}


def good_for(method: dict[str, Any]) -> dict[str, Any]:
    return {each["name"]: GOOD[each["name"]] for each in method["params"] if each["required"]} | (
        {"account": "paper"} if method["name"] == "order.place" else {}
    )


def test_no_value_of_any_parameter_of_any_method_is_a_bug_or_a_hang(
    daemon: Daemon, client: Client
) -> None:
    assert daemon.contract is not None
    asked = 0

    for method in daemon.contract.methods.values():
        for parameter in method["params"]:
            name = parameter["name"]
            fits_all = method["name"] in CHANGES_THE_WHOLE
            wanted = good_for(method) | ({"key": "wrong-1"} if name != "order_id" else {})
            known = {each["name"] for each in method["params"]}
            given = {each: value for each, value in wanted.items() if each in known}
            numbers = [
                client.begin(method["name"], **{**given, name: wrong})
                for wrong in WRONG
                if not (fits_all and is_fit(parameter["schema"], wrong))
            ]
            asked += len(numbers)
            for number in numbers:
                answer = client.answer(number)
                kind = answer.get("error", {}).get("data", {}).get("kind")
                assert kind is None or kind in REFUSALS | {"KEY_REUSED"}, (method["name"], answer)

    assert asked > 2000
    assert "call_failed" not in daemon.log()


def is_fit(schema: Any, value: Any) -> bool:
    """Whether a value might be taken: it is not tried where it would change everything."""
    types = [each.get("type") for each in schema.get("anyOf", [schema])]
    return (isinstance(value, str) and "string" in types) or (
        isinstance(value, bool) and "boolean" in types
    )


@pytest.mark.parametrize(
    "kind_of_json",
    ["true", "0", "1e3", '"text"', "[]", "[1,2]", "[[[[]]]]", '{"a":{"b":{"c":[]}}}'],
)
def test_params_of_a_wrong_shape_are_refused_by_every_method(
    daemon: Daemon, client: Client, kind_of_json: str
) -> None:
    assert daemon.contract is not None

    for name in daemon.contract.methods:
        client.send_bytes(
            f'{{"jsonrpc":"2.0","id":1,"method":"{name}","params":{kind_of_json}}}\n'.encode()
        )
        error = client.read()["error"]

        assert error["data"]["kind"] in ("INVALID_PARAMS", "INVALID_REQUEST")


def test_every_method_refuses_a_parameter_it_does_not_have(daemon: Daemon, client: Client) -> None:
    assert daemon.contract is not None

    for name, method in daemon.contract.methods.items():
        error = client.refused(name, **good_for(method), nosuch=1)

        assert error["data"]["kind"] == "INVALID_PARAMS"
        assert error["data"]["field"] == "nosuch"


def test_every_required_parameter_is_missed_by_name(daemon: Daemon, client: Client) -> None:
    assert daemon.contract is not None

    for name, method in daemon.contract.methods.items():
        for each in method["params"]:
            if each["required"]:
                given = {n: v for n, v in good_for(method).items() if n != each["name"]}
                error = client.refused(name, **given)

                assert error["data"]["kind"] == "INVALID_PARAMS"
                assert error["data"]["field"] == each["name"]
                assert "missing" in error["message"]


BY_METHOD: tuple[tuple[str, dict[str, Any], str, Any, str], ...] = (
    ("order.get", {}, "order_id", None, "order_id, or account and key"),
    ("order.get", {"account": "paper"}, "order_id", None, "account and key"),
    ("order.get", {"key": "k"}, "order_id", None, "account and key"),
    ("order.get", {"order_id": 5}, "order_id", 5, "a text"),
    ("order.get", {"order_id": ""}, "order_id", "", "1 to 64"),
    ("order.get", {"order_id": "o" * 65}, "order_id", "o" * 65, "1 to 64"),
    ("order.get", {"account": "paper", "key": "k", "wait_ms": -1}, "wait_ms", -1, "from 0"),
    ("order.get", {"account": "paper", "key": "k", "wait_ms": 60_001}, "wait_ms", 60_001, "60000"),
    ("order.cancel", {}, "order_id", None, "order_id, or account and key"),
    ("order.modify", {"price": 5}, "order_id", None, "order_id, or account and key"),
    ("order.history", {"key": "k"}, "order_id", None, "account and key"),
    ("order.list", {"limit": 0}, "limit", 0, "from 1 to 1000"),
    ("order.list", {"limit": 1001}, "limit", 1001, "from 1 to 1000"),
    ("order.list", {"status": "open"}, "status", "open", "did you mean `OPEN`?"),
    ("order.list", {"after": "nothing"}, "after", "nothing", "begin again"),
    ("order.trades", {"after": "nothing"}, "after", "nothing", "begin again"),
    ("order.trades", {"status": "OPEN"}, "status", None, "there is no parameter"),
    (
        "order.resolve",
        {"account": "paper", "key": "k", "outcome": "lost", "reason": "r"},
        "outcome",
        "lost",
        "one of `not_placed`, `placed`",
    ),
    (
        "order.resolve",
        {"account": "paper", "key": "k", "outcome": "placed", "reason": ""},
        "reason",
        "",
        "1 to 200",
    ),
    (
        "gtt.place",
        {"account": "paper", "key": "k", "symbol": "NSE:INFY", "legs": []},
        "legs",
        "a list of 0",
        "1 to 2",
    ),
    (
        "gtt.place",
        {
            "account": "paper",
            "key": "k",
            "symbol": "NSE:INFY",
            "legs": [{"trigger_price": 1300.05, "side": "BUY", "quantity": 1, "price": 1300}],
        },
        "trigger_price",
        1300.05,
        "tick",
    ),
    (
        "gtt.place",
        {"account": "paper", "key": "k", "symbol": "NSE:INFY", "legs": [{"side": "UP"}]},
        "legs[0].side",
        "UP",
        "`BUY`",
    ),
    (
        "gtt.place",
        {
            "account": "paper",
            "key": "k",
            "symbol": "NSE:INFY",
            "legs": [{"trigger_price": 1300, "side": "BUY", "quantity": 1, "prize": 1}],
        },
        "legs[0].prize",
        None,
        "did you mean `price`?",
    ),
    (
        "portfolio.convert",
        {
            "account": "paper",
            "key": "k",
            "symbol": "NSE:INFY",
            "side": "BUY",
            "quantity": 1,
            "from_product": "CNC",
            "to_product": "CNC",
        },
        "to_product",
        "CNC",
        "already",
    ),
    (
        "portfolio.convert",
        {
            "account": "paper",
            "key": "k",
            "symbol": "NSE:TITAN",
            "side": "BUY",
            "quantity": 1,
            "from_product": "MIS",
            "to_product": "CNC",
        },
        "quantity",
        1,
        "more than the BUY position",
    ),
    ("market.quote", {"symbols": []}, "symbols", "a list of 0", "1 to 1000"),
    ("market.ltp", {"symbols": "NSE:INFY"}, "symbols", "NSE:INFY", "a list"),
    ("market.depth", {"symbols": ["NSE:INFY", 5]}, "symbols[1]", 5, "NSE:INFY"),
    (
        "market.candles",
        {"symbol": "NSE:INFY", "interval": "2m", "from": GOOD["from"], "to": GOOD["to"]},
        "interval",
        "2m",
        "`1m`",
    ),
    (
        "market.candles",
        {"symbol": "NSE:INFY", "interval": "1m", "from": GOOD["to"], "to": GOOD["from"]},
        "from",
        None,
        "not before",
    ),
    (
        "market.candles",
        {"symbol": "NSE:INFY", "interval": "1m", "from": "2026-11-23 09:15", "to": GOOD["to"]},
        "from",
        "2026-11-23 09:15",
        "offset",
    ),
    (
        "market.candles",
        {"symbol": "NSE:INFY", "interval": "1m", "from": "2026-11-23T09:15:00", "to": GOOD["to"]},
        "from",
        "2026-11-23T09:15:00",
        "offset",
    ),
    (
        "market.candles",
        {"symbol": "NSE:INFY", "interval": "1m", "from": "0001-01-01T00:00:00Z", "to": GOOD["to"]},
        "to",
        None,
        "shorter range",
    ),
    ("instrument.search", {"text": ""}, "text", "", "1 to 64"),
    ("instrument.search", {"text": "A", "limit": 101}, "limit", 101, "from 1 to 100"),
    ("events.subscribe", {"topics": []}, "topics", "a list of 0", "1 to"),
    ("events.subscribe", {"topics": ["order"]}, "topics[0]", "order", "did you mean `orders`?"),
    ("events.subscribe", {"topics": ["orders"], "since": 5}, "epoch", None, "epoch"),
    (
        "events.subscribe",
        {"topics": ["orders"], "since": 5, "epoch": "another"},
        "epoch",
        "another",
        "subscribe without since",
    ),
    ("events.unsubscribe", {"subscription": "s999"}, "subscription", "s999", "no subscription"),
    ("kill.engage", {"mode": "stop"}, "mode", "stop", "`halt`"),
    ("kill.engage", {"cancel_open": "yes"}, "cancel_open", "yes", "true or false"),
    ("kill.release", {"reason": ""}, "reason", "", "1 to 200"),
    ("journal.tail", {"limit": 0}, "limit", 0, "from 1 to 1000"),
    (
        "journal.export",
        {"day": "26-11-2026", "table": "orders"},
        "day",
        "26-11-2026",
        "day",
    ),
    ("journal.export", {"day": "2026-11-26", "table": "x"}, "table", "x", "orders"),
    ("journal.verify", {"head": "5"}, "head", "5", "SEQ:HASH"),
    ("journal.verify", {"head": "0:" + "0" * 32}, "head", "0:" + "0" * 32, "head 0"),
)


@pytest.mark.parametrize(("method", "params", "field", "value", "says"), BY_METHOD)
def test_a_wrong_parameter_is_named_by_each_method(
    client: Client, method: str, params: dict[str, Any], field: str, value: Any, says: str
) -> None:
    error = client.refused(method, **params)

    assert error["data"]["kind"] == "INVALID_PARAMS"
    assert error["data"]["field"] == field
    assert value is None or str(error["data"]["value"]) == str(value)
    assert says in error["message"]


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({}, "price", "nothing to change"),
        ({"price": 1300.05}, "price", "tick"),
        ({"price": 0}, "price", "above 0"),
        ({"price": "1e3"}, "price", "exponent"),
        ({"quantity": 0}, "quantity", "1 or more"),
        ({"quantity": True}, "quantity", "a whole number"),
        ({"quantity": 200_000}, "quantity", "freeze"),
        ({"trigger_price": 1290}, "trigger_price", "does not belong"),
        ({"type": "SL"}, "trigger_price", "SL needs it"),
        ({"type": "limit"}, "type", "did you mean `LIMIT`?"),
        ({"validity": "TTL"}, "validity_minutes", "TTL needs it"),
        ({"disclosed_quantity": 50}, "disclosed_quantity", "from 1 to the quantity"),
        ({"change_key": "a b"}, "change_key", "1 to 64"),
        ({"product": "MIS"}, "product", "there is no parameter"),
    ],
)
def test_a_wrong_change_is_named_and_changes_nothing(
    client: Client, new_key: Callable[[], str], change: dict[str, Any], field: str, says: str
) -> None:
    key = new_key()
    order = {"account": "paper", "key": key, "symbol": "NSE:INFY", "side": "BUY", "quantity": 2}
    client.ask("order.place", **order, type="LIMIT", product="CNC", price=1200)
    before = client.ask("order.history", account="paper", key=key)

    error = client.refused("order.modify", account="paper", key=key, **change)

    assert error["data"]["kind"] == "INVALID_PARAMS"
    assert error["data"]["field"] == field
    assert says in error["message"]
    after = client.ask("order.history", account="paper", key=key)
    assert [r for r in after["records"] if r["type"] == "modify"] == []
    assert len(after["records"]) >= len(before["records"])


def test_a_key_of_refused_changes_is_free(client: Client, new_key: Callable[[], str]) -> None:
    key = new_key()
    legs = [{"trigger_price": 1000.05, "side": "BUY", "quantity": 1, "price": 1000}]
    params = {"account": "paper", "key": key, "symbol": "NSE:INFY"}
    client.refused("gtt.place", **params, legs=legs)

    legs[0]["trigger_price"] = 1000
    placed = client.ask("gtt.place", **params, legs=legs)

    assert (placed["change"], placed["replayed"]) == ("done", False)


def test_deep_nesting_ends_one_request_only(client: Client) -> None:
    deep = "[" * 100_000 + "]" * 100_000
    client.send_bytes(
        f'{{"jsonrpc":"2.0","id":1,"method":"order.get","params":{{"key":{deep}}}}}\n'.encode()
    )

    assert client.read()["error"]["data"]["kind"] in ("PARSE", "INVALID_PARAMS")
    assert client.ask("system.ping")


def test_a_number_of_a_hundred_thousand_digits_is_refused(client: Client) -> None:
    digits = "9" * 100_000
    for value in (digits, f'"{digits}"', f"0.{digits}"):
        params = json.dumps({**GOOD["orders"][0], "account": "paper", "key": "k", "price": 1})
        text = params.replace('"price": 1', f'"price": {value}')
        client.send_bytes(
            f'{{"jsonrpc":"2.0","id":1,"method":"order.place","params":{text}}}\n'.encode()
        )

        error = client.read()["error"]
        assert error["data"]["kind"] in ("INVALID_PARAMS", "PARSE")
        assert len(json.dumps(error, default=str)) < 2000


@pytest.mark.parametrize("method", ["order.get", "order.cancel", "order.history", "order.modify"])
def test_an_unknown_order_is_refused_with_the_closest_keys(
    client: Client, new_key: Callable[[], str], method: str
) -> None:
    key = f"breakout-{new_key()}-a"
    client.ask("order.place", **GOOD["orders"][0], account="paper", key=key)

    by_key = client.refused(method, account="paper", key=f"{key[:-1]}b")
    by_id = client.refused(method, order_id="o123")

    assert by_key["data"]["kind"] == by_id["data"]["kind"] == "UNKNOWN_ORDER"
    assert by_key["data"]["closest"][0] == key
    assert key in by_key["message"]
    assert (by_id["data"]["field"], by_id["data"]["value"]) == ("order_id", "o123")


def test_an_order_of_another_account_is_not_found(
    client: Client, new_key: Callable[[], str]
) -> None:
    key = new_key()
    client.ask("order.place", **GOOD["orders"][0], account="paper", key=key)

    assert client.refused("order.get", account="second", key=key)["data"]["kind"] == "UNKNOWN_ORDER"

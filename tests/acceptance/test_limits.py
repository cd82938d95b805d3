"""Limits a person sets: each refuses with its name, stores nothing and leaves the key free (WIRE 5, DESIGN 11)."""

from collections.abc import Callable, Iterator
from datetime import datetime, time, timedelta, timezone
from typing import Any

import pytest

from tests.acceptance.daemon import Client, Daemon, running

TERMS: dict[str, Any] = {
    "symbol": "NSE:INFY",
    "side": "BUY",
    "quantity": 1,
    "type": "SL-M",
    "trigger_price": 2900,
    "product": "CNC",
}
LIMITS = {
    "quantity": "max_quantity = 10",
    "value": "max_value = 10000",
    "second": "orders_per_second = 2",
    "minute": "orders_per_minute = 2",
    "day": "orders_per_day = 2",
    "open": "max_open_orders = 1",
    "allow": 'allow_instruments = ["NSE:INFY", "NFO:NIFTY*"]',
    "forbid": 'forbid_instruments = ["NSE:I*"]',
    "products": 'allow_products = ["MIS"]',
    "noproducts": 'forbid_products = ["CNC"]',
    "band": "price_band_percent = 3",
    "alike": "look_alike_s = 600",
    "hours": "market_hours = true",
}
IST = timezone(timedelta(hours=5, minutes=30))


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """An account for each limit; one of everything, one of a strategy."""
    accounts = "".join(
        f'[accounts.{name}]\nbroker = "paper"\n[accounts.{name}.risk]\n{limit}\n'
        for name, limit in LIMITS.items()
    )
    config = (
        '[risk]\nforbid_instruments = ["NSE:IDEA"]\n[risk.strategies.careful]\nmax_quantity = 2\n'
        f'{accounts}[accounts.free]\nbroker = "paper"\n'
    )
    with running(tmp_path_factory.mktemp("limits"), config) as started:
        yield started


def refused_by(client: Client, key: str, limit: str, **order: Any) -> Any:
    """The refusal; nothing is known of the key, and it can be used."""
    error = client.refused("order.place", **order, key=key)
    data = error["data"]
    assert (data["kind"], data["retry"]) == ("RISK_REFUSED", "same_key")
    assert (data["account"], data["key"]) == (order["account"], key)
    assert data["limit"] == limit
    assert limit.rpartition(": ")[2] in error["message"]
    unknown = client.refused("order.get", account=order["account"], key=key)
    assert unknown["data"]["kind"] == "UNKNOWN_ORDER"
    return error


@pytest.mark.parametrize(
    ("account", "limit", "bad", "good"),
    [
        ("quantity", "max_quantity", {"quantity": 11}, {"quantity": 10}),
        ("value", "max_value", {"quantity": 4}, {"quantity": 3}),
        ("allow", "allow_instruments", {"symbol": "NSE:TCS"}, {}),
        ("forbid", "forbid_instruments", {}, {"symbol": "NSE:TCS", "trigger_price": 6000}),
        ("products", "allow_products", {}, {"product": "MIS"}),
        ("noproducts", "forbid_products", {}, {"product": "MIS"}),
    ],
)
def test_an_order_beyond_a_limit_is_refused_by_its_name_and_one_within_passes(
    client: Client,
    new_key: Callable[[], str],
    account: str,
    limit: str,
    bad: dict[str, Any],
    good: dict[str, Any],
) -> None:
    key = new_key()

    refused_by(client, key, f"account {account}: {limit}", **{**TERMS, "account": account, **bad})

    placed = client.ask("order.place", **{**TERMS, "account": account, **good}, key=key)
    assert placed["replayed"] is False


@pytest.mark.parametrize(
    ("account", "limit"),
    [
        ("second", "orders_per_second"),
        ("minute", "orders_per_minute"),
        ("day", "orders_per_day"),
    ],
)
def test_the_third_order_is_one_too_many(
    client: Client, new_key: Callable[[], str], account: str, limit: str
) -> None:
    order = {**TERMS, "account": account}
    numbers = [client.begin("order.place", **order, key=new_key()) for _ in range(3)]

    answers = [client.answer(number) for number in numbers]

    limits = [answer.get("error", {}).get("data", {}).get("limit") for answer in answers]
    assert sorted(limits, key=str) == [None, None, f"account {account}: {limit}"]


def test_orders_that_are_asked_for_at_once_do_not_pass_a_limit_together(
    client: Client, new_key: Callable[[], str]
) -> None:
    order = {**TERMS, "account": "open"}
    numbers = [client.begin("order.place", **order, key=new_key()) for _ in range(5)]

    answers = [client.answer(number) for number in numbers]

    assert sum("result" in answer for answer in answers) == 1
    client.ask("order.cancel_all", account="open")
    assert client.ask("order.place", **order, key=new_key())


def test_a_look_alike_is_refused_and_another_order_is_not(
    client: Client, new_key: Callable[[], str]
) -> None:
    order = {**TERMS, "account": "alike"}
    first = client.ask("order.place", **order, key=new_key())["order"]

    error = refused_by(client, new_key(), "account alike: look_alike_s", **order)
    numbers = [
        client.begin("order.place", **{**order, "quantity": 2}, key=new_key()) for _ in range(3)
    ]
    at_once = [client.answer(number) for number in numbers]

    assert error["data"]["value"] == first["order_id"]
    assert sum("result" in answer for answer in at_once) == 1


def test_a_price_far_from_the_last_is_refused_and_one_without_a_last_price_is_told(
    client: Client, new_key: Callable[[], str]
) -> None:
    quote = client.ask("market.quote", symbols=["NSE:INFY"], account="band")["quotes"]["NSE:INFY"]
    near = float(round(quote["last_price"]))
    order = {**TERMS, "account": "band", "type": "LIMIT", "trigger_price": None}

    far = {**order, "price": float(round(near * 0.9))}
    refused_by(client, new_key(), "account band: price_band_percent", **far)
    assert client.ask("order.place", **{**order, "price": near}, key=new_key())
    unknown = {**order, "symbol": "NSE:YESBANK", "price": 22}
    check = client.ask("risk.check", **unknown)
    assert check == {"passes": True, "unchecked": ["price_band_percent"]}
    assert client.ask("order.place", **unknown, key=new_key())["unchecked"] == (
        ["price_band_percent"]
    )


def test_outside_the_hours_of_the_exchange_an_order_is_refused(
    client: Client, new_key: Callable[[], str]
) -> None:
    now = datetime.now(IST)
    market = client.ask("market.status", exchanges=["NSE"])["exchanges"]["NSE"]
    is_usual = now.weekday() < 5 and time(9, 15) <= now.time() < time(15, 30)
    order = {**TERMS, "account": "hours"}

    assert market["is_open"] is is_usual or market["note"]
    if market["is_open"]:
        assert client.ask("order.place", **order, key=new_key())
    else:
        refused_by(client, new_key(), "account hours: market_hours", **order)


def test_the_limits_of_everything_and_of_a_strategy_hold_at_every_account(
    client: Client, new_key: Callable[[], str]
) -> None:
    idea = {**TERMS, "account": "free", "symbol": "NSE:IDEA", "trigger_price": 19}
    refused_by(client, new_key(), "all: forbid_instruments", **idea)
    three = {**TERMS, "account": "free", "quantity": 3}
    refused_by(client, new_key(), "strategy careful: max_quantity", **three, strategy="careful")

    assert client.ask("order.place", **three, key=new_key())


def test_a_change_is_held_against_the_limits_too(
    client: Client, new_key: Callable[[], str]
) -> None:
    key = new_key()
    client.ask("order.place", **TERMS, account="quantity", key=key)

    error = client.refused("order.modify", account="quantity", key=key, quantity=11)

    assert error["data"]["kind"] == "RISK_REFUSED"
    assert error["data"]["limit"] == "account quantity: max_quantity"


@pytest.mark.parametrize(
    ("account", "limit", "change"),
    [
        ("quantity", "max_quantity", {"quantity": 11}),
        ("value", "max_value", {"quantity": 20}),
        ("products", "allow_products", {}),
        ("forbid", "forbid_instruments", {}),
    ],
)
def test_what_a_condition_will_release_is_held_against_the_limits(
    client: Client, new_key: Callable[[], str], account: str, limit: str, change: dict[str, Any]
) -> None:
    leg = {"trigger_price": 900, "side": "BUY", "quantity": 1, "price": 900, **change}
    wanted = {"account": account, "symbol": "NSE:INFY", "key": new_key()}

    error = client.refused("gtt.place", **wanted, legs=[leg])

    assert error["data"]["kind"] == "RISK_REFUSED"
    assert error["data"]["limit"] == f"account {account}: {limit}"
    assert client.ask("gtt.list", account=account)["gtts"] == []


@pytest.mark.parametrize("account", ["band", "hours"])
def test_a_condition_far_away_may_be_set_at_any_hour(
    client: Client, new_key: Callable[[], str], account: str
) -> None:
    leg = {"trigger_price": 900, "side": "BUY", "quantity": 1, "price": 900}

    placed = client.ask("gtt.place", account=account, symbol="NSE:INFY", key=new_key(), legs=[leg])

    assert placed["change"] == "done"


def test_a_fan_out_is_held_against_the_limits_of_each_account(
    client: Client, new_key: Callable[[], str]
) -> None:
    order = {**TERMS, "quantity": 11}

    results = client.ask("order.place", **order, accounts=["free", "quantity"], key=new_key())[
        "results"
    ]

    assert results[0]["order"]["account"] == "free"
    assert results[1]["error"]["data"]["limit"] == "account quantity: max_quantity"


def test_the_limits_are_told_scope_by_scope(client: Client) -> None:
    everything = client.ask("risk.limits")["limits"]
    one = client.ask("risk.limits", account="value")["limits"]

    scopes = {each["scope"]: each["limits"] for each in everything}
    assert scopes["all"]["forbid_instruments"] == ["NSE:IDEA"]
    assert scopes["strategy careful"]["max_quantity"] == 2
    assert scopes["account value"]["max_value"] == 10_000
    assert {each["scope"] for each in one} == {"all", "account value"}


def test_a_check_says_what_an_order_would_be_told_and_stores_nothing(
    daemon: Daemon, client: Client
) -> None:
    before = daemon.journal()

    error = client.refused("risk.check", **{**TERMS, "quantity": 11}, account="quantity")
    passes = client.ask("risk.check", **TERMS, account="quantity")

    assert error["data"]["limit"] == "account quantity: max_quantity"
    assert passes == {"passes": True, "unchecked": []}
    assert '"intent"' not in daemon.journal().removeprefix(before)

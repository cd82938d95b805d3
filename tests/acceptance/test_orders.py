"""Orders as WIRE 2 to 4 promise them: one for a key, told as they stand, changed and ended one at a time."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from tests.acceptance.daemon import ORDER_FIELDS, Client, Daemon

TERMS: dict[str, Any] = {
    "symbol": "NSE:INFY",
    "side": "BUY",
    "quantity": 1,
    "type": "MARKET",
    "product": "CNC",
}
# A stop this far away is not reached, whatever day it is: the order rests.
RESTING: dict[str, Any] = {**TERMS, "side": "BUY", "type": "SL-M", "trigger_price": 2900}


def settled(client: Client, key: str, account: str = "paper") -> Any:
    """The order once it is final or rests, and all its trades are known: those are read after the order's row."""
    for _ in range(100):
        reference = {"account": account, "key": key}
        records = client.ask("order.history", **reference)["records"]
        traded = sum(each["fill"]["quantity"] for each in records if each["type"] == "fill")
        order = client.ask("order.get", **reference)["order"]
        moves = order["status"] in ("PENDING", "PARTIALLY_FILLED")
        if not moves and traded == order["filled_quantity"]:
            return order
        client.ask("order.get", **reference, wait_ms=20)
    pytest.fail(f"{key} does not come to rest")


# Fields


def test_an_order_has_the_fields_of_the_contract_and_says_what_was_asked(
    client: Client, new_key: Callable[[], str]
) -> None:
    key = new_key()

    placed = client.ask("order.place", **RESTING, account="paper", key=key, strategy="orb")

    assert set(placed) == {"order", "replayed"}
    order = placed["order"]
    assert set(order) == ORDER_FIELDS
    asked = {**RESTING, "account": "paper", "key": key, "strategy": "orb"}
    assert {name: order[name] for name in asked} == asked
    assert (order["validity"], order["variety"], order["price"]) == ("DAY", "REGULAR", None)
    assert (order["filled_quantity"], order["average_price"], order["children"]) == (0, None, [])
    assert order["order_id"]
    assert order["broker_order_id"]
    assert len(order["tag"]) == 20
    assert order["seq"] > 0
    assert order["since"] is order["next_check"] is None
    assert datetime.fromisoformat(order["placed_at"]) <= datetime.fromisoformat(order["updated_at"])


def test_a_market_order_is_filled_and_its_trade_names_it(
    client: Client, new_key: Callable[[], str]
) -> None:
    key = new_key()
    client.ask("order.place", **TERMS, account="paper", key=key)

    order = settled(client, key)

    assert order["status"] == "FILLED"
    assert order["filled_quantity"] == order["quantity"] == 1
    trades = client.ask("order.trades", account="paper", limit=1000)["trades"]
    (trade,) = [each for each in trades if each["order_id"] == order["order_id"]]
    assert (trade["key"], trade["side"], trade["quantity"]) == (key, "BUY", 1)
    assert trade["price"] == order["average_price"]
    assert trade["broker_order_id"] == order["broker_order_id"]


@pytest.mark.parametrize("price", [1400.5, "1400.50", "01400.5", "1400.5000"])
def test_a_price_is_a_number_or_a_text_and_comes_back_as_a_number(
    client: Client, new_key: Callable[[], str], price: Any
) -> None:
    terms = {**TERMS, "type": "LIMIT", "validity": "IOC", "price": price}

    order = client.ask("order.place", **terms, account="paper", key=new_key())["order"]

    assert float(order["price"]) == 1400.5


# Keys


def test_the_same_key_and_order_is_the_order_as_it_stands(
    client: Client, new_key: Callable[[], str]
) -> None:
    key = new_key()
    first = client.ask("order.place", **TERMS, account="paper", key=key)
    filled = settled(client, key)

    again = client.ask("order.place", **TERMS, account="paper", key=key)

    assert (first["replayed"], again["replayed"]) == (False, True)
    assert again["order"] == filled
    assert again["order"]["order_id"] == first["order"]["order_id"]


def test_the_same_order_may_be_written_in_other_words(
    client: Client, new_key: Callable[[], str]
) -> None:
    key = new_key()
    limit = {**TERMS, "type": "LIMIT", "validity": "IOC", "price": 1400}
    client.ask("order.place", **limit, account="paper", key=key)

    again = client.ask(
        "order.place",
        **{**limit, "price": "1400.00", "trigger_price": None},
        account="paper",
        key=key,
        variety="REGULAR",
        timeout_ms=5,
        strategy=None,
    )

    assert again["replayed"] is True


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"quantity": 2}, ["quantity"]),
        ({"side": "SELL"}, ["side"]),
        ({"symbol": "NSE:TCS"}, ["symbol"]),
        ({"product": "MIS"}, ["product"]),
        ({"trigger_price": 2901}, ["trigger_price"]),
        ({"strategy": "other"}, ["strategy"]),
        ({"validity": "IOC"}, ["validity"]),
        ({"disclosed_quantity": 1}, ["disclosed_quantity"]),
        ({"market_protection": 2}, ["market_protection"]),
        ({"variety": "AMO"}, ["variety"]),
        ({"quantity": 2, "side": "SELL"}, ["quantity", "side"]),
        # What is not an order at all is looked at after the key.
        ({"quantity": 0}, ["quantity"]),
        ({"symbol": "NSE:NOSUCH"}, ["symbol"]),
    ],
)
def test_the_same_key_for_another_order_is_refused_with_the_one_there_is(
    client: Client, new_key: Callable[[], str], change: dict[str, Any], differs: list[str]
) -> None:
    key = new_key()
    placed = client.ask("order.place", **RESTING, account="paper", key=key)["order"]

    error = client.refused("order.place", **{**RESTING, "account": "paper", "key": key, **change})

    data = error["data"]
    assert (data["kind"], data["retry"], data["key"]) == ("KEY_REUSED", "never", key)
    assert set(data["differs"]) == set(differs)
    assert data["order"]["order_id"] == placed["order_id"]
    assert all(name in error["message"] for name in differs)


def test_a_key_belongs_to_one_user_of_the_broker(
    client: Client, new_key: Callable[[], str]
) -> None:
    key = new_key()

    first = client.ask("order.place", **RESTING, account="paper", key=key)
    other = client.ask("order.place", **RESTING, account="second", key=key)

    assert not first["replayed"]
    assert not other["replayed"]
    assert first["order"]["order_id"] != other["order"]["order_id"]


def test_a_key_is_one_for_orders_and_other_changes(
    client: Client, new_key: Callable[[], str]
) -> None:
    key = new_key()
    leg = {"trigger_price": 900, "side": "BUY", "quantity": 1, "price": 900}
    client.ask("gtt.place", account="paper", key=key, symbol="NSE:INFY", legs=[leg])

    error = client.refused("order.place", **TERMS, account="paper", key=key)

    assert error["data"]["kind"] == "KEY_REUSED"


def test_callers_of_one_key_at_once_make_one_order(
    daemon: Daemon,
    client: Client,
    connect: Callable[[], Client],
    new_key: Callable[[], str],
) -> None:
    key = new_key()
    clients = [connect() for _ in range(8)]

    asked = [
        (each, each.begin("order.place", **TERMS, account="paper", key=key))
        for each in clients
        for _ in range(5)
    ]
    answers = [each.answer(number)["result"] for each, number in asked]

    assert len({answer["order"]["order_id"] for answer in answers}) == 1
    assert [answer["replayed"] for answer in answers].count(False) == 1
    tag = answers[0]["order"]["tag"]
    assert daemon.paper_book().count(tag) == 1


# Fan-out


def test_several_accounts_answer_each_for_itself_in_the_order_asked(
    client: Client, new_key: Callable[[], str]
) -> None:
    key = new_key()
    accounts = ["second", "nosuch", "paper", "poor"]

    results = client.ask("order.place", **RESTING, accounts=accounts, key=key)["results"]

    assert [each["account"] for each in results] == accounts
    good, unknown, also_good, poor = results
    assert set(good) == set(also_good) == {"account", "order", "replayed"}
    assert good["order"]["account"] == "second"
    assert set(unknown) == {"account", "error"}
    assert unknown["error"]["data"]["kind"] == "UNKNOWN_ACCOUNT"
    assert poor["error"]["data"]["kind"] == "INSUFFICIENT_FUNDS"
    again = client.ask("order.place", **RESTING, accounts=accounts, key=key)["results"]
    assert [each.get("replayed") for each in again] == [True, None, True, True]
    assert again[3]["order"]["status"] == "REJECTED"


def test_a_fan_out_that_is_no_order_stores_nothing_anywhere(
    client: Client, new_key: Callable[[], str]
) -> None:
    key = new_key()
    wrong = {**TERMS, "quantity": 0}

    results = client.ask("order.place", **wrong, accounts=["paper", "second"], key=key)["results"]

    assert [each["error"]["data"]["kind"] for each in results] == ["INVALID_PARAMS"] * 2
    for account in ("paper", "second"):
        client.refused("order.get", account=account, key=key)


# The broker's no


def test_the_brokers_sure_no_means_that_no_order_of_the_key_exists(
    client: Client, new_key: Callable[[], str]
) -> None:
    key = new_key()

    error = client.refused("order.place", **TERMS, account="poor", key=key)

    data = error["data"]
    assert (data["kind"], data["retry"]) == ("INSUFFICIENT_FUNDS", "new_key")
    assert (data["account"], data["key"]) == ("poor", key)
    assert data["broker_message"]


def test_a_refused_order_stands_as_rejected_ever_after(
    client: Client, new_key: Callable[[], str]
) -> None:
    key = new_key()
    client.refused("order.place", **TERMS, account="poor", key=key)

    again = client.ask("order.place", **TERMS, account="poor", key=key)
    order = client.ask("order.get", account="poor", key=key)["order"]

    assert again == {"order": order, "replayed": True}
    assert order["status"] == "REJECTED"
    assert order["status_message"]
    assert order["broker_order_id"] is None


def test_the_broker_refuses_a_product_it_does_not_have(
    client: Client, new_key: Callable[[], str]
) -> None:
    error = client.refused(
        "order.place", **{**TERMS, "product": "NRML"}, account="paper", key=new_key()
    )

    assert error["data"]["kind"] == "ORDER_REJECTED"
    assert "NRML" in error["data"]["broker_message"]


# Dry run and time


def test_a_dry_run_stores_nothing_and_sends_nothing(
    daemon: Daemon, client: Client, new_key: Callable[[], str]
) -> None:
    key = new_key()
    book = daemon.paper_book().count('"place"')

    answer = client.ask("order.place", **TERMS, account="paper", key=key, dry_run=True)

    assert answer["replayed"] is False
    assert answer["order"]["key"] == key
    assert answer["order"]["broker_order_id"] is None
    assert client.refused("order.get", account="paper", key=key)
    assert f'"{key}"' not in daemon.journal()
    assert daemon.paper_book().count('"place"') == book
    assert client.ask("order.place", **TERMS, account="paper", key=key)["replayed"] is False


def test_a_dry_run_refuses_what_an_order_would_be_refused_for(
    client: Client, new_key: Callable[[], str]
) -> None:
    wrong = {**TERMS, "quantity": 0, "dry_run": True}

    error = client.refused("order.place", **wrong, account="paper", key=new_key())

    assert error["data"]["kind"] == "INVALID_PARAMS"


def test_a_dry_run_of_a_key_that_is_spent_says_so(
    client: Client, new_key: Callable[[], str]
) -> None:
    key = new_key()
    client.ask("order.place", **TERMS, account="paper", key=key)

    same = client.ask("order.place", **TERMS, account="paper", key=key, dry_run=True)
    other = client.refused(
        "order.place", **{**TERMS, "quantity": 2}, account="paper", key=key, dry_run=True
    )

    assert same["replayed"] is True
    assert other["data"]["kind"] == "KEY_REUSED"


def test_whatever_the_time_out_an_order_is_placed_or_told_to_be_too_late(
    client: Client, new_key: Callable[[], str]
) -> None:
    for timeout_ms in (1, 1, 1, 1, 1, 1, 1, 1, 2, 3):
        key = new_key()
        answer = client.answer(
            client.begin("order.place", **TERMS, account="paper", key=key, timeout_ms=timeout_ms)
        )

        if "error" in answer:
            assert answer["error"]["data"]["kind"] == "TOO_LATE"
        again = client.ask("order.place", **TERMS, account="paper", key=key)
        assert again["replayed"] is ("result" in answer)


def test_a_wait_ends_when_the_order_changes(
    client: Client, connect: Callable[[], Client], new_key: Callable[[], str]
) -> None:
    key = new_key()
    client.ask("order.place", **RESTING, account="paper", key=key)
    settled(client, key)
    waiting = connect()
    number = waiting.begin("order.get", account="paper", key=key, wait_ms=20_000)
    waiting.ask("system.ping")

    client.ask("order.cancel", account="paper", key=key)

    assert waiting.answer(number)["result"]["order"]["status"] == "CANCELLED"


def test_a_wait_for_an_order_that_is_final_is_over_at_once(
    client: Client, new_key: Callable[[], str]
) -> None:
    key = new_key()
    client.ask("order.place", **TERMS, account="paper", key=key)
    settled(client, key)

    number = client.begin("order.get", account="paper", key=key, wait_ms=60_000)

    assert client.answer(number)["result"]["order"]["status"] == "FILLED"


# Change


def test_a_modify_is_done_when_the_order_shows_it(
    client: Client, new_key: Callable[[], str]
) -> None:
    key = new_key()
    client.ask("order.place", **RESTING, account="paper", key=key)

    changed = client.ask("order.modify", account="paper", key=key, trigger_price=2910, quantity=3)

    assert set(changed) == {"order", "change"}
    assert changed["change"] == "done"
    assert (changed["order"]["trigger_price"], changed["order"]["quantity"]) == (2910, 3)
    by_id = client.ask("order.get", order_id=changed["order"]["order_id"])["order"]
    assert by_id["trigger_price"] == 2910


def test_a_change_key_makes_one_change(client: Client, new_key: Callable[[], str]) -> None:
    key, change = new_key(), new_key()
    client.ask("order.place", **RESTING, account="paper", key=key)
    wanted = {"account": "paper", "key": key, "change_key": change, "trigger_price": 2920}
    client.ask("order.modify", **wanted)

    again = client.ask("order.modify", **wanted)
    other = client.refused("order.modify", **{**wanted, "trigger_price": 2930})

    assert again["change"] == "done"
    records = client.ask("order.history", account="paper", key=key)["records"]
    assert [r["type"] for r in records].count("modify") == 1
    assert (other["data"]["kind"], other["data"]["retry"]) == ("KEY_REUSED", "never")


def test_a_cancel_is_done_and_a_second_finds_it_done(
    client: Client, new_key: Callable[[], str]
) -> None:
    key = new_key()
    client.ask("order.place", **RESTING, account="paper", key=key)

    first = client.ask("order.cancel", account="paper", key=key)
    second = client.ask("order.cancel", order_id=first["order"]["order_id"])

    assert (first["change"], second["change"]) == ("done", "done")
    assert first["order"]["status"] == "CANCELLED"
    assert second["order"] == first["order"]


@pytest.mark.parametrize("method", ["order.cancel", "order.modify"])
def test_a_change_of_a_filled_order_is_refused_with_the_order(
    client: Client, new_key: Callable[[], str], method: str
) -> None:
    key = new_key()
    client.ask("order.place", **TERMS, account="paper", key=key)
    settled(client, key)
    more = {"price": 1400} if method == "order.modify" else {}

    error = client.refused(method, account="paper", key=key, **more)

    assert error["data"]["kind"] == "ORDER_REJECTED"
    assert error["data"]["order"]["status"] == "FILLED"
    assert "FILLED" in error["message"]


def test_a_modify_that_is_refused_leaves_the_order(
    client: Client, new_key: Callable[[], str]
) -> None:
    key = new_key()
    client.ask("order.place", **RESTING, account="paper", key=key)

    # The price of an SL to buy may not lie below its trigger: the broker says so.
    error = client.refused("order.modify", account="paper", key=key, type="SL", price=1400)

    assert error["data"]["kind"] == "ORDER_REJECTED"
    assert error["data"]["order"]["status"] in ("PENDING", "TRIGGER_PENDING")
    order = settled(client, key)
    assert (order["type"], order["price"], order["status"]) == ("SL-M", None, "TRIGGER_PENDING")


def test_cancel_all_takes_what_matches_and_nothing_else(
    client: Client, new_key: Callable[[], str]
) -> None:
    client.ask("order.cancel_all")
    mine = [new_key() for _ in range(5)]
    for key, more in zip(
        mine,
        (
            {"account": "paper", "strategy": "one"},
            {"account": "paper", "strategy": "two"},
            {"account": "second", "strategy": "one"},
            {"account": "second", "strategy": "two", "symbol": "NSE:ITC"},
            {"account": "paper", "symbol": "NSE:ITC"},
        ),
        strict=True,
    ):
        client.ask("order.place", **{**RESTING, "key": key, **more})

    def cancelled(**filters: Any) -> list[str]:
        results = client.ask("order.cancel_all", **filters)["results"]
        for each in results:
            assert set(each) == {"order_id", "account", "order", "change"}
            assert each["order"]["status"] == "CANCELLED"
        return [each["order"]["key"] for each in results]

    assert cancelled(account="paper", strategy="one") == [mine[0]]
    assert cancelled(symbol="NSE:ITC", account="second") == [mine[3]]
    assert cancelled(strategy="one") == [mine[2]]
    assert cancelled(symbol="NSE:NOSUCH") == []
    assert set(cancelled()) == {mine[4], mine[1]}
    assert cancelled() == []
    assert client.refused("order.cancel_all", account="nosuch")["data"]["kind"] == (
        "UNKNOWN_ACCOUNT"
    )


# Look


def test_the_list_is_filtered_and_comes_in_pages(
    client: Client, new_key: Callable[[], str]
) -> None:
    keys = [new_key() for _ in range(7)]
    for key in keys:
        client.ask("order.place", **RESTING, account="second", key=key, strategy="pages")
    client.ask("order.cancel", account="second", key=keys[3])

    seen: list[str] = []
    after, pages = None, 0
    while pages < 10:
        page = client.ask("order.list", account="second", strategy="pages", limit=3, after=after)
        seen += [order["key"] for order in page["orders"]]
        pages += 1
        after = page["next"]
        if after is None:
            break

    assert seen == keys
    assert pages == 3
    whole = client.ask("order.list", account="second", strategy="pages", limit=7)
    assert (len(whole["orders"]), whole["next"]) == (7, None)
    ended = client.ask("order.list", strategy="pages", status="CANCELLED")["orders"]
    assert [order["key"] for order in ended] == [keys[3]]
    assert client.ask("order.list", strategy="pages", symbol="NSE:TCS")["orders"] == []
    assert client.ask("order.list", account="paper", strategy="pages")["orders"] == []
    assert client.refused("order.list", account="nosuch")["data"]["kind"] == "UNKNOWN_ACCOUNT"


def test_a_symbol_in_a_filter_may_be_the_brokers_own(
    client: Client, new_key: Callable[[], str]
) -> None:
    key = new_key()
    client.ask("order.place", **RESTING, account="second", key=key, strategy="own-symbol")

    found = client.ask("order.list", strategy="own-symbol", symbol="NSE:INFY")["orders"]

    assert [order["key"] for order in found] == [key]


def test_the_trades_come_in_pages(client: Client, new_key: Callable[[], str]) -> None:
    keys = [new_key() for _ in range(3)]
    for key in keys:
        client.ask("order.place", **TERMS, account="second", key=key, strategy="trades")
        settled(client, key, "second")

    first = client.ask("order.trades", account="second", strategy="trades", limit=2)
    rest = client.ask(
        "order.trades", account="second", strategy="trades", limit=2, after=first["next"]
    )

    assert [trade["key"] for trade in first["trades"] + rest["trades"]] == keys
    assert rest["next"] is None


def test_the_history_is_every_record_of_the_order_and_its_changes(
    client: Client, new_key: Callable[[], str]
) -> None:
    key = new_key()
    client.ask("order.place", **RESTING, account="paper", key=key)
    client.ask("order.modify", account="paper", key=key, trigger_price=2950)
    order = client.ask("order.cancel", account="paper", key=key)["order"]

    records = client.ask("order.history", account="paper", key=key)["records"]

    kinds = [each["type"] for each in records]
    assert kinds[:2] == ["intent", "accepted"]
    for kind in ("intent", "modify", "cancel"):
        assert kinds.count(kind) == 1
    seqs = [each["seq"] for each in records]
    assert seqs == sorted(set(seqs))
    assert order["seq"] in seqs
    intent = records[0]
    assert (intent["key"], intent["tag"], intent["order"]["trigger_price"]) == (
        key,
        order["tag"],
        2900,
    )
    by_id = client.ask("order.history", order_id=order["order_id"])["records"]
    assert by_id == records


def test_a_doubt_that_is_none_cannot_be_resolved_otherwise(
    client: Client, new_key: Callable[[], str]
) -> None:
    key = new_key()
    client.ask("order.place", **TERMS, account="paper", key=key)
    order = settled(client, key)
    resolve = {"account": "paper", "key": key, "reason": "a test"}

    error = client.refused("order.resolve", **resolve, outcome="not_placed")
    other = client.refused("order.resolve", **resolve, outcome="placed", broker_order_id="1")
    same = client.ask(
        "order.resolve", **resolve, outcome="placed", broker_order_id=order["broker_order_id"]
    )

    for refused in (error, other):
        assert refused["data"]["kind"] == "INVALID_PARAMS"
        assert refused["data"]["order"]["order_id"] == order["order_id"]
    assert same["order"] == order
    assert client.ask("order.get", account="paper", key=key)["order"] == order


def test_a_margin_is_told_without_an_order(daemon: Daemon, client: Client) -> None:
    before = daemon.journal().count('"intent"')

    margin = client.ask("order.margin", account="paper", orders=[TERMS, TERMS])

    assert {"needed", "available", "charges"} <= set(margin)
    assert daemon.journal().count('"intent"') == before


# GTT and conversion


def test_a_condition_is_placed_listed_changed_and_taken_back(
    client: Client, new_key: Callable[[], str]
) -> None:
    account = {"account": "second"}
    stop = {"trigger_price": 900, "side": "SELL", "quantity": 1, "price": 900}
    target = {"trigger_price": 2500, "side": "SELL", "quantity": 1, "price": 2500}
    key = new_key()
    both = {**account, "symbol": "NSE:INFY", "legs": [stop, target]}

    placed = client.ask("gtt.place", **both, key=key)
    replayed = client.ask("gtt.place", **both, key=key)
    gtt_id = placed["gtt"]["gtt_id"]
    assert (placed["change"], placed["replayed"], replayed["replayed"]) == ("done", False, True)
    assert replayed["gtt"]["gtt_id"] == gtt_id
    reused = client.refused("gtt.place", **{**both, "legs": [stop]}, key=key)
    assert reused["data"]["kind"] == "KEY_REUSED"

    changed = client.ask(
        "gtt.modify",
        **{**both, "legs": [stop | {"price": 890}, target]},
        gtt_id=gtt_id,
        key=new_key(),
    )
    assert changed["change"] == "done"
    (listed,) = [g for g in client.ask("gtt.list", **account)["gtts"] if g["gtt_id"] == gtt_id]
    assert listed["legs"][0]["price"] == 890
    assert listed["status"] == "ACTIVE"

    cancelled = client.ask("gtt.cancel", **account, gtt_id=gtt_id, key=new_key())
    assert cancelled["change"] == "done"
    (listed,) = [g for g in client.ask("gtt.list", **account)["gtts"] if g["gtt_id"] == gtt_id]
    assert listed["status"] != "ACTIVE"
    gone = client.refused("gtt.cancel", **account, gtt_id="987654", key=new_key())
    assert gone["data"]["kind"] == "ORDER_REJECTED"


def test_a_position_is_converted_once_for_its_key(
    client: Client, new_key: Callable[[], str]
) -> None:
    bought, key = new_key(), new_key()
    order = {**TERMS, "symbol": "NSE:WIPRO", "quantity": 3}
    client.ask("order.place", **order, account="paper", key=bought)
    settled(client, bought)
    wanted = {
        "account": "paper",
        "key": key,
        "symbol": "NSE:WIPRO",
        "side": "BUY",
        "quantity": 2,
        "from_product": "CNC",
        "to_product": "MIS",
    }

    first = client.ask("portfolio.convert", **wanted)
    again = client.ask("portfolio.convert", **wanted)

    assert first == {"change": "done", "replayed": False}
    assert again == {"change": "done", "replayed": True}
    (mine,) = client.ask("portfolio.positions", account="paper")["accounts"]
    wipro = {p["product"]: p["quantity"] for p in mine["positions"] if p["symbol"] == "NSE:WIPRO"}
    assert wipro == {"CNC": 1, "MIS": 2}


def test_orders_of_one_account_reach_the_broker_in_the_order_they_were_sent(
    client: Client, new_key: Callable[[], str]
) -> None:
    numbers = [
        client.begin("order.place", **RESTING, account="paper", key=new_key()) for _ in range(40)
    ]

    placed = [client.answer(number)["result"]["order"] for number in numbers]

    ids = [int(order["broker_order_id"]) for order in placed]
    assert ids == sorted(ids)

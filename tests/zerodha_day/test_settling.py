"""How a doubt ends, and when it may not: late, hidden, unclaimed, stale, unreadable, emptied.

By the book, that is: nobody is let in to the stream, which would tell of the order at once. What it does is the last test.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ordod.sim.process import SimProcess, running
from tests.zerodha_day.harness import ACCOUNT, Ordo, Trouble, eventually, ordo, session_of


@pytest.fixture
def sim() -> Iterator[SimProcess]:
    """A broker for each test: what one leaves in the book would speak against the next one's absence."""
    with running("--no-limits") as started:
        started.feed_fault("refuse", times=100_000)
        yield started


@pytest.fixture
def daemon(sim: SimProcess, folder: Path) -> Iterator[Ordo]:
    with ordo(folder, sim, access_token=session_of(sim)) as started:
        echo = started.place()  # without one whose tag the book shows, absence is never believed
        started.comes_to(echo["key"], "OPEN")
        yield started


def doubt(daemon: Ordo, trouble: Trouble, kind: str = "lose_before", **more: Any) -> dict[str, Any]:
    """An order whose answer is lost."""
    order = daemon.order(**more.pop("order", {}))
    trouble.befall(kind, "POST", "/orders/", **more)
    placed = dict(daemon.call("order.place", **order)["order"])
    assert placed["status"] == "IN_DOUBT"
    assert placed["since"]
    return placed


def why(daemon: Ordo, key: str) -> str:
    doubts = daemon.call("system.status")["doubts"]
    return next((d["why"] for d in doubts if d["order"]["key"] == key), "")


def by_hand(sim: SimProcess, **more: Any) -> str:
    form: dict[str, Any] = {
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "transaction_type": "BUY",
        "product": "CNC",
    }
    form |= {"order_type": "LIMIT", "price": "1300", "quantity": 10, "validity": "DAY"} | more
    return str(sim.call("POST", "place", form)["order_id"])


def evidence(daemon: Ordo, order: dict[str, Any]) -> list[dict[str, Any]]:
    records = daemon.call("order.history", order_id=order["order_id"])["records"]
    return [record for record in records if record["type"] in ("evidence", "settled")]


def test_an_order_that_shows_up_late_is_placed(
    daemon: Ordo, sim: SimProcess, trouble: Trouble
) -> None:
    order = doubt(daemon, trouble, "late", seconds=2.5)

    seen = daemon.comes_to(order["key"], "OPEN")

    [made] = [p for p in sim.placements() if p["tag"] == order["tag"]]
    assert seen["broker_order_id"] == made["order_id"]
    assert evidence(daemon, order)[-1]["outcome"] == "placed"


def test_not_placed_takes_two_whole_readings_and_is_left_when_the_order_shows_up(
    daemon: Ordo, sim: SimProcess, trouble: Trouble
) -> None:
    """The horizon of this daemon is one second: here the broker is later than it may be."""
    order = doubt(daemon, trouble, "late", seconds=14, order={"symbol": "NSE:TCS", "price": 2900})
    by_hand(sim, tradingsymbol="WIPRO", price="210")
    by_hand(sim, tradingsymbol="TCS", price="3200", transaction_type="SELL", product="MIS")

    daemon.comes_to(order["key"], "NOT_PLACED", within_s=25)
    *readings, settled = evidence(daemon, order)
    daemon.comes_to(order["key"], "OPEN", within_s=25)

    assert settled["outcome"] == "not_placed"
    assert len(readings) >= 2
    assert all(reading["complete"] and not reading.get("found") for reading in readings)
    assert len([p for p in sim.placements() if p["tag"] == order["tag"]]) == 1
    assert "ended_order_is_at_the_broker" in daemon.log.read_text()


def test_a_cancel_of_a_doubt_goes_out_when_the_order_appears(
    daemon: Ordo, sim: SimProcess, trouble: Trouble
) -> None:
    order = doubt(daemon, trouble, "late", seconds=3)

    waits = daemon.call("order.cancel", account=ACCOUNT, key=order["key"])
    modify = daemon.refused("order.modify", account=ACCOUNT, key=order["key"], price=1290)

    assert waits["change"] == "in_doubt"
    assert (modify.kind, modify.retry) == ("ORDER_IN_DOUBT", "same_key")
    daemon.comes_to(order["key"], "CANCELLED", within_s=20)
    assert [d["what"] for d in sim.deeds() if d["what"] == "cancel"] == ["cancel"]


def test_a_hidden_tag_leaves_the_doubt_to_a_person_who_ends_it(
    daemon: Ordo, sim: SimProcess, trouble: Trouble
) -> None:
    trouble.befall("lose_before", "POST", "/orders/")  # its answer is lost, and it was placed:
    order = daemon.order(type="MARKET")
    assert daemon.call("order.place", **order)["order"]["status"] == "IN_DOUBT"
    hidden = by_hand(sim, order_type="MARKET", price="0", market_protection="-1")

    told = eventually(lambda: "order.resolve" in why(daemon, order["key"]), within_s=20)
    resolved = daemon.call(
        "order.resolve",
        account=ACCOUNT,
        key=order["key"],
        outcome="placed",
        broker_order_id=hidden,
        reason="seen at the broker's screen",
    )["order"]

    assert told
    assert resolved["broker_order_id"] == hidden
    seen = daemon.comes_to(order["key"], "FILLED")
    assert seen["filled_quantity"] == 10
    living = [o for o in daemon.listed() if o["broker_order_id"] == hidden and o["key"] is None]
    assert [o["status"] for o in living] in ([], ["NOT_PLACED"])


def test_an_order_nobody_claims_of_the_same_instrument_and_side_speaks_against_absence(
    daemon: Ordo, sim: SimProcess, trouble: Trouble
) -> None:
    order = doubt(daemon, trouble)
    stranger = by_hand(sim)

    eventually(lambda: stranger in why(daemon, order["key"]), within_s=20)

    resolved = daemon.call(
        "order.resolve",
        account=ACCOUNT,
        key=order["key"],
        outcome="not_placed",
        reason="that one was placed by hand",
    )["order"]
    assert resolved["status"] == "NOT_PLACED"
    assert daemon.call("system.status")["doubts"] == []


def test_a_type_whose_tag_the_book_never_showed_waits_for_a_person(
    daemon: Ordo, trouble: Trouble
) -> None:
    order = doubt(daemon, trouble, order={"type": "SL", "price": 1520, "trigger_price": 1510})

    eventually(lambda: "order.resolve" in why(daemon, order["key"]), within_s=20)

    assert daemon.get(order["key"])["status"] == "IN_DOUBT"
    assert "ordoctl resolve" in daemon.call("system.status")["todo"]


def test_an_old_copy_of_the_book_says_nothing(
    daemon: Ordo, sim: SimProcess, trouble: Trouble
) -> None:
    """The order is there all the time; the copies of the book are from before it."""
    trouble.befall("stale", "GET", "/orders", times=None)
    order = doubt(daemon, trouble, "lose_after")
    newer = daemon.place()  # accepted, and missing in the copies

    eventually(lambda: "lacks an order" in why(daemon, order["key"]), within_s=20)
    before = len(trouble.requests("GET", "/orders"))
    eventually(lambda: len(trouble.requests("GET", "/orders")) > before + 1, within_s=20)
    assert daemon.get(order["key"])["status"] == "IN_DOUBT"

    sim.call("DELETE", "faults")
    daemon.comes_to(order["key"], "OPEN", within_s=20)
    daemon.comes_to(newer["key"], "OPEN")


def test_an_unreadable_row_keeps_absence_away_and_orders_going(
    daemon: Ordo, sim: SimProcess, trouble: Trouble
) -> None:
    row: dict[str, Any] = {
        "order_id": "1",
        "status": "A WORD NOBODY KNOWS",
        "tag": None,
        "tags": [],
    }
    page = (
        '{"status":"success","data":[' + str(row).replace("'", '"').replace("None", "null") + "]}"
    )
    trouble.befall("status", "GET", "/orders", times=None, status=200, body=page)
    order = doubt(daemon, trouble)

    eventually(lambda: "cannot be read" in why(daemon, order["key"]), within_s=20)

    assert daemon.place()["status"] == "PENDING"
    assert daemon.get(order["key"])["status"] == "IN_DOUBT"


def test_a_night_that_empties_the_book_leaves_the_doubt_open(
    daemon: Ordo, sim: SimProcess, trouble: Trouble
) -> None:
    order = doubt(daemon, trouble)

    sim.call("POST", "new_day")

    eventually(lambda: "lacks an order" in why(daemon, order["key"]), within_s=20)
    before = len(trouble.requests("GET", "/orders"))
    eventually(lambda: len(trouble.requests("GET", "/orders")) > before + 1, within_s=25)
    assert daemon.get(order["key"])["status"] == "IN_DOUBT"


def test_another_users_session_says_nothing_and_places_nothing(
    daemon: Ordo, folder: Path, sim: SimProcess, trouble: Trouble
) -> None:
    """The account's token is of another user now: its empty book does not speak for the first one's orders."""
    order = doubt(daemon, trouble)
    profile = '{"status":"success","data":{"user_id":"ZX0002"}}'
    trouble.befall("status", "GET", "/user/profile", status=200, body=profile)
    daemon.process.terminate()
    daemon.process.wait(10)

    with ordo(folder, sim, access_token=session_of(sim), trades=False) as again:
        eventually(lambda: again.account()["user"] == "ZX0002")
        again.can_trade()
        doubts = eventually(lambda: again.call("system.status")["doubts"])
        eventually(lambda: "another user" in again.call("system.status")["doubts"][0]["why"])

    assert [d["order"]["key"] for d in doubts] == [order["key"]]


def test_the_stream_ends_a_doubt_while_the_book_is_an_old_copy(folder: Path) -> None:
    with running("--no-limits") as sim, ordo(folder, sim, access_token=session_of(sim)) as daemon:
        trouble = Trouble(sim)
        eventually(lambda: daemon.call("system.status")["updates"][0]["channel"]["is_open"])
        trouble.befall("stale", "GET", "/orders", times=None)

        order = doubt(daemon, trouble, "lose_after")
        daemon.comes_to(order["key"], "OPEN", within_s=5)

        assert [each.get("source") for each in evidence(daemon, order)] == ["push", None]

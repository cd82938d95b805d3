"""Trouble on request: which requests it befalls, and what it does to them, before any socket."""

from datetime import timedelta
from typing import Any

import msgspec
import orjson
import pytest

from ordod.sim.faults import Faults
from ordod.sim.message import Ending, Reply


def kinds(faults: Faults, *requests: tuple[str, str]) -> list[str]:
    return [str(fault.kind) if (fault := faults.take(*request)) else "" for request in requests]


def test_a_scripted_fault_befalls_the_next_requests_that_fit_and_no_more() -> None:
    faults = Faults()
    faults.add("lose_after", "POST", "/orders", times=2)

    befallen = kinds(faults, ("GET", "/orders"), *[("POST", "/orders/regular")] * 3)

    assert befallen == ["", "lose_after", "lose_after", ""]
    assert faults.waiting == ()


def test_skipped_requests_pass_unharmed() -> None:
    faults = Faults()
    faults.add("reset", "POST", skip=2)

    assert kinds(faults, *[("POST", "/orders/regular")] * 4) == ["", "", "reset", ""]


def test_chance_repeats_with_its_seed_and_keeps_its_rate() -> None:
    def draw(seed: int) -> list[str]:
        faults = Faults(seed)
        faults.chance("lose=0.25")
        return kinds(faults, *[("POST", "/orders/regular")] * 2000)

    first = draw(1)

    assert first == draw(1) != draw(2)
    assert first.count("lose_before") == pytest.approx(250, abs=60)
    assert first.count("lose_after") == pytest.approx(250, abs=60)


def test_chance_befalls_only_changes_of_orders_unless_a_scope_is_named() -> None:
    faults = Faults()
    faults.chance("lose_before=1")
    named = Faults()
    named.chance("delay=1:GET:/orders")

    assert kinds(faults, ("GET", "/orders"), ("POST", "/gtt/triggers")) == ["", ""]
    assert kinds(faults, ("DELETE", "/orders/regular/1")) == ["lose_before"]
    assert kinds(named, ("POST", "/orders/regular"), ("GET", "/orders")) == ["", "delay"]


@pytest.mark.parametrize("text", ["lose", "lose=2", "no_such=0.1", "lose=x"])
def test_an_odd_chance_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Faults().chance(text)


def test_an_odd_fault_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        Faults().add("lose_after", flavour="blue")


# What each does


def place(kite: Any, form: Any, **more: object) -> Reply:
    """One placement under the faults that wait."""
    return send(kite, "POST", "/orders/regular", form(**more))


def send(kite: Any, method: str, target: str, form: dict[str, object] | None = None) -> Reply:
    from urllib.parse import urlencode

    kite.now += timedelta(seconds=1)
    headers = [*kite.headers, ("Content-Type", "application/x-www-form-urlencoded")]
    reply: Reply = kite.sim.answer(
        method, target, headers, urlencode(form or {}).encode(), kite.now
    )
    return reply


def made(kite: Any) -> list[str]:
    """The tags of the orders that really exist."""
    return [deed.tag for deed in kite.sim.desk.deeds if deed.what == "place" and not deed.error]


@pytest.mark.parametrize(
    ("kind", "more", "ending", "exists"),
    [
        ("lose_before", {}, Ending.CLOSE, False),
        ("lose_after", {}, Ending.CLOSE, True),
        ("reset", {"executed": True}, Ending.RESET, True),
        ("reset", {"executed": False}, Ending.RESET, False),
        ("half", {}, Ending.HALF, True),
        ("hang", {}, Ending.HANG, True),
        ("hang", {"executed": False}, Ending.HANG, False),
        ("delay", {"seconds": 3}, Ending.WHOLE, True),
        ("status", {"status": 504}, Ending.WHOLE, True),
        ("status", {"status": 504, "executed": False}, Ending.WHOLE, False),
        ("garbage", {}, Ending.WHOLE, True),
        ("no_order_id", {}, Ending.WHOLE, True),
        ("dead_session", {}, Ending.WHOLE, False),
        ("reject", {"reason": "funds"}, Ending.WHOLE, False),
        ("timed_out_400", {}, Ending.WHOLE, True),
        ("timed_out_400", {"executed": False}, Ending.WHOLE, False),
        ("late", {"seconds": 30}, Ending.CLOSE, False),
    ],
)
def test_a_fault_ends_the_answer_so_and_the_order_exists_or_not(
    kite: Any, form: Any, kind: str, more: dict[str, object], ending: Ending, exists: bool
) -> None:
    kite.sim.faults.add(kind, "POST", "/orders", **more)

    reply = place(kite, form, tag="t1")

    assert reply.ending is ending
    assert made(kite) == (["t1"] if exists else [])
    assert [seen.fault for seen in kite.sim.requests] == [kind]


@pytest.mark.parametrize(
    ("reason", "status", "error_type"),
    [
        ("funds", 400, "MarginException"),
        ("input", 400, "InputException"),
        ("order", 400, "OrderException"),
        ("closed", 400, "OrderException"),
        ("holdings", 400, "HoldingException"),
        ("depository", 428, "OrderException"),
    ],
)
def test_a_rejection_on_request_speaks_like_kite(
    kite: Any, form: Any, reason: str, status: int, error_type: str
) -> None:
    kite.sim.faults.add("reject", "POST", "/orders", reason=reason)

    answer = place(kite, form).answer

    assert (answer.status, orjson.loads(answer.body)["error_type"]) == (status, error_type)


def test_a_400_that_says_timed_out_says_it_in_the_words_that_were_seen(
    kite: Any, form: Any
) -> None:
    kite.sim.faults.add("timed_out_400", "POST", "/orders")

    answer = place(kite, form).answer

    assert answer.status == 400
    assert b"Order request timed out." in answer.body


def test_a_late_order_appears_when_its_time_has_come(kite: Any, form: Any) -> None:
    kite.sim.faults.add("late", "POST", "/orders", seconds=30)
    place(kite, form, tag="late1")

    kite.now += timedelta(seconds=20)
    before = kite.ask("GET", "/orders")
    kite.now += timedelta(seconds=20)

    assert before == []
    assert [row["tag"] for row in kite.ask("GET", "/orders")] == ["late1"]


def test_an_invisible_order_is_acknowledged_and_in_no_book_for_a_while(
    kite: Any, form: Any
) -> None:
    kite.sim.faults.add("invisible", "POST", "/orders", seconds=30)
    answer = place(kite, form).answer
    order_id = orjson.loads(answer.body)["data"]["order_id"]

    hidden = (kite.ask("GET", "/orders"), kite.ask("GET", "/trades"))
    unknown = kite.refused("GET", f"/orders/{order_id}")[0]
    kite.now += timedelta(seconds=40)

    assert hidden == ([], [])
    assert unknown == 404
    assert kite.order(order_id)["status"] == "COMPLETE"


def test_a_hidden_tag_is_in_no_row_but_in_the_truth(kite: Any, form: Any) -> None:
    kite.sim.faults.add("hide_tag", "POST", "/orders")
    place(kite, form, tag="t1")

    (row,) = kite.ask("GET", "/orders")

    assert (row["tag"], row["tags"]) == (None, ["mktp", "mktp:2.00"])
    assert made(kite) == ["t1"]


def test_a_stale_book_is_the_copy_that_was_served_last(kite: Any, form: Any) -> None:
    kite.place(tag="old")
    kite.ask("GET", "/orders")
    kite.place(tag="new")
    kite.sim.faults.add("stale", "GET", "/orders")

    stale = orjson.loads(send(kite, "GET", "/orders").answer.body)["data"]
    fresh = orjson.loads(send(kite, "GET", "/orders").answer.body)["data"]

    assert [row["tag"] for row in stale] == ["old"]
    assert [row["tag"] for row in fresh] == ["old", "new"]


def test_a_stale_book_nobody_read_before_is_empty(kite: Any) -> None:
    kite.place()
    kite.sim.faults.add("stale", "GET", "/orders")

    assert orjson.loads(send(kite, "GET", "/orders").answer.body)["data"] == []


def test_a_dead_session_stays_dead_until_a_login(kite: Any) -> None:
    kite.sim.faults.add("dead_session", "GET", "/orders")

    first = send(kite, "GET", "/orders").answer.status
    second = send(kite, "GET", "/orders").answer.status
    kite.login()

    assert (first, second) == (403, 403)
    assert send(kite, "GET", "/orders").answer.status == 200


def test_no_secret_is_kept_in_the_list_of_requests(kite: Any) -> None:
    send(kite, "POST", "/api/login", {"user_id": "ZX0001", "password": "correct-horse"})

    (seen,) = kite.sim.requests

    assert seen.form == {"user_id": "ZX0001"}

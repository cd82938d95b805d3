"""The simulated Dhan's two sockets by hand: who is served, what the feed is told and tells, and updates (dhan.md 9)."""

import json
import struct
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ordod.sim.dhan import DhanSim
from ordod.sim.dhan.feeds import MarketFeed, OrderFeed
from ordod.sim.feeds import FeedFault, FeedFaultKind, SimFeed
from ordod.sim.message import Answer, Request
from tests.sim.dhan_client import TEN, USER, DhanClient

NIFTY = ("IDX_I", "13")
SHARED = DhanClient(DhanSim(seed=7, now=TEN))  # for what leaves nothing behind


@pytest.fixture
def dhan() -> DhanClient:
    return DhanClient(DhanSim(seed=7, now=TEN))


# A client by hand


def opened(dhan: DhanClient, target: str) -> SimFeed | Answer:
    return dhan.sim.open_feed(Request.read("GET", target, [], b""), dhan.now)


def feed(dhan: DhanClient, token: str | None = None, client_id: str = USER.client_id) -> MarketFeed:
    token = dhan.access_token if token is None else token
    found = opened(dhan, f"/?version=2&token={token}&clientId={client_id}&authType=2")
    assert isinstance(found, MarketFeed)
    return found


def asked(code: int, *names: tuple[str, str], count: int | None = None) -> str:
    listed = [{"ExchangeSegment": segment, "SecurityId": one} for segment, one in names]
    number = len(names) if count is None else count
    return json.dumps({"RequestCode": code, "InstrumentCount": number, "InstrumentList": listed})


def say(dhan: DhanClient, to: SimFeed, *frames: bytes | str) -> list[bytes]:
    """And what is answered at once."""
    for frame in frames:
        to.received(frame, dhan.now)
    told = to.frames(dhan.now)
    assert all(isinstance(frame, bytes) for frame in told)
    return [frame for frame in told if isinstance(frame, bytes)]


def later(dhan: DhanClient, to: SimFeed, seconds: float = 1) -> list[bytes]:
    dhan.now += timedelta(seconds=seconds)
    dhan.sim.advance(dhan.now)
    return say(dhan, to)


def named(dhan: DhanClient, symbol: str) -> tuple[str, str]:
    contract = dhan.sim.market.of(symbol)
    return contract.segment, contract.security_id


def heads(frames: list[bytes]) -> list[tuple[int, int, int, int]]:
    """Code, length, segment and id of each packet; each fills its frame."""
    found = [struct.unpack_from("<BHBI", frame) for frame in frames]
    assert [head[1] for head in found] == [len(frame) for frame in frames]
    return [(code, size, segment, one) for code, size, segment, one in found]


def codes(frames: list[bytes]) -> list[int]:
    return [code for code, *_ in heads(frames)]


# The door


@pytest.mark.parametrize(
    ("token", "client_id", "reason"),
    [("dead", USER.client_id, 809), (None, "1000000009", 808)],
)
def test_who_may_not_come_is_told_why_and_let_go(
    dhan: DhanClient, token: str | None, client_id: str, reason: int
) -> None:
    to = feed(dhan, token, client_id)
    assert not to.is_over(dhan.now)

    (frame,) = say(dhan, to)

    assert frame == struct.pack("<BHBIH", 50, 10, 0, 0, reason)
    assert to.is_over(dhan.now)
    assert say(dhan, to) == []


def test_prices_are_paid_for_apart() -> None:
    client = replace(USER, data_plan=False)
    dhan = DhanClient(DhanSim(seed=7, now=TEN, clients=(client,)))

    (frame,) = say(dhan, feed(dhan))

    assert struct.unpack_from("<H", frame, 8) == (806,)


def test_a_stream_ends_with_its_session(dhan: DhanClient) -> None:
    prices, updates = feed(dhan), logged_in(dhan)

    dhan.sim.end_sessions(USER.client_id)

    assert struct.unpack_from("<H", say(dhan, prices)[0], 8) == (807,)
    assert prices.is_over(dhan.now)
    assert updates.is_over(dhan.now)


def test_a_sixth_connection_ends_the_oldest_that_is_open(dhan: DhanClient) -> None:
    first, second, *_rest = feeds = [feed(dhan) for _ in range(5)]
    assert [say(dhan, each) for each in feeds] == [[]] * 5

    sixth = feed(dhan)

    assert struct.unpack_from("<H", say(dhan, first)[0], 8) == (805,)
    assert say(dhan, second) == say(dhan, sixth) == []


def test_a_connection_that_is_gone_makes_room(dhan: DhanClient) -> None:
    kept = feed(dhan)
    for _ in range(10):
        feed(dhan)

    assert say(dhan, kept) == []


def test_a_client_may_be_refused_on_request_and_paths_are_none(dhan: DhanClient) -> None:
    dhan.sim.feed_faults.add(FeedFault(kind=FeedFaultKind.REFUSE), dhan.now)

    assert isinstance(opened(dhan, "/?version=2"), Answer)
    assert isinstance(opened(dhan, "/?version=2"), MarketFeed)
    assert isinstance(opened(dhan, "/"), OrderFeed)
    assert isinstance(opened(dhan, "/orders"), Answer)


# Prices


def test_what_is_subscribed_begins_with_its_previous_close(dhan: DhanClient) -> None:
    infy, future = named(dhan, "NSE:INFY"), named(dhan, "NFO:NIFTY29DEC26FUT")
    to, ids = feed(dhan), (int(infy[1]), int(future[1]))

    share = say(dhan, to, asked(15, infy))
    quotes = say(dhan, to, asked(17, infy, future))
    whole = say(dhan, to, asked(21, NIFTY))

    assert heads(share) == [(6, 16, 1, ids[0]), (2, 16, 1, ids[0])]
    assert heads(quotes) == [
        *[(6, 16, 1, ids[0]), (4, 50, 1, ids[0])],
        *[(6, 16, 2, ids[1]), (5, 12, 2, ids[1]), (4, 50, 2, ids[1])],
    ]
    assert heads(whole) == [(6, 16, 0, 13), (8, 162, 0, 13)]


def test_packets_are_laid_out_as_in_the_sheet(dhan: DhanClient) -> None:
    future = named(dhan, "NFO:NIFTY29DEC26FUT")
    previous, whole = say(dhan, feed(dhan), asked(21, future))
    told = dhan.sim.paper.quote("NFO:NIFTY29DEC26FUT", dhan.now)
    assert told.depth is not None
    assert told.at is not None

    def single(amount: Any) -> float:
        rounded: float = struct.unpack("<f", struct.pack("<f", amount))[0]
        return rounded

    assert struct.unpack_from("<f", previous, 8)[0] == single(told.close_price)
    last, _, at, average, volume, sells, buys = struct.unpack_from("<fHIfIII", whole, 8)
    assert last == single(told.last_price)
    assert struct.unpack_from("<f", whole, 54)[0] > average > struct.unpack_from("<f", whole, 58)[0]
    assert at - 19_800 == int(told.at.timestamp())
    assert volume == told.volume
    assert sells == sum(level.quantity for level in told.depth.sell)
    assert buys == sum(level.quantity for level in told.depth.buy)
    assert struct.unpack_from("<I", whole, 34)[0] == told.oi
    day = (told.open_price, told.close_price, told.high_price, told.low_price)
    assert struct.unpack_from("<4f", whole, 46) == tuple(map(single, day))
    best, other = told.depth.buy[0], told.depth.sell[0]
    assert struct.unpack_from("<IIHHff", whole, 62) == (
        *(best.quantity, other.quantity, best.orders or 0, other.orders or 0),
        *(single(best.price), single(other.price)),
    )


def test_what_changed_follows_and_the_rest_is_silent(dhan: DhanClient) -> None:
    to = feed(dhan)
    say(dhan, to, asked(15, NIFTY))

    assert say(dhan, to) == []
    assert codes(later(dhan, to)) == [2]


def test_a_request_is_undone_by_its_own_number_alone(dhan: DhanClient) -> None:
    to = feed(dhan)
    say(dhan, to, asked(15, NIFTY), asked(17, NIFTY))

    assert codes(later(dhan, to)) == [2, 4]
    say(dhan, to, asked(18, NIFTY))
    assert codes(later(dhan, to)) == [2]
    say(dhan, to, asked(16, NIFTY))
    assert later(dhan, to) == []


@pytest.mark.parametrize(
    "frame",
    [
        asked(17, *[NIFTY] * 101),
        asked(17, NIFTY, count=2),
        asked(19, NIFTY),
        asked(17, ("NSE_EQ", "13")),
        "{}",
        b"\xff",
    ],
    ids=["more than 100", "a wrong count", "no request", "no such share", "nothing", "no JSON"],
)
def test_what_makes_no_sense_is_passed_over(dhan: DhanClient, frame: bytes | str) -> None:
    assert say(dhan, feed(dhan), frame) == []


def test_a_connection_takes_so_many_instruments_and_no_more(
    dhan: DhanClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ordod.sim.dhan.feeds.INSTRUMENTS_MAX", 1)
    to = feed(dhan)

    first = say(dhan, to, asked(15, NIFTY))
    more = say(dhan, to, asked(15, named(dhan, "NSE:INFY")), asked(17, NIFTY))

    assert codes(first) == [6, 2]
    assert codes(more) == [6, 4]


def test_a_client_may_leave(dhan: DhanClient) -> None:
    to = feed(dhan)
    say(dhan, to, '{"RequestCode": 12}')

    assert to.is_over(dhan.now)


@given(st.binary(max_size=60) | st.text(max_size=20))
def test_nothing_that_a_client_can_say_is_too_much(frame: bytes | str) -> None:
    for to in (feed(SHARED), opened(SHARED, "/")):
        assert isinstance(to, SimFeed)
        to.received(frame, SHARED.now)
        to.frames(SHARED.now)


# Updates


def login(dhan: DhanClient, **more: Any) -> str:
    who = {"MsgCode": 42, "ClientId": USER.client_id, "Token": dhan.access_token} | more
    return json.dumps({"LoginReq": who, "UserType": "SELF"})


def logged_in(dhan: DhanClient) -> OrderFeed:
    to = opened(dhan, "/")
    assert isinstance(to, OrderFeed)
    to.received(login(dhan), dhan.now)
    return to


def told(dhan: DhanClient, to: SimFeed) -> list[dict[str, Any]]:
    said = [json.loads(frame) for frame in to.frames(dhan.now)]
    assert all(one["Type"] == "order_alert" for one in said)
    return [one["Data"] for one in said]


def test_an_order_is_told_whenever_it_changes(dhan: DhanClient) -> None:
    dhan.place()  # it stands in the book already
    to = logged_in(dhan)

    order_id = dhan.place(orderType="LIMIT", price=dhan.low(), correlationId="day1")
    (placed,) = told(dhan, to)
    again = told(dhan, to)
    dhan.ask("DELETE", f"/orders/{order_id}")
    (ended,) = told(dhan, to)

    assert (placed["orderNo"], placed["status"]) == (order_id, "Pending")
    assert (placed["correlationId"], placed["txnType"], placed["product"]) == ("day1", "B", "C")
    assert (placed["exchange"], placed["segment"], placed["orderType"]) == ("NSE", "E", "LMT")
    assert placed["remainingQuantity"] == placed["quantity"] == 10
    assert again == []
    assert (ended["orderNo"], ended["status"]) == (order_id, "Cancelled")


def test_prices_that_move_are_no_update(dhan: DhanClient) -> None:
    to = logged_in(dhan)
    dhan.place()
    (filled,) = told(dhan, to)

    dhan.now += timedelta(seconds=60)
    dhan.sim.advance(dhan.now)

    assert (filled["status"], filled["tradedQty"]) == ("Traded", 10)
    assert told(dhan, to) == []


@pytest.mark.parametrize("more", [{"Token": "dead"}, {"MsgCode": 41}, {"ClientId": "1000000009"}])
def test_a_wrong_login_is_hung_up_on(dhan: DhanClient, more: dict[str, Any]) -> None:
    to = opened(dhan, "/")
    assert isinstance(to, OrderFeed)
    dhan.place()

    to.received(login(dhan, **more), dhan.now)

    assert to.is_over(dhan.now)
    assert told(dhan, to) == []


def test_who_is_not_logged_in_is_told_nothing(dhan: DhanClient) -> None:
    to = opened(dhan, "/")
    assert isinstance(to, OrderFeed)
    dhan.place()

    assert told(dhan, to) == []
    assert not to.is_over(dhan.now)

"""The simulated Dhan's two streams by hand: who is let in, what subscribes, what is told (dhan.md 9)."""

import json
import struct
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordod.sim.dhan import DhanSim
from ordod.sim.dhan.feeds import AlertFeed, PriceFeed
from ordod.sim.feeds import Frame, SimFeed
from ordod.sim.message import Answer, Request
from tests.sim.dhan_client import TEN, USER, DhanClient

INFY, NIFTY = ("NSE_EQ", "1004"), ("IDX_I", "13")


@pytest.fixture
def dhan() -> DhanClient:
    return DhanClient(DhanSim(seed=7, now=TEN))


def opened(dhan: DhanClient, target: str) -> SimFeed | Answer:
    return dhan.sim.open_feed(Request.read("GET", target, [], b""), dhan.now)


def prices(dhan: DhanClient, token: str | None = None) -> PriceFeed:
    query = f"version=2&token={token or dhan.access_token}&clientId={USER.client_id}&authType=2"
    feed = opened(dhan, f"/?{query}")
    assert isinstance(feed, PriceFeed)
    return feed


def ask(code: int, *names: tuple[str, str], count: int | None = None) -> str:
    rows = [{"ExchangeSegment": segment, "SecurityId": one} for segment, one in names]
    size = len(rows) if count is None else count
    return json.dumps({"RequestCode": code, "InstrumentCount": size, "InstrumentList": rows})


def kinds(frames: list[Frame]) -> list[tuple[int, int]]:
    """Kind and length of each, which its head must tell."""
    told = []
    for frame in frames:
        assert isinstance(frame, bytes)
        kind, length = struct.unpack_from("<BH", frame)
        assert length == len(frame)
        told.append((kind, length))
    return told


def later(dhan: DhanClient, feed: SimFeed, seconds: float = 3) -> list[Frame]:
    dhan.now += timedelta(seconds=seconds)
    dhan.sim.advance(dhan.now)
    return feed.frames(dhan.now)


def test_each_mode_has_its_packets_behind_the_close_of_the_day_before(dhan: DhanClient) -> None:
    feed = prices(dhan)
    told = {}
    for code in (15, 17, 21):
        feed.received(ask(code, INFY), dhan.now)
        told[code] = kinds(feed.frames(dhan.now))
        feed.received(ask(code + 1, INFY), dhan.now)
        assert later(dhan, feed) == []

    assert told == {15: [(6, 16), (2, 16)], 17: [(6, 16), (4, 50)], 21: [(6, 16), (8, 162)]}


def test_what_did_not_move_is_not_told_again(dhan: DhanClient) -> None:
    feed = prices(dhan)
    feed.received(ask(15, INFY, NIFTY), dhan.now)

    assert len(feed.frames(dhan.now)) == 4
    assert feed.frames(dhan.now) == []
    assert later(dhan, feed) != []


@pytest.mark.parametrize(
    "said",
    [
        ask(17, INFY, count=2),
        ask(99, INFY),
        ask(17, ("NSE_EQ", "no such id")),
        ask(17, *[INFY] * 101),
        ask(18, INFY),
        "no JSON",
        "[]",
    ],
)
def test_what_cannot_be_subscribed_is_passed_over(dhan: DhanClient, said: str) -> None:
    feed = prices(dhan)

    feed.received(said, dhan.now)

    assert feed.frames(dhan.now) == []


def test_a_client_that_says_goodbye_is_let_go(dhan: DhanClient) -> None:
    feed = prices(dhan)
    assert not feed.is_over(dhan.now)

    feed.received('{"RequestCode":12}', dhan.now)

    assert feed.is_over(dhan.now)


def test_a_dead_token_is_told_so_and_then_the_connection_ends(dhan: DhanClient) -> None:
    feed = prices(dhan, "dead")
    assert not feed.is_over(dhan.now)

    (told,) = feed.frames(dhan.now)

    assert isinstance(told, bytes)
    assert struct.unpack("<BHBIH", told) == (50, 10, 0, 0, 807)
    assert feed.is_over(dhan.now)


def test_another_address_is_none(dhan: DhanClient) -> None:
    assert isinstance(opened(dhan, "/elsewhere"), Answer)


def test_orders_are_told_to_who_logged_in_and_only_what_is_new(dhan: DhanClient) -> None:
    feed = opened(dhan, "/")
    assert isinstance(feed, AlertFeed)
    body = {
        "dhanClientId": USER.client_id, "transactionType": "BUY", "exchangeSegment": "NSE_EQ", "productType": "CNC",
        "orderType": "LIMIT", "validity": "DAY", "securityId": "1004", "quantity": 1, "price": 1300.0,
    }  # fmt: skip
    dhan.ask("POST", "/orders", body)
    assert feed.frames(dhan.now) == []
    login = {"MsgCode": 42, "ClientId": USER.client_id, "Token": dhan.access_token}
    feed.received(json.dumps({"LoginReq": login, "UserType": "SELF"}), dhan.now)
    assert feed.frames(dhan.now) == []

    placed = dhan.ask("POST", "/orders", body)
    (told,) = feed.frames(dhan.now)
    alert = json.loads(told)

    assert alert["Type"] == "order_alert"
    assert (alert["Data"]["orderNo"], alert["Data"]["status"]) == (placed["orderId"], "Pending")
    assert feed.frames(dhan.now) == []
    dhan.sim.end_sessions(USER.client_id)
    assert feed.is_over(dhan.now)


@given(st.text(max_size=40) | st.binary(max_size=40))
def test_nothing_that_a_client_can_say_is_too_much(frame: Frame) -> None:
    dhan = SHARED
    for feed in (prices(dhan), opened(dhan, "/")):
        assert isinstance(feed, SimFeed)
        feed.received(frame, dhan.now)
        feed.frames(dhan.now)


SHARED = DhanClient(DhanSim(seed=7, now=TEN))

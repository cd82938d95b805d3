"""The simulated FYERS' two sockets by hand: who is let in, what HSM is told and tells, and updates (fyers.md 9)."""

import base64
import json
import struct
from datetime import timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordod.sim.feeds import FeedFault, FeedFaultKind, SimFeed
from ordod.sim.fyers import FyersSim
from ordod.sim.fyers.feeds import ACK_EVERY, HsmFeed
from ordod.sim.message import Answer, Request
from tests.sim.fyers_client import TEN, USER, FyersClient

INFY, BOOK, NIFTY = "sf|nse_cm|1004", "dp|nse_cm|1004", "if|nse_cm|Nifty 50"
OK, NO = b"K", b"N"


@pytest.fixture
def fyers() -> FyersClient:
    return FyersClient(FyersSim(seed=7, now=TEN))


# A client by hand


def opened(fyers: FyersClient, path: str, **headers: str) -> SimFeed | Answer:
    return fyers.sim.open_feed(Request.read("GET", path, list(headers.items()), b""), fyers.now)


def fields(kind: int, *values: bytes, length: int = 0) -> bytes:
    told = b"".join(struct.pack(">BH", n, len(v)) + v for n, v in enumerate(values, 1))
    return struct.pack(">HBB", length, kind, len(values)) + told


def hsm_key(token: str) -> bytes:
    return str(json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))["hsm_key"]).encode()


def login(token: str) -> bytes:
    return fields(1, hsm_key(token), b"P", b"\1", b"ByHand")


def scrips(kind: int, *names: str, channel: int = 11) -> bytes:
    listed = struct.pack(">H", len(names)) + b"".join(bytes((len(n),)) + n.encode() for n in names)
    return fields(kind, listed, bytes((channel,)))


def mask(*channels: int) -> bytes:
    return sum(1 << channel for channel in channels).to_bytes(8, "big")


def say(fyers: FyersClient, feed: SimFeed, *frames: bytes | str) -> list[bytes]:
    """And what is answered at once."""
    for frame in frames:
        feed.received(frame, fyers.now)
    told = feed.frames(fyers.now)
    assert all(isinstance(frame, bytes) for frame in told)
    return [frame for frame in told if isinstance(frame, bytes)]


def later(fyers: FyersClient, feed: SimFeed, seconds: float = 1) -> list[bytes]:
    fyers.now += timedelta(seconds=seconds)
    fyers.sim.advance(fyers.now)
    return say(fyers, feed)


def hsm(fyers: FyersClient, *frames: bytes) -> HsmFeed:
    """Logged in, and told these."""
    feed = opened(fyers, "/hsm/v1-5/prod")
    assert isinstance(feed, HsmFeed)
    say(fyers, feed, login(fyers.access_token), *frames)
    return feed


def kinds(frames: list[bytes]) -> list[tuple[int, str]]:
    """Of each record: its frame's type, and what it is."""
    return [(frame[2], chr(frame[9]) if frame[2] == 6 else chr(frame[7])) for frame in frames]


# The door


def test_hsm_asks_nobody_at_the_door_and_the_order_socket_does(fyers: FyersClient) -> None:
    token = f"{USER.app_id}:{fyers.access_token}"
    wrong = opened(fyers, "/trade/v3", authorization=f"{USER.app_id}:dead")
    elsewhere = opened(fyers, "/trade/v2", authorization=token)

    assert isinstance(opened(fyers, "/hsm/v1-5/prod"), SimFeed)
    assert isinstance(opened(fyers, "/trade/v3", authorization=token), SimFeed)
    assert isinstance(wrong, Answer)
    assert isinstance(elsewhere, Answer)
    assert (wrong.status, elsewhere.status) == (403, 404)


def test_a_client_may_be_refused_on_request(fyers: FyersClient) -> None:
    fyers.sim.feed_faults.add(FeedFault(kind=FeedFaultKind.REFUSE), fyers.now)

    assert isinstance(opened(fyers, "/hsm/v1-5/prod"), Answer)
    assert isinstance(opened(fyers, "/hsm/v1-5/prod"), SimFeed)


def test_who_is_not_logged_in_is_told_nothing(fyers: FyersClient) -> None:
    feed = opened(fyers, "/hsm/v1-5/prod")
    assert isinstance(feed, SimFeed)

    refused = say(fyers, feed, scrips(4, INFY))
    wrong = say(fyers, feed, fields(1, b"nobodys", b"P", b"\1", b"ByHand"))
    right = say(fyers, feed, login(fyers.access_token), scrips(4, INFY))

    assert [frame[7:8] for frame in (*refused, *wrong)] == [NO, NO]
    assert right[0] == b"\0\x0d\1\2" + b"\1\0\1K" + b"\2\0\4" + ACK_EVERY.to_bytes(4, "big")
    assert kinds(right[1:]) == [(4, "K"), (6, "S")]


def test_a_stream_ends_with_its_session(fyers: FyersClient) -> None:
    token = f"{USER.app_id}:{fyers.access_token}"
    feeds = [hsm(fyers), opened(fyers, "/trade/v3", authorization=token)]
    assert not any(isinstance(feed, Answer) or feed.is_over(fyers.now) for feed in feeds)

    fyers.sim.end_sessions(USER.fy_id)

    assert all(isinstance(feed, SimFeed) and feed.is_over(fyers.now) for feed in feeds)


# Prices


def test_the_frames_of_the_sheet_are_understood(fyers: FyersClient) -> None:
    listed = b"\0\1\x0e" + INFY.encode()
    subscribe = bytes.fromhex("001a 0402 010011") + listed + bytes.fromhex("0200010b")
    full = bytes.fromhex("0000 0c02 0100080000000000000800 02000146")

    told = say(fyers, hsm(fyers), full, subscribe, b"\0\1\x0b")

    assert kinds(told) == [(12, "K"), (4, "K"), (6, "S")]


def test_a_snapshot_is_laid_out_as_in_the_sheet(fyers: FyersClient) -> None:
    feed = hsm(fyers)
    _, frame = say(fyers, feed, scrips(4, INFY))
    quote = fyers.sim.paper.quote("NSE:INFY", fyers.now)

    assert struct.unpack(">HBIHB", frame[:10]) == (len(frame) - 2, 6, 1, 1, ord("S"))
    assert frame[12 : 13 + len(INFY)] == b"\x0e" + INFY.encode()
    at = 13 + len(INFY)
    count, *numbers = struct.unpack(">B21i", frame[at : at + 85])
    assert count == 21
    assert numbers[0] == quote.last_price * 100
    assert numbers[1] == quote.volume
    assert numbers[3] == int(fyers.now.timestamp())
    assert (numbers[13], numbers[14]) == (
        (quote.low_price or 0) * 100,
        (quote.high_price or 0) * 100,
    )
    assert struct.unpack(">HB", frame[at + 87 : at + 90]) == (1, 2)
    assert frame[at + 90 :] == b"\x06nse_cm" + b"\x041004" + b"\x0bNSE:INFY-EQ"


def test_what_changed_follows_and_the_rest_is_absent(fyers: FyersClient) -> None:
    feed = hsm(fyers, scrips(4, INFY, NIFTY, BOOK))

    (frame,) = later(fyers, feed)

    counts = []
    at = 9
    for _ in range(int.from_bytes(frame[7:9], "big")):
        assert frame[at] == 85
        counts.append(frame[at + 3])
        at += 4 + 4 * frame[at + 3]
    assert counts == [21, 6, 30]
    assert at == len(frame)
    first = struct.unpack(">21i", frame[13:97])
    assert first.count(-(1 << 31)) >= 5
    assert first[20] == -(1 << 31)  # the previous close does not move


def test_a_channel_in_lite_mode_tells_last_prices_alone(fyers: FyersClient) -> None:
    feed = hsm(fyers, fields(12, mask(12), b"L"), scrips(4, NIFTY, channel=12))

    (frame,) = later(fyers, feed)

    assert (frame[9], len(frame)) == (76, 9 + 7)


def test_a_paused_channel_is_silent_until_it_is_resumed(fyers: FyersClient) -> None:
    feed = hsm(fyers, scrips(4, INFY), scrips(4, NIFTY, channel=12))

    (paused,) = say(fyers, feed, fields(7, mask(11)))
    (one,) = later(fyers, feed)
    resumed = say(fyers, feed, fields(8, mask(11)))
    (two,) = later(fyers, feed)

    assert (paused[2], resumed[0][2]) == (7, 8)
    assert (one[8], two[8]) == (1, 2)


def test_each_snapshot_has_a_topic_of_its_own(fyers: FyersClient) -> None:
    feed = hsm(fyers)
    _, first = say(fyers, feed, scrips(4, INFY))
    _, _, again = say(fyers, feed, scrips(5, INFY), scrips(4, INFY))

    assert first[10:12] != again[10:12]
    assert later(fyers, feed)[0][10:12] == again[10:12]


def test_what_was_unsubscribed_on_its_channel_is_not_told(fyers: FyersClient) -> None:
    feed = hsm(fyers, scrips(4, INFY))

    assert kinds(say(fyers, feed, scrips(5, INFY, channel=12))) == [(5, "K")]
    assert later(fyers, feed)
    assert kinds(say(fyers, feed, scrips(5, INFY))) == [(5, "K")]
    assert later(fyers, feed) == []


def test_what_is_not_listed_is_not_told_and_an_index_has_no_book(fyers: FyersClient) -> None:
    told = say(fyers, hsm(fyers), scrips(4, "sf|nse_cm|999999", "dp|nse_cm|Nifty 50"))

    assert kinds(told) == [(4, "K")]


@pytest.mark.parametrize(
    "frame",
    [
        scrips(4, *[INFY] * 1501),
        scrips(4, INFY, channel=31),
        fields(4, b"\0\2\x0e" + INFY.encode(), b"\x0b"),
        fields(12, mask(11), b"X"),
    ],
    ids=["more than 1500", "no such channel", "a list that is cut", "no such mode"],
)
def test_what_makes_no_sense_is_refused(fyers: FyersClient, frame: bytes) -> None:
    (answer,) = say(fyers, hsm(fyers), frame)

    assert answer[7:8] == NO


def test_too_many_feeds_are_refused_with_a_notice(
    fyers: FyersClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ordod.sim.fyers.feeds.FEEDS_MAX", 2)

    notice, answer = say(fyers, hsm(fyers), scrips(4, INFY, BOOK, NIFTY))

    assert (notice[2], notice[7:11]) == (51, struct.pack(">i", 51001))
    assert answer[7:8] == NO


def test_who_never_acknowledges_is_let_go(
    fyers: FyersClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ordod.sim.fyers.feeds.UNACKNOWLEDGED_MAX", 3)
    feed = hsm(fyers, scrips(4, NIFTY))
    later(fyers, feed)
    later(fyers, feed)
    say(fyers, feed, fields(3, struct.pack(">I", 3)))
    later(fyers, feed)

    assert not feed.is_over(fyers.now)
    for _ in range(3):
        later(fyers, feed)
    assert feed.is_over(fyers.now)


@given(st.binary(max_size=60) | st.text(max_size=20))
def test_nothing_that_a_client_can_say_is_too_much(frame: bytes | str) -> None:
    fyers = FyersClient(FyersSim(seed=7, now=TEN))
    token = f"{USER.app_id}:{fyers.access_token}"
    for feed in (hsm(fyers), opened(fyers, "/trade/v3", authorization=token)):
        assert isinstance(feed, SimFeed)
        feed.received(frame, fyers.now)
        if isinstance(frame, bytes) and isinstance(feed, HsmFeed):
            feed.received(b"\0\0" + frame, fyers.now)
            feed.received(b"\0\0\4\2\1" + frame, fyers.now)
        feed.frames(fyers.now)


# Updates


def updates(fyers: FyersClient, *kinds: str) -> SimFeed:
    feed = opened(fyers, "/trade/v3", authorization=f"{USER.app_id}:{fyers.access_token}")
    assert isinstance(feed, SimFeed)
    feed.received(json.dumps({"T": "SUB_ORD", "SLIST": kinds, "SUB_T": 1}), fyers.now)
    (answer,) = feed.frames(fyers.now)
    assert json.loads(answer) == {"code": 1605, "message": "Successfully subscribed", "s": "ok"}
    return feed


def told(fyers: FyersClient, feed: SimFeed) -> list[dict[str, Any]]:
    return [json.loads(frame) for frame in feed.frames(fyers.now)]


def test_an_order_is_told_whenever_it_changes(fyers: FyersClient) -> None:
    fyers.place()  # it stands in the book already
    feed = updates(fyers, "orders")
    low = int(fyers.last_price() * 0.95)

    order_id = fyers.place(type=1, limitPrice=low, orderTag="day1")
    (placed,) = told(fyers, feed)
    again = told(fyers, feed)
    fyers.ask("DELETE", "/orders/sync", {"id": order_id})
    (ended,) = told(fyers, feed)

    row = placed["orders"]
    assert (row["id"], row["org_ord_status"], row["ord_status"]) == (order_id, 6, 20)
    assert (row["ordertag"], row["price_limit"], row["qty_remaining"]) == ("1:day1", low, 10)
    assert again == []
    assert ended["orders"]["org_ord_status"] == 1


def test_trades_and_positions_are_told_to_who_asks_for_them(fyers: FyersClient) -> None:
    orders, rest = updates(fyers, "orders"), updates(fyers, "trades", "positions", "edis")

    order_id = fyers.place()
    trade, position = told(fyers, rest)

    assert [list(each) for each in told(fyers, orders)] == [["orders", "s"]]
    assert (trade["trades"]["id"], trade["trades"]["qty_traded"]) == (order_id, 10)
    assert (position["positions"]["id"], position["positions"]["net_qty"]) == (
        "NSE:INFY-EQ-CNC",
        10,
    )
    fyers.now += timedelta(seconds=60)
    fyers.sim.advance(fyers.now)
    assert told(fyers, rest) == []  # prices moved, and nothing else


def test_a_ping_is_answered_and_what_is_unsubscribed_is_not_told(fyers: FyersClient) -> None:
    feed = updates(fyers, "orders")
    feed.received("ping", fyers.now)
    feed.received('{"T":"SUB_ORD","SLIST":["orders"],"SUB_T":-1}', fyers.now)

    pong, answer = feed.frames(fyers.now)

    assert pong == "pong"
    assert json.loads(answer)["code"] == 1605
    fyers.place()
    assert told(fyers, feed) == []


# What a client needs besides


def test_the_call_for_tokens_names_no_app(fyers: FyersClient) -> None:
    body = {"symbols": ["NSE:INFY-EQ", "NSE:NOSUCH-EQ"]}
    answer = fyers.send("POST", "/symbol-token", body, fyers.access_token)
    said = orjson.loads(answer.body)

    assert said["validSymbol"] == {"NSE:INFY-EQ": "10100000001004"}
    assert said["invalidSymbol"] == ["NSE:NOSUCH-EQ"]
    assert fyers.send("POST", "/symbol-token", body).status == 401


def test_the_names_of_indices_are_a_file(fyers: FyersClient) -> None:
    names = orjson.loads(fyers.send("GET", "/index_hsm_mapping.json").body)

    assert names["NSE:NIFTY50-INDEX"] == "Nifty 50"

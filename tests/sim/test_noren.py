"""A simulated Noren by hand: how it is asked, who may come in, and what it counts (noren.md 2, 3, 10). Its day with SDKs: `tests/vendor`."""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import orjson
import pytest

from ordod.sim.clock import IST
from ordod.sim.noren import Client, NorenSim

TEN = datetime(2026, 11, 25, 10, 0, tzinfo=IST)
USER = Client()


@pytest.fixture
def sim() -> NorenSim:
    return NorenSim("shoonya", seed=7, now=TEN)


def ask(sim: NorenSim, endpoint: str, body: bytes, token: str = "", now: datetime = TEN) -> Any:
    headers = [("Authorization", f"Bearer {token}")] if token else []
    return orjson.loads(sim.handle("POST", f"/{endpoint}", headers, body, now).body)


def data(**said: Any) -> bytes:
    return b"jData=" + orjson.dumps({"uid": USER.uid} | said)


def exchanged(sim: NorenSim, code: str, secret: str, now: datetime = TEN) -> Any:
    checksum = sha256(f"{USER.app_id}{secret}{code}".encode()).hexdigest()
    return ask(sim, "GenAcsTok", data(code=code, checksum=checksum), now=now)


def test_a_code_is_good_once_for_minutes_and_with_its_secret(sim: NorenSim) -> None:
    codes = [sim.request_token(USER.uid, TEN) for _ in range(3)]

    assert exchanged(sim, codes[0], USER.app_secret)["stat"] == "Ok"
    assert exchanged(sim, codes[0], USER.app_secret)["stat"] == "Not_Ok"
    assert exchanged(sim, codes[1], "wrong")["stat"] == "Not_Ok"
    assert exchanged(sim, codes[2], USER.app_secret, TEN + timedelta(minutes=6))["stat"] == "Not_Ok"


def test_a_session_dies_at_six(sim: NorenSim) -> None:
    token = sim.access_token(USER.uid, TEN)

    assert ask(sim, "UserDetails", data(), token)["stat"] == "Ok"
    late = ask(sim, "UserDetails", data(), token, TEN + timedelta(hours=20))
    assert late["emsg"].startswith("Session Expired")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "Missing jData"),
        (b'jData={"tsym":"M&M-EQ"}', "not valid json"),
        (b'jData={"uid":"FA00001","qty":1}', "not in string format"),
        (b"jData=[]", "not valid json"),
    ],
)
def test_a_body_that_is_none_of_its_kind_is_refused(sim: NorenSim, body: bytes, words: str) -> None:
    assert words in ask(sim, "OrderBook", body, sim.access_token(USER.uid, TEN))["emsg"]


@pytest.mark.parametrize(
    "said",
    [
        {"basketlists": [1]},
        {"basketlists": "no"},
        {"basketlists": None},
    ],
)
def test_nested_objects_of_another_shape_are_refused(sim: NorenSim, said: dict[str, Any]) -> None:
    order = {"exch": "NSE", "tsym": "INFY-EQ", "qty": "1", "prc": "1400", "prd": "C"}
    order |= {"trantype": "B", "prctyp": "LMT"}
    token = sim.access_token(USER.uid, TEN)

    told = ask(sim, "GetBasketMargin", data(**order, **said), token)

    assert told["stat"] == ("Ok" if said["basketlists"] is None else "Not_Ok")


def test_an_empty_book_is_a_refusal_in_words(sim: NorenSim) -> None:
    assert "no data" in ask(sim, "OrderBook", data(), sim.access_token(USER.uid, TEN))["emsg"]


def test_the_eleventh_of_a_second_is_refused(sim: NorenSim) -> None:
    token = sim.access_token(USER.uid, TEN)

    told = [ask(sim, "UserDetails", data(), token)["stat"] for _ in range(11)]

    assert told == ["Ok"] * 10 + ["Not_Ok"]
    assert ask(sim, "UserDetails", data(), token, TEN + timedelta(seconds=1))["stat"] == "Ok"


def test_flattrade_wants_the_token_in_the_body() -> None:
    sim = NorenSim("flattrade", seed=7, now=TEN)
    token = sim.access_token(USER.uid, TEN)

    assert ask(sim, "UserDetails", data(), token)["stat"] == "Not_Ok"
    assert ask(sim, "UserDetails", data() + f"&jKey={token}".encode())["stat"] == "Ok"


def test_tradesmart_has_no_gtt() -> None:
    sim = NorenSim("tradesmart", seed=7, now=TEN)

    told = ask(sim, "GetPendingGTTOrder", data(), sim.access_token(USER.uid, TEN))

    assert "unknown request" in told["emsg"]

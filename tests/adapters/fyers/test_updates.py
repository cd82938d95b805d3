"""FYERS' order websocket: what we say, orders and trades under its names, refusals (fyers.md 9.2). Rows are in the samples."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordo_adapters.fyers import FYERS
from ordod.adapter import (
    BadRow,
    BrokerError,
    BrokerOrder,
    Fault,
    Fill,
    Notice,
    UpdateStream,
    suite,
)

SAMPLES = suite.load(Path(__file__).parent / "samples")
LISTED = suite.Listed(SAMPLES.instruments.values())


def updates() -> UpdateStream:
    return FYERS.updates(SAMPLES.session, LISTED)


def sample(about: str, kind: str) -> dict[str, Any]:
    text = next(one.text for one in SAMPLES.updates if one.about == about)
    row: dict[str, Any] = json.loads(text or "")[kind]
    return row


ORDER, TRADE = sample("an order at the exchange", "orders"), sample("a trade", "trades")


def test_the_session_stands_in_a_header() -> None:
    request = suite.play(FYERS.connect_updates(SAMPLES.session), []).value

    token = SAMPLES.session.access_token.reveal()
    assert request.target() == "/trade/v3"
    assert dict(request.headers) == {"Authorization": f"ABCD1234XY-100:{token}"}


def test_orders_and_trades_are_asked_for_and_the_line_is_kept_alive() -> None:
    (asked,) = updates().greet()

    assert json.loads(asked) == {"T": "SUB_ORD", "SLIST": ["orders", "trades"], "SUB_T": 1}
    assert updates().keep_alive() == "ping"
    assert list(updates().read("pong")) == []


@pytest.mark.parametrize("name", sorted(set(ORDER) & {"id", "symbol", "exchange", "segment", "qty", "qty_filled", "ord_type", "tran_side", "org_ord_status", "product_type", "validity", "time_oms", "price_limit"}))  # fmt: skip
def test_an_order_that_lacks_what_an_order_is_is_a_bad_row(name: str) -> None:
    row = {field: value for field, value in ORDER.items() if field != name}

    (pushed,) = updates().read(json.dumps({"orders": row, "s": "ok"}))

    assert isinstance(pushed, BadRow)


@pytest.mark.parametrize("name", ["id", "id_fill", "symbol", "qty_traded", "price_traded", "tran_side", "fill_time", "product_type"])  # fmt: skip
def test_a_trade_that_is_not_complete_is_a_bad_row(name: str) -> None:
    row = {field: value for field, value in TRADE.items() if field != name}

    (pushed,) = updates().read(json.dumps({"trades": row, "s": "ok"}))

    assert isinstance(pushed, BadRow)


@pytest.mark.parametrize("row", [None, [], 5, "x", {}])
@pytest.mark.parametrize("kind", ["orders", "trades"])
def test_what_is_no_row_is_a_bad_one(kind: str, row: Any) -> None:
    (pushed,) = updates().read(json.dumps({kind: row, "s": "ok"}))

    assert isinstance(pushed, BadRow)


@pytest.mark.parametrize("code", [-8, -15, -16, -17])
def test_a_dead_session_is_told_as_one(code: int) -> None:
    token = SAMPLES.session.access_token.reveal()
    with pytest.raises(BrokerError) as raised:
        updates().read(json.dumps({"s": "error", "code": code, "message": f"no {token}"}))

    assert (raised.value.fault, raised.value.message) == (Fault.AUTH_EXPIRED, "no ***")


@pytest.mark.parametrize("frame", ["", "pon", "[]", "5", "null", '{"orders":', b"\xff"])
def test_what_is_no_update_is_refused(frame: bytes | str) -> None:
    with pytest.raises(BrokerError) as raised:
        updates().read(frame)

    assert raised.value.fault is Fault.UNREADABLE


@given(
    st.sampled_from(["orders", "trades"]),
    st.dictionaries(
        st.sampled_from(sorted({*ORDER, *TRADE})),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text(max_size=8),
        max_size=6,
    ),
)
def test_whatever_a_row_holds_raises_nothing_but_a_broker_error(
    kind: str, changed: dict[str, Any]
) -> None:
    row = (ORDER if kind == "orders" else TRADE) | changed
    with suppress(BrokerError):
        (pushed,) = updates().read(json.dumps({kind: row, "s": "ok"}))

        assert isinstance(pushed, BrokerOrder | Fill | BadRow)


@given(st.text(max_size=60) | st.binary(max_size=60))
def test_whatever_comes_raises_nothing_but_a_broker_error(frame: bytes | str) -> None:
    with suppress(BrokerError):
        assert all(isinstance(value, Notice | BadRow) for value in updates().read(frame))

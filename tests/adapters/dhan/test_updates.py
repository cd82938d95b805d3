"""Dhan's live order update: how we come in, and alerts that are none. Orders are in the samples (dhan.md 9.3)."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordo_adapters.dhan import DHAN
from ordod.adapter import BadRow, BrokerError, BrokerOrder, Fault, UpdateStream, suite

SAMPLES = suite.load(Path(__file__).parent / "samples")
LISTED = suite.Listed(SAMPLES.instruments.values())
ROW: dict[str, Any] = json.loads(SAMPLES.updates[0].text or "")["Data"]


def updates() -> UpdateStream:
    return DHAN.updates(SAMPLES.session, LISTED)


def alert(row: Any) -> str:
    return json.dumps({"Type": "order_alert", "Data": row})


def test_the_first_frame_says_who_comes() -> None:
    request = suite.play(DHAN.connect_updates(SAMPLES.session), []).value
    (login,) = updates().greet()

    assert (request.host, request.target(), request.headers) == ("updates", "/", ())
    token = SAMPLES.session.access_token.reveal()
    who = {"MsgCode": 42, "ClientId": "1000000003", "Token": token}
    assert json.loads(login) == {"LoginReq": who, "UserType": "SELF"}


@pytest.mark.parametrize("name", ["OrderNo", "Status", "TxnType", "Exchange", "Segment", "Product", "SecurityId", "OrderType", "Quantity", "TradedQty"])  # fmt: skip
def test_an_alert_that_lacks_what_an_order_is_is_a_bad_row(name: str) -> None:
    row = {field: value for field, value in ROW.items() if field != name}

    (pushed,) = updates().read(alert(row))

    assert isinstance(pushed, BadRow)


@pytest.mark.parametrize("row", [None, [], 5, "x", {}])
def test_what_is_no_row_is_a_bad_one(row: Any) -> None:
    (pushed,) = updates().read(alert(row))

    assert isinstance(pushed, BadRow)


def test_messages_of_another_kind_are_left_alone() -> None:
    assert list(updates().read('{"Type": "position_alert", "Data": {}}')) == []


@pytest.mark.parametrize("frame", ["", "[]", "5", "null", '{"Type":', b"\xff"])
def test_what_is_no_alert_is_refused(frame: bytes | str) -> None:
    with pytest.raises(BrokerError) as raised:
        updates().read(frame)

    assert raised.value.fault is Fault.UNREADABLE


@given(
    st.dictionaries(
        st.sampled_from(sorted(ROW)),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text(max_size=8),
        max_size=6,
    )
)
def test_whatever_an_alert_holds_raises_nothing_but_a_broker_error(
    changed: dict[str, Any],
) -> None:
    with suppress(BrokerError):
        (pushed,) = updates().read(alert(ROW | changed))

        assert isinstance(pushed, BrokerOrder | BadRow)


@given(st.text(max_size=60) | st.binary(max_size=60))
def test_whatever_comes_raises_nothing_but_a_broker_error(frame: bytes | str) -> None:
    with suppress(BrokerError):
        assert all(isinstance(value, BadRow) for value in updates().read(frame))

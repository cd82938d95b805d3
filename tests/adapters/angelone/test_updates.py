"""Angel One's order socket: envelopes, refusals, rows that are none. Orders are in the samples (angelone.md 9.2)."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordo_adapters.angelone import ANGELONE
from ordod.adapter import BadRow, BrokerError, BrokerOrder, Fault, Notice, UpdateStream, suite

SAMPLES = suite.load(Path(__file__).parent / "samples")
LISTED = suite.Listed(SAMPLES.instruments.values())
ROW: dict[str, Any] = json.loads(SAMPLES.updates[1].text or "")["orderData"]


def updates() -> UpdateStream:
    return ANGELONE.updates(SAMPLES.session, LISTED)


def enveloped(row: Any, code: Any = "200", words: str = "") -> str:
    told = {"user-id": "A100001", "status-code": code, "order-status": "AB01"}
    return json.dumps(told | {"error-message": words, "orderData": row})


@pytest.mark.parametrize("name", ["orderstatus", "transactiontype", "exchange", "producttype", "tradingsymbol", "ordertype", "quantity", "filledshares", "variety"])  # fmt: skip
def test_a_row_that_lacks_what_an_order_is_is_a_bad_one(name: str) -> None:
    row = {field: value for field, value in ROW.items() if field not in (name, "status")}

    (pushed,) = updates().read(enveloped(row))

    assert isinstance(pushed, BadRow)


@pytest.mark.parametrize("row", [None, [], 5, "x", {"orderid": "1"}])
def test_what_is_no_row_is_a_bad_one(row: Any) -> None:
    (pushed,) = updates().read(enveloped(row))

    assert isinstance(pushed, BadRow)


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("401", Fault.AUTH_EXPIRED),
        (403, Fault.AUTH_EXPIRED),
        ("429", Fault.BROKER_UNAVAILABLE),
        ("500", Fault.BROKER_UNAVAILABLE),
    ],
)
def test_a_refusal_ends_the_connection_and_quotes_no_token(code: Any, fault: Fault) -> None:
    token = "eyJhbGciOiJIUzUxMiJ9." + "x" * 60
    with pytest.raises(BrokerError) as raised:
        updates().read(enveloped({}, code, f"no {token}"))

    assert (raised.value.fault, raised.value.message) == (fault, f"no *** ({code})")


def test_words_to_people_are_a_notice() -> None:
    (pushed,) = updates().read('{"errorMessage": "slow down"}')

    assert pushed == Notice("slow down", is_error=True)


@pytest.mark.parametrize("frame", ["", "[]", "5", "null", "{}", '{"status-code":', b"\xff"])
def test_what_is_no_update_is_refused(frame: bytes | str) -> None:
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
def test_whatever_a_row_holds_raises_nothing_but_a_broker_error(changed: dict[str, Any]) -> None:
    with suppress(BrokerError):
        for pushed in updates().read(enveloped(ROW | changed)):
            assert isinstance(pushed, BrokerOrder | BadRow)


@given(st.text(max_size=60) | st.binary(max_size=60))
def test_whatever_comes_raises_nothing_but_a_broker_error(frame: bytes | str) -> None:
    with suppress(BrokerError):
        assert all(isinstance(value, BadRow | Notice) for value in updates().read(frame))

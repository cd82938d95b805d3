"""Words and faults as tables."""

import pytest

from ordod.adapter import BrokerError, Codes, Fault, Faults, Side, Status

STATUS = Codes(
    "status",
    {Status.OPEN: "working", Status.CANCELLED: "cxl"},
    read_also={"cxl-by-exchange": Status.CANCELLED},
)
FAULTS = Faults(
    (400, "E77", "timed out", Fault.AMBIGUOUS, ""),
    (400, "E77", "quantity", Fault.INVALID_INPUT, "banyan.md 11"),
    (None, "E01", "", Fault.AUTH_EXPIRED, "banyan.md 11"),
    (429, "", "", Fault.RATE_LIMITED, ""),
)


def test_a_word_goes_both_ways() -> None:
    assert STATUS.write(Status.OPEN) == "working"
    assert STATUS.read("working") is Status.OPEN
    assert STATUS.read("cxl-by-exchange") is Status.CANCELLED


def test_an_unknown_word_is_unreadable_and_never_a_guess() -> None:
    with pytest.raises(BrokerError) as raised:
        STATUS.read("Working")

    assert raised.value.fault is Fault.UNREADABLE
    assert "'Working'" in raised.value.message


def test_a_word_of_ours_that_the_broker_lacks_is_unsupported_and_names_what_it_has() -> None:
    with pytest.raises(BrokerError) as raised:
        STATUS.write(Status.EXPIRED)

    assert raised.value.fault is Fault.UNSUPPORTED
    assert "OPEN CANCELLED" in raised.value.message


def test_what_is_in_the_table_is_what_is_supported() -> None:
    side = Codes("side", {Side.BUY: "B"})

    assert list(side) == [Side.BUY]
    assert Side.BUY in side
    assert Side.SELL not in side
    assert STATUS.readable == {"working", "cxl", "cxl-by-exchange"}


@pytest.mark.parametrize(
    ("status", "code", "message", "fault", "sure"),
    [
        (400, "E77", "Order TIMED OUT for quantity", Fault.AMBIGUOUS, False),
        (400, "E77", "wrong quantity", Fault.INVALID_INPUT, True),
        (500, "E77", "wrong quantity", Fault.UNREADABLE, False),
        (403, "E01", "", Fault.AUTH_EXPIRED, True),
        (429, "anything", "slower", Fault.RATE_LIMITED, False),
        (418, "", "teapot", Fault.UNREADABLE, False),
    ],
)
def test_the_first_row_that_matches_wins_and_only_a_source_makes_it_sure(
    status: int, code: str, message: str, fault: Fault, sure: bool
) -> None:
    error = FAULTS.error(status, code, message)

    assert (error.fault, error.sure, error.code) == (fault, sure, code)
    assert len(FAULTS.error(status, code, message * 200).message) <= 300

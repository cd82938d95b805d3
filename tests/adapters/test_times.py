"""Brokers' zoneless times: read as the pattern says, by whichever way is quick."""

from datetime import datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ordod.adapter import IST, BrokerError, ist_datetime

USUAL = "%Y-%m-%d %H:%M:%S"


@given(st.datetimes())
def test_every_time_written_in_the_usual_pattern_is_read_back(at: datetime) -> None:
    text = f"{at.year:04}-{at:%m-%d %H:%M:%S}"

    assert ist_datetime(text) == at.replace(microsecond=0, tzinfo=IST)


@given(
    st.from_regex(
        r"[0-9]{2,4}[-/W][0-9W]{1,2}-[0-9]{1,3}[ T][0-9]{1,2}:[0-9]{1,2}:[0-9.Z]{1,3}",
        fullmatch=True,
    )
)
@example("2026-W01-1 10:00:00")
@example("2026-02-30 10:00:00")
@example("2026-11-25 24:00:00")
@example("2026-11-25 10:00:60")
@example("2026-11-25T10:00:00")
@example("2026-1-5 9:05:07")
@example("2026-11-25 10:00:00+00:00")
@example("\uff12\uff10\uff12\uff16-11-25 10:00:00")
def test_what_the_pattern_refuses_is_unreadable_and_what_it_takes_is_the_same_time(
    text: str,
) -> None:
    try:
        expected = datetime.strptime(text, USUAL).replace(tzinfo=IST)
    except ValueError:
        with pytest.raises(BrokerError):
            ist_datetime(text)
        return

    assert ist_datetime(text) == expected

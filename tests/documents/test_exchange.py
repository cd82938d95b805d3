"""What is shown of an answer and was not told is seen."""

from typing import Any

import pytest

from tests.documents.exchange import difference, values


@pytest.mark.parametrize(
    ("shown", "told", "is_so"),
    [
        ({"price": 1450.5}, {"price": 1300, "more": 1}, True),
        ({"price": 1450.5}, {"price": "1300"}, False),
        ({"status": "OPEN"}, {"state": "OPEN"}, False),
        ({"kind": "KILLED"}, {"kind": "RISK_REFUSED"}, False),
        ({"symbol": "NSE:INFY"}, {"symbol": "NSE:INFY"}, True),
        ({"orders": [{"key": "a"}]}, {"orders": []}, False),
        ({"orders": [{"key": "a"}]}, {"orders": [{"key": "a"}, {"key": "b"}]}, True),
        ({"orders": []}, {"orders": [{"key": "a"}]}, True),
        ({"next": None}, {"next": "17"}, True),
        ({"next": "17"}, {"next": None}, False),
        ({"is_open": True}, {"is_open": 1}, False),
        ({"error": {"code": 1}}, {"result": {}}, False),
    ],
)
def test_a_difference_in_shape_or_in_a_word_that_counts_is_found(
    shown: Any, told: Any, is_so: bool
) -> None:
    assert (difference(shown, told) == "") == is_so


def test_values_may_stand_on_many_lines_or_one() -> None:
    assert values('{"a":1} {"b":\n [2]}\n') == [{"a": 1}, {"b": [2]}]

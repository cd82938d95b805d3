"""The gate: one byte for everything, a set for narrower scopes."""

import pytest

from ordod.core.guard.gate import Gate, Scope

SCOPES = [
    Scope(),
    Scope(account="a"),
    Scope(strategy="s"),
    Scope(account="a", strategy="s"),
]


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        (SCOPES[0], {("a", "s"), ("a", None), ("b", "s"), ("b", None)}),
        (SCOPES[1], {("a", "s"), ("a", None)}),
        (SCOPES[2], {("a", "s"), ("b", "s")}),
        (SCOPES[3], {("a", "s")}),
    ],
    ids=["everything", "account", "strategy", "strategy at account"],
)
def test_a_scope_closes_what_it_covers_and_opening_it_frees_exactly_that(
    scope: Scope, covered: set[tuple[str, str | None]]
) -> None:
    gate = Gate(bytearray(1))
    other = Scope(account="z")
    gate.close(other)
    orders = [(account, strategy) for account in "ab" for strategy in ("s", None)]

    gate.close(scope)
    assert {order for order in orders if gate.is_closed_for(*order)} == covered
    gate.open(scope)

    assert not any(gate.is_closed_for(*order) for order in orders)
    assert gate.is_closed_for("z", None)
    assert gate.scopes == {other}


def test_any_byte_but_zero_closes_everything() -> None:
    cell = bytearray(1)
    gate = Gate(cell)

    cell[0] = 0xFF

    assert gate.is_closed
    assert gate.is_closed_for("a", None)
    assert gate.scopes == {Scope()}

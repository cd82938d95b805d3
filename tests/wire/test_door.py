"""What strangers may cost, decided without a socket and on a clock of one's own."""

import pytest

from ordod.wire.door import (
    ADDRESSES_MAX,
    ARRIVALS_AT_ONCE,
    ARRIVALS_PER_S,
    FORGOTTEN_AFTER_S,
    KNOWN_WITHIN_S,
    PAUSE_MAX_S,
    PAUSE_S,
    UNKNOWN_MAX,
    UNKNOWN_OF_ADDRESS_MAX,
    Door,
    Visit,
    plain_address,
)

HERE, THERE = "127.0.0.1", "192.0.2.1"


class Clock:
    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def door(clock: Clock) -> Door:
    return Door(clock)


def let_in(door: Door, address: str = HERE) -> Visit:
    visit, _ = door.knock(address)
    assert visit is not None
    return visit


def known(door: Door, address: str = HERE) -> Visit:
    visit = let_in(door, address)
    door.known(visit)
    return visit


def test_the_oldest_stranger_of_an_address_makes_room_for_its_next(door: Door) -> None:
    first, *_ = [let_in(door) for _ in range(UNKNOWN_OF_ADDRESS_MAX)]
    elsewhere = let_in(door, THERE)

    visit, leaves = door.knock(HERE)

    assert visit is not None
    assert leaves is first
    assert first not in door.visits
    assert elsewhere in door.visits


def test_the_oldest_stranger_of_all_makes_room_where_there_are_many(door: Door) -> None:
    first, *_ = [let_in(door, f"192.0.2.{n}") for n in range(UNKNOWN_MAX)]

    visit, leaves = door.knock("198.51.100.1")

    assert visit is not None
    assert leaves is first


def test_who_is_known_makes_room_for_nobody_and_takes_none_from_strangers(door: Door) -> None:
    inside = [known(door) for _ in range(UNKNOWN_MAX * 2)]
    for _ in range(UNKNOWN_OF_ADDRESS_MAX * 2):
        let_in(door)

    assert set(inside) <= set(door.visits)
    assert door.known_count == len(inside)


def test_an_address_that_comes_too_often_waits_and_no_other_does(door: Door, clock: Clock) -> None:
    for _ in range(ARRIVALS_AT_ONCE):
        door.left(let_in(door, THERE))
    assert door.knock(THERE) == (None, None)
    let_in(door, "192.0.2.2")

    clock.at += 1.5 / ARRIVALS_PER_S

    let_in(door, THERE)
    assert door.knock(THERE) == (None, None)


def test_this_machine_itself_is_never_too_often_here(door: Door) -> None:
    for _ in range(ARRIVALS_AT_ONCE * 3):
        door.left(let_in(door, HERE))


def test_a_host_has_one_allowance_for_all_its_addresses_of_a_network(door: Door) -> None:
    for n in range(ARRIVALS_AT_ONCE):
        door.left(let_in(door, f"2001:db8::{n + 1:x}"))

    assert door.knock("2001:db8::ffff") == (None, None)
    let_in(door, "2001:db8:0:1::1")


def test_each_failure_doubles_the_pause_up_to_a_bound(door: Door) -> None:
    pauses = [door.failed(let_in(door)) for _ in range(20)]

    assert pauses[:4] == [PAUSE_S, 2 * PAUSE_S, 4 * PAUSE_S, 8 * PAUSE_S]
    assert pauses == sorted(pauses)
    assert pauses[-1] == PAUSE_MAX_S


def test_one_address_failures_are_no_other_ones(door: Door) -> None:
    for _ in range(10):
        door.failed(let_in(door))

    assert door.failed(let_in(door, THERE)) == PAUSE_S


def test_a_good_token_and_a_quiet_time_end_the_pauses(door: Door, clock: Clock) -> None:
    for _ in range(5):
        door.failed(let_in(door))
    known(door)
    assert door.failed(let_in(door)) == PAUSE_S

    clock.at += FORGOTTEN_AFTER_S + 1

    assert door.failed(let_in(door)) == PAUSE_S


def test_what_is_remembered_of_addresses_is_bounded(door: Door) -> None:
    for n in range(ADDRESSES_MAX * 2):
        address = f"10.0.{n >> 8}.{n & 255}"
        visit = let_in(door, address)
        door.failed(visit)
        door.left(visit)

    assert len(door._failures) == ADDRESSES_MAX
    assert len(door._arrivals) == ADDRESSES_MAX


def test_who_shows_no_token_in_time_is_overdue_and_a_pause_is_not_held_against_them(
    door: Door, clock: Clock
) -> None:
    silent, failing, inside = let_in(door), let_in(door), known(door)
    clock.at += KNOWN_WITHIN_S - 0.5
    pause = max(door.failed(failing) for _ in range(20))

    clock.at += 1

    assert door.overdue() == [silent]
    clock.at += pause + 1
    assert door.overdue() == [silent, failing]
    assert inside in door.visits


def test_only_who_is_known_and_was_not_heard_is_idle(door: Door, clock: Clock) -> None:
    quiet, heard, _ = known(door), known(door), let_in(door)
    clock.at += 50
    heard.heard_at = clock.at

    assert door.idle(30) == [quiet]
    assert door.idle(60) == []


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::1", "::1"),
    ],
)
def test_an_address_has_one_form(given: str, plain: str) -> None:
    assert plain_address(given) == plain

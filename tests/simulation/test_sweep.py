"""One scenario, and it dies at every await, and its disk fails at every operation, until none is left (SQLite's method)."""

from collections.abc import Iterator

import pytest

from tests.simulation.far import Shown
from tests.simulation.near import Fates
from tests.simulation.world import Profile, World

STEP = 11  # the short form takes every 11th; a prime, so that not always the same steps of a loop are left out
AGAIN = 37


def profile() -> Profile:
    """A few seconds with all that matters: orders, a lost answer, a change, a cancel, a kill."""
    return Profile(
        keys=3,
        bots=2,
        faults_for_s=12.0,
        fates=Fates(lost_answer=0.3, lost_request=0.1, reads=0.2),
        shown=Shown(lag_s=2.0),
        cancels=True,
        modifies=True,
        kills=1,
    )


def deaths(seed: int, *, power: bool, then: tuple[int, ...] = (), step: int = 1) -> Iterator[World]:
    """The scenario's worlds, one for each step at which it dies; a `then` is the step at which the next life dies, too."""
    number = 1
    while True:
        every = profile()
        every.power = power
        world = World(seed, profile=every, deaths=(number, *then)).run()
        yield world
        if not world.deaths_met:
            return
        number += step


def failures(seed: int, *, step: int = 1) -> Iterator[World]:
    """One for each operation of the disk that fails, it and all after it."""
    number = 1
    while True:
        world = World(seed, profile=profile(), fails_at=number).run()
        yield world
        if world.first_disk.operations < number:
            return
        number += step


@pytest.mark.parametrize("power", [False, True])
def test_dying_at_any_await_breaks_nothing(power: bool) -> None:
    worlds = [world.checks.found for world in deaths(1, power=power, step=STEP)]

    assert len(worlds) > 20
    assert not any(worlds)


def test_dying_again_while_recovering_breaks_nothing() -> None:
    worlds = [world.checks.found for world in deaths(2, power=True, then=(60,), step=AGAIN)]

    assert len(worlds) > 4
    assert not any(worlds)


def test_a_disk_that_fails_at_any_operation_breaks_nothing() -> None:
    worlds = [world.checks.found for world in failures(3, step=3)]

    assert len(worlds) > 5
    assert not any(worlds)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4, 8))
def test_dying_and_failing_everywhere_breaks_nothing(seed: int) -> None:
    for power in (False, True):
        assert not any(world.checks.found for world in deaths(seed, power=power))
    for step in range(1, 400, 40):
        assert not any(
            world.checks.found for world in deaths(seed, power=True, then=(step,), step=7)
        )
    assert not any(world.checks.found for world in failures(seed))

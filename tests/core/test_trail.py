"""What the log tells of orders beside the happy path. Their whole way: `tests/acceptance/test_tracing.py`."""

from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from ordod.adapter import Dialogue, Placed
from ordod.core.sessions import SessionState
from ordod.errors import Kind, OrdoError
from tests.core.world import VIRTUAL, lost_before, running_world, unsent, wanted, with_spec


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


@pytest.fixture
def told() -> Iterator[list[dict[str, Any]]]:
    with capture_logs() as logs:
        yield logs  # type: ignore[misc]  # structlog's mutable mappings


def events(told: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    return [each for each in told if each["event"] in names]


async def test_a_disk_that_fails_is_told_and_so_is_the_outcome_it_did_not_take(
    told: list[dict[str, Any]],
) -> None:
    async with running_world() as world:
        world.line().script(lost_before)

        async def fail() -> None:
            while not world.line().writes():  # noqa: ASYNC110 - a line tells of no write
                await anyio.sleep(0.01)
            world.disk.fail_at(1)

        async with anyio.create_task_group() as group:
            group.start_soon(fail)
            await world.parts.desk.place(wanted("k1"))

        order = world.order("k1")
        (failed,) = events(told, "journal_failed")
        (lost,) = events(told, "outcome_not_stored")
        assert failed["log_level"] == "error"
        assert failed["why"] == world.parts.journal.failure
        assert (lost["key"], lost["order_id"], lost["tag"]) == ("k1", order.id, order.tag)
        assert lost["outcome"] == "doubt"


async def test_an_order_that_was_never_handed_over_is_told_with_its_ids(
    told: list[dict[str, Any]],
) -> None:
    async with running_world() as world:
        world.line().script(unsent)

        with pytest.raises(OrdoError):
            await world.parts.desk.place(wanted("k1", timeout_s=0.6, strategy="swing"))

        (line,) = events(told, "order_unsent")
        order = world.parts.book.orders[line["order_id"]]
        assert line["kind"] == Kind.BROKER_UNAVAILABLE.name
        assert (line["account"], line["key"], line["strategy"]) == ("paper", "k1", "swing")
        assert line["tag"] == order.tag is not None
        assert "broker_order_id" not in line


async def test_a_bug_in_an_adapter_is_told_with_the_order_it_was_about(
    told: list[dict[str, Any]],
) -> None:
    class Broken(type(with_spec())):  # type: ignore[misc]  # a class made for one test
        def place(self, *_: Any) -> Dialogue[Placed]:
            raise ZeroDivisionError

    async with running_world(adapter=Broken()) as world:
        with pytest.raises(OrdoError):
            await world.parts.desk.place(wanted("k1"))

        (line,) = events(told, "bug_in_send")
        order = world.parts.book.orders[line["order_id"]]
        assert line["exc_info"]
        assert (line["key"], line["tag"]) == ("k1", order.tag)


async def test_a_breaker_s_opening_and_closing_are_told_once_each(
    told: list[dict[str, Any]],
) -> None:
    async with running_world() as world:
        world.line().script(*[unsent] * 40, match=lambda request: True)
        for number in range(6):
            with pytest.raises(OrdoError):
                await world.parts.desk.place(wanted(f"k{number}", timeout_s=0.6))
        world.line().forget()
        await anyio.sleep(120)
        await world.parts.desk.place(wanted("k9"))

        names = [each["event"] for each in events(told, "breaker_opened", "breaker_closed")]
        assert names == ["breaker_opened", "breaker_closed"]


async def test_refusals_without_end_have_a_line_a_second(told: list[dict[str, Any]]) -> None:
    async with running_world() as world:
        await world.parts.kill.engage(caller="test", reason="a test")
        for number in range(50):
            with pytest.raises(OrdoError):
                await world.parts.desk.place(wanted(f"k{number}"))
            await anyio.sleep(0.05)
        await anyio.sleep(2)
        with pytest.raises(OrdoError):
            await world.parts.desk.place(wanted("last"))

        lines = events(told, "order_refused")
        assert {line["kind"] for line in lines} == {"KILLED"}
        assert 3 <= len(lines) <= 5
        assert len(lines) + sum(line["untold"] for line in lines) == 51


async def test_a_session_s_moves_are_as_loud_as_a_person_should_hear_them(
    told: list[dict[str, Any]],
) -> None:
    async with running_world() as world:
        await world.parts.accounts["paper"].keeper.logout()

    moves = [(each["state"], each["log_level"]) for each in events(told, "session_moved")]
    assert moves == [
        (SessionState.LOGGING_IN.value, "debug"),
        (SessionState.ACTIVE.value, "info"),
        (SessionState.DENIED.value, "error"),
    ]

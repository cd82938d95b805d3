"""Prices over the socket (WIRE 6): they come, they carry no seq, and nobody waits for one who does not read."""

from collections.abc import Callable
from typing import Any

from tests.acceptance.daemon import Client

SYMBOLS = ["NSE:INFY", "NSE:TCS", "NSE_INDEX:NIFTY"]


def test_ticks_and_depth_come_over_the_socket(connect: Callable[[], Client]) -> None:
    client = connect()
    answer = client.ask("events.subscribe", topics=["ticks", "depth"], symbols=SYMBOLS)
    seen: dict[str, set[str]] = {"ticks": set(), "depth": set()}

    while seen["ticks"] != set(SYMBOLS) or seen["depth"] != {"NSE:INFY", "NSE:TCS"}:
        event = client.event()
        topic = event["topic"]
        assert set(event) == {"subscription", "topic", "epoch", "at", "skipped", topic}
        assert event["subscription"] == answer["subscription"]
        seen[topic] |= {value["symbol"] for value in event[topic]}

    client.ask("events.unsubscribe", subscription=answer["subscription"])


def test_a_client_that_does_not_read_keeps_its_connection_and_harms_nobody(
    connect: Callable[[], Client],
) -> None:
    stopped, reading = connect(), connect()
    symbols = [
        found["symbol"]
        for found in reading.ask("instrument.search", text="N", account="paper", limit=60)[
            "instruments"
        ]
    ]
    for _ in range(60):  # several copies, so that the socket between fills up at once
        stopped.ask("events.subscribe", topics=["ticks", "depth"], symbols=symbols)
    reading.ask("events.subscribe", topics=["ticks"], symbols=symbols)

    ats = [reading.event()["at"] for _ in range(12)]  # three seconds
    skipped = 0
    for _ in range(2000):
        event: Any = stopped.event()
        skipped += event["skipped"]
        if skipped:
            break

    assert ats == sorted(set(ats))
    assert skipped > 0
    assert stopped.ask("system.ping")["at"]

"""P1: an order never leaves before its intent is on disk."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from ordod.sim.process import SimProcess
from tests.promises.daemon import Daemon, Refused

Make = Callable[..., Daemon]


def orders_sent(sim: SimProcess, since: int = 0) -> list[dict[str, Any]]:
    return [r for r in sim.requests()[since:] if r["method"] == "POST" and "/orders/" in r["path"]]


def test_no_byte_of_an_order_leaves_while_its_intent_is_not_synced(
    make: Make, sim: SimProcess, broker: str
) -> None:
    daemon = make(broker, faulty=True).ready()
    before = len(sim.requests())
    daemon.plan("hang", "append", seconds=0.6, holding='"intent"')

    with daemon.client() as client:
        call = client.send("order.place", **daemon.order("slow"))
        time.sleep(0.4)
        sent_meanwhile = orders_sent(sim, before)
        answer = client.answer(call)

    assert sent_meanwhile == []
    assert answer["order"]["status"] in ("PENDING", "OPEN")
    [request] = orders_sent(sim, before)
    [intent] = daemon.records("intent")
    assert request["form"]["tag"] == intent["tag"]


def test_an_intent_whose_sync_fails_is_journal_failed_and_nothing_is_sent(
    make: Make, sim: SimProcess, broker: str
) -> None:
    daemon = make(broker, faulty=True).ready()
    before = len(sim.requests())
    daemon.plan("fail", "append", holding='"intent"')

    with pytest.raises(Refused) as refused:
        daemon.place("dead")
    with pytest.raises(Refused) as again:
        daemon.place("dead-2")

    assert (refused.value.kind, refused.value.retry) == ("JOURNAL_FAILED", "same_key")
    assert again.value.kind == "JOURNAL_FAILED"
    assert orders_sent(sim, before) == []
    assert "disk" in daemon.call("system.status")["todo"]


def test_an_intent_that_hangs_is_journal_failed_and_is_not_sent_when_the_disk_wakes_up(
    make: Make, sim: SimProcess, broker: str
) -> None:
    daemon = make(broker, faulty=True).ready()
    before = len(sim.requests())
    daemon.plan("hang", "append", seconds=2.5, holding='"intent"')

    with pytest.raises(Refused) as refused:
        daemon.place("asleep")
    daemon.wait_status(lambda _: daemon.records("unsent"))
    sent_by_the_first_call = orders_sent(sim, before)
    order_of_the_second = daemon.insist("asleep")

    assert (refused.value.kind, refused.value.retry) == ("JOURNAL_FAILED", "same_key")
    assert sent_by_the_first_call == []
    assert order_of_the_second["status"] in ("PENDING", "OPEN")
    assert len(orders_sent(sim, before)) == 1
    assert daemon.verified().is_good

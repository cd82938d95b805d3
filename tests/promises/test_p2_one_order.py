"""P2: one (broker user, key) makes at most one order at the broker, whatever crashes, times out or is sent twice."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import count
from typing import Any

from ordod.sim.process import SimProcess, running
from tests.promises.daemon import LOOK_S, Daemon, zerodha

Make = Callable[..., Daemon]
AT_ONCE = 8  # daemons side by side: a start is work, the rest waiting

# What may become of an order's answer, and whether the order was carried out.
LOST_ANSWERS: dict[str, tuple[dict[str, Any], bool]] = {
    "closed before": ({"kind": "lose_before"}, False),
    "closed after": ({"kind": "lose_after"}, True),
    "reset before": ({"kind": "reset", "executed": False}, False),
    "reset after": ({"kind": "reset"}, True),
    "502 with a page before": ({"kind": "status", "executed": False}, False),
    "502 with a page after": ({"kind": "status"}, True),
    "504 after": ({"kind": "status", "status": 504}, True),
    "half a JSON": ({"kind": "half"}, True),
    "garbage": ({"kind": "garbage"}, True),
    "a success without an id": ({"kind": "no_order_id"}, True),
    "a 400 that timed out, before": ({"kind": "timed_out_400", "executed": False}, False),
    "a 400 that timed out, after": ({"kind": "timed_out_400"}, True),
    "late": ({"kind": "late", "seconds": 0.5}, True),
}


def placements(sim: SimProcess, tag: str) -> list[dict[str, Any]]:
    return [deed for deed in sim.placements() if deed["tag"] == tag]


def posts(sim: SimProcess, tag: str) -> list[dict[str, Any]]:
    return [r for r in sim.requests() if r["method"] == "POST" and r["form"].get("tag") == tag]


def tags(daemon: Daemon) -> dict[str, str]:
    """Key -> tag, as the journal's intents have them."""
    return {record["key"]: record["tag"] for record in daemon.records("intent")}


def ask_twice(daemon: Daemon, key: str, symbol: str) -> list[dict[str, Any]]:
    return [daemon.insist(key, symbol=symbol) for _ in range(2)]


def test_a_lost_answer_of_any_kind_makes_no_second_order(
    make: Make, sim: SimProcess, broker: str
) -> None:
    daemon = make(broker).ready()
    first = daemon.insist("echo")
    keys = {f"lost-{n}": name for n, name in enumerate(LOST_ANSWERS)}

    answers = {}
    for key, name in keys.items():
        sim.fault(**LOST_ANSWERS[name][0], method="POST", prefix="/orders")
        answers[key] = ask_twice(daemon, key, "NSE:TCS" if "before" in name else "NSE:INFY")
    ends = {key: daemon.settled(key) for key in keys}

    tag_of = tags(daemon)
    truth = {key: len(placements(sim, tag_of[key])) for key in keys}
    assert first["status"] in ("PENDING", "OPEN")
    assert {key: len(posts(sim, tag_of[key])) for key in keys} == dict.fromkeys(keys, 1)
    assert truth == {key: int(LOST_ANSWERS[name][1]) for key, name in keys.items()}
    assert {key: end["status"] != "NOT_PLACED" for key, end in ends.items()} == {
        key: count == 1 for key, count in truth.items()
    }
    for pair in answers.values():
        assert pair[0]["tag"] == pair[1]["tag"]


def test_an_answer_that_never_comes_makes_no_second_order(
    make: Make, sim: SimProcess, broker: str
) -> None:
    daemon = make(broker).ready()
    sim.fault("hang", "POST", "/orders")

    early = daemon.place("hung", timeout_ms=1500)["order"]
    replayed = daemon.place("hung", timeout_ms=1500)
    end = daemon.settled("hung")

    assert early["status"] in ("IN_DOUBT", "OPEN")
    assert replayed["replayed"]
    assert end["status"] == "OPEN"
    assert len(placements(sim, end["tag"])) == 1
    assert len(posts(sim, end["tag"])) == 1


def test_a_hundred_clients_with_one_key_make_one_order(
    make: Make, sim: SimProcess, broker: str
) -> None:
    daemon = make(broker).ready()
    sim.fault("delay", "POST", "/orders", seconds=0.3)

    with ThreadPoolExecutor(100) as pool:
        results = list(pool.map(lambda _: daemon.place("same"), range(100)))

    assert {result["order"]["order_id"] for result in results} == {results[0]["order"]["order_id"]}
    assert sum(not result["replayed"] for result in results) == 1
    assert len(placements(sim, results[0]["order"]["tag"])) == 1


def test_a_key_sent_again_while_the_daemon_dies_in_mid_call_makes_one_order(
    make: Make, sim: SimProcess, broker: str
) -> None:
    daemon = make(broker).ready()
    sim.fault("delay", "POST", "/orders", seconds=5)
    with daemon.client() as client:
        client.send("order.place", **daemon.order("cut"))
        daemon.wait_status(lambda _: placements(sim, tags(daemon).get("cut", "-")))

    daemon.kill()
    daemon.ready()
    end = daemon.insist("cut")

    assert end["tag"] == tags(daemon)["cut"]
    assert daemon.settled("cut")["status"] == "OPEN"
    assert len(placements(sim, end["tag"])) == 1


def die_at_step(make: Make, sim: SimProcess, step: int) -> tuple[str, int]:
    """Place an order in a daemon that dies at this step of it; after a restart the same key again, until it is settled.

    Returns:
        How it ended: `dead` before it answered, or `answered`; and how many orders the broker has of the key.
    """
    daemon, key = make(zerodha(sim), faulty=True).ready(), f"step-{step}"
    daemon.insist("echo")  # absence counts where the book has shown a tag
    daemon.plan("kill", "any", at=step)
    how = "answered"
    try:
        daemon.place(key)
    except OSError:
        how = "dead"
        assert daemon.died() == -9
    else:
        daemon.kill()
    daemon.no_plan()

    daemon.ready()
    told = daemon.insist(key)
    end = daemon.settled(key)
    daemon.kill()

    orders = len(placements(sim, end["tag"]))
    assert told["tag"] == end["tag"]
    assert orders == int(end["status"] != "NOT_PLACED"), end
    assert len(posts(sim, end["tag"])) <= 1
    assert daemon.verified().is_good
    return how, orders


def test_sigkill_between_any_two_steps_of_a_place_makes_one_order(make: Make) -> None:
    ends: dict[int, tuple[str, int]] = {}

    with ExitStack() as stack, ThreadPoolExecutor(AT_ONCE) as pool:
        # A broker for each: the two characters that tell installations apart may be the same for some of so many.
        sims = [stack.enter_context(running("--no-limits")) for _ in range(AT_ONCE)]
        for first in count(1, AT_ONCE):
            steps = range(first, first + AT_ONCE)
            ends |= zip(steps, pool.map(partial(die_at_step, make), sims, steps), strict=True)
            if any(how == "answered" for how, _ in ends.values()):
                break
            for sim in sims:
                sim.call("POST", "new_day")

    # Intent in and out, send, two looks of the gate, answer, outcome in and out: at the least. Some before, some after.
    dead = [orders for how, orders in ends.values() if how == "dead"]
    assert len(dead) >= 8, ends
    assert set(dead) == {0, 1}, ends


def test_sigkill_between_the_steps_of_a_start_that_has_a_doubt_to_settle_makes_no_second_order(
    make: Make, sim: SimProcess, broker: str
) -> None:
    daemon = make(broker, faulty=True).ready()
    sim.fault("lose_after", "POST", "/orders")
    assert daemon.place("doubt")["order"]["status"] == "IN_DOUBT"
    daemon.kill()

    deaths = 0
    for step in count(1, 2):  # after one and before the next is the same moment
        daemon.plan("kill", "any", at=step)
        daemon.start()
        if comes_up(daemon):
            break
        assert daemon.died() == -9
        deaths += 1
    daemon.kill()
    daemon.no_plan()
    daemon.ready()
    end = daemon.insist("doubt")

    assert deaths >= 5, deaths
    assert daemon.settled("doubt")["status"] == "OPEN"
    assert len(placements(sim, end["tag"])) == len(posts(sim, end["tag"])) == 1
    daemon.kill()
    assert daemon.verified().is_good


def comes_up(daemon: Daemon) -> bool:
    """Whether it can trade before it dies."""
    assert daemon.process is not None
    while daemon.process.poll() is None:
        try:
            [account] = daemon.call("account.list")["accounts"]
        except OSError:
            time.sleep(LOOK_S)
        else:
            if account["can_trade"]:
                return True
    return False

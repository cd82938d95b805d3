"""Trouble at every change of an order or a position: what is answered, how often it was sent, and how it ends.

All the trouble is made first, then everything is waited for at once: to prove that a thing did not happen takes a horizon and
two readings, each time.
"""

import time
from collections.abc import Callable
from itertools import count, product
from typing import Any

import pytest
from msgspec import Struct

from ordod.sim.process import SimProcess
from tests.zerodha_day.harness import ACCOUNT, Ordo, Refused, Trouble, eventually

SURE_NO = {
    "funds": "INSUFFICIENT_FUNDS",
    "holdings": "INSUFFICIENT_FUNDS",
    "input": "ORDER_REJECTED",
    "order": "ORDER_REJECTED",
    "depository": "ORDER_REJECTED",
    "closed": "MARKET_CLOSED",
}
TOO_MANY = (
    '{"status":"error","message":"Too many requests","data":null,"error_type":"NetworkException"}'
)
LOST: dict[str, dict[str, Any]] = {  # how an answer is lost, and what the simulator is asked for
    "lost before": {"kind": "lose_before"},
    "lost after": {"kind": "lose_after"},
    "reset before": {"kind": "reset", "executed": False},
    "reset after": {"kind": "reset"},
    "half an answer": {"kind": "half"},
    "a page of 502": {"kind": "status", "executed": False},
    "a page of 502, done": {"kind": "status"},
    "a success that names nothing": {"kind": "no_order_id"},
    "400 timed out": {"kind": "timed_out_400", "executed": False},
    "400 timed out, done": {"kind": "timed_out_400"},
    "a page of 429": {"kind": "status", "status": 429, "executed": False},
}
TIMEOUT_MS = (
    500  # how long an acknowledged change is waited for at most: a lost one is never seen in time
)
NOT_DONE = ("lost before", "reset before", "a page of 502", "400 timed out", "a page of 429")
OPERATIONS = ("place", "modify", "cancel", "gtt.place", "gtt.modify", "gtt.cancel", "convert")
DEEDS = {
    "place": "place",
    "modify": "modify",
    "cancel": "cancel",
    "gtt.place": "gtt_place",
    "gtt.modify": "gtt_modify",
    "gtt.cancel": "gtt_delete",
    "convert": "convert",
}
SHARES = (
    *("TCS", "WIPRO", "HCLTECH", "NTPC", "POWERGRID", "ONGC", "COALINDIA", "SBIN", "TITAN", "LT"),
    *("HINDALCO", "JSWSTEEL", "SUNPHARMA"),
)  # one for each conversion: doubts of one position would hide each other

SPARE = "AXISBANK"


class Attempt(Struct, kw_only=True):
    """One call of one operation, ready to be made: `ask` again with the same key, `end` tells how it stands."""

    method: str
    prefix: str
    ask: Callable[[], dict[str, Any]]
    ended: Callable[[], str]


class Bench:
    """Makes attempts."""

    def __init__(self, daemon: Ordo, sim: SimProcess) -> None:
        self.daemon = daemon
        self.sim = sim
        self.timeout_ms = 8000
        self._asked_at = 0.0
        self._prices = (1300 + number / 10 for number in count(1))
        self._shares = iter(SHARES)
        for share in (*SHARES, SPARE):
            daemon.place(symbol=f"NSE:{share}", type="MARKET", product="MIS", quantity=100)

    def attempt(self, operation: str) -> Attempt:
        make = {
            "place": self._place,
            "modify": self._modify,
            "cancel": self._cancel,
            "gtt.place": self._gtt_place,
            "gtt.modify": self._gtt_modify,
            "gtt.cancel": self._gtt_cancel,
            "convert": self._convert,
        }
        return make[operation]()

    def _place(self) -> Attempt:
        order = self.daemon.order(price=next(self._prices))
        key = order["key"]
        return Attempt(
            method="POST",
            prefix="/orders/",
            ask=lambda: dict(self.daemon.call("order.place", **order)),
            ended=lambda: {"NOT_PLACED": "not_done", "IN_DOUBT": ""}.get(
                self.daemon.get(key)["status"], "done"
            ),
        )

    def _modify(self) -> Attempt:
        order, change = self.daemon.place(), next(self.daemon.keys)
        wanted = {"order_id": order["order_id"], "price": next(self._prices), "change_key": change}
        return self._change(order, "PUT", "order.modify", wanted)

    def _cancel(self) -> Attempt:
        order = self.daemon.place()
        return self._change(order, "DELETE", "order.cancel", {"order_id": order["order_id"]})

    def _change(
        self, order: dict[str, Any], verb: str, method: str, wanted: dict[str, Any]
    ) -> Attempt:
        def ended() -> str:
            records = self.daemon.call("order.history", order_id=order["order_id"])["records"]
            [change] = [r["id"] for r in records if r["type"] == method.partition(".")[2]]
            ends = [r["outcome"] for r in records if r["type"] == "settled" and r["id"] == change]
            return str(ends[-1]) if ends else ""

        return Attempt(
            method=verb,
            prefix=f"/orders/regular/{order['broker_order_id']}",
            ask=lambda: dict(self.daemon.call(method, timeout_ms=self.timeout_ms, **wanted)),
            ended=ended,
        )

    def gtt(self, **more: Any) -> dict[str, Any]:
        if (
            time.monotonic() > self._asked_at + 4
        ):  # a fresh price spares each call a quote, one a second
            self.daemon.call("market.ltp", symbols=["NSE:INFY"])
            self._asked_at = time.monotonic()
        leg = {"trigger_price": 1290, "side": "BUY", "quantity": 1, "price": next(self._prices)}
        return {"account": ACCOUNT, "key": next(self.daemon.keys), "symbol": "NSE:INFY"} | {
            "legs": [leg],
            **more,
        }

    def _gtt_place(self) -> Attempt:
        return self._keyed("POST", "/gtt/triggers", "gtt.place", self.gtt())

    def _gtt_modify(self) -> Attempt:
        made = self.daemon.call("gtt.place", **self.gtt())["gtt"]["gtt_id"]
        return self._keyed("PUT", f"/gtt/triggers/{made}", "gtt.modify", self.gtt(gtt_id=made))

    def _gtt_cancel(self) -> Attempt:
        made = self.daemon.call("gtt.place", **self.gtt())["gtt"]["gtt_id"]
        wanted = {"account": ACCOUNT, "key": next(self.daemon.keys), "gtt_id": made}
        return self._keyed("DELETE", f"/gtt/triggers/{made}", "gtt.cancel", wanted)

    def _convert(self) -> Attempt:
        wanted = {
            "account": ACCOUNT,
            "key": next(self.daemon.keys),
            "symbol": f"NSE:{next(self._shares, SPARE)}",
            "side": "BUY",
            "quantity": 4,
            "from_product": "MIS",
            "to_product": "CNC",
        }
        return self._keyed("PUT", "/portfolio/positions", "portfolio.convert", wanted)

    def _keyed(self, verb: str, prefix: str, method: str, wanted: dict[str, Any]) -> Attempt:
        def ended() -> str:
            try:
                change = self.daemon.call(method, **wanted)["change"]
            except Refused as refused:
                return {"ORDER_REJECTED": "not_done"}[refused.kind]
            return "done" if change == "done" else ""

        return Attempt(
            method=verb,
            prefix=prefix,
            ask=lambda: dict(self.daemon.call(method, **wanted)),
            ended=ended,
        )


class Lost(Struct, kw_only=True):
    """What became of an attempt whose answer was lost."""

    told: dict[str, Any]
    sent: int
    sent_at_the_end: int = 0
    was_done: bool
    ended: str = ""


@pytest.fixture(scope="module")
def bench(daemon: Ordo, sim: SimProcess) -> Bench:
    return Bench(daemon, sim)


@pytest.fixture(scope="module")
def lost(bench: Bench) -> dict[tuple[str, str], Lost]:
    """Every operation with every way to lose its answer, to the end."""
    sim, attempts, outcomes = bench.sim, {}, {}
    bench.timeout_ms = (
        1000  # how long a change is waited for that is acknowledged, if at all, to nobody
    )
    for operation, how in product(OPERATIONS, LOST):
        attempt = bench.attempt(operation)
        trouble, before = Trouble(sim), len(sim.deeds())
        trouble.befall(method=attempt.method, prefix=attempt.prefix, **LOST[how])
        told = attempt.ask()
        bench.daemon.call("portfolio.funds", account=ACCOUNT)  # or the breaker would open
        done = [d for d in sim.deeds()[before:] if d["what"] == DEEDS[operation]]
        outcomes[operation, how] = Lost(
            told=told,
            sent=len(trouble.requests(attempt.method, attempt.prefix)),
            was_done=bool(done),
        )
        attempts[operation, how] = (attempt, trouble)
    for name, (attempt, _) in attempts.items():
        outcomes[name].ended = eventually(attempt.ended, within_s=40)
    for name, (attempt, trouble) in attempts.items():
        if name[0] not in ("place", "gtt.place", "convert"):  # whose paths others share
            sent = trouble.requests(attempt.method, attempt.prefix)
            outcomes[name].sent_at_the_end = len(sent)
    bench.timeout_ms = 8000
    return outcomes


@pytest.mark.parametrize(("operation", "how"), list(product(OPERATIONS, LOST)))
def test_a_lost_answer_is_a_doubt_sent_once_that_ends_as_it_was(
    lost: dict[tuple[str, str], Lost], operation: str, how: str
) -> None:
    outcome = lost[operation, how]

    doubt = outcome.told["order"]["status"] if operation == "place" else outcome.told["change"]
    is_known = operation not in ("place", "gtt.place", "convert") and outcome.was_done
    assert outcome.was_done == (how not in NOT_DONE)
    assert doubt in ("IN_DOUBT", "in_doubt") or (is_known and doubt == "done")
    assert outcome.sent == 1
    assert outcome.sent_at_the_end <= 1
    assert outcome.ended == ("done" if outcome.was_done else "not_done")


@pytest.mark.parametrize(("operation", "reason"), list(product(OPERATIONS, SURE_NO)))
def test_a_brokers_sure_no_ends_it(
    bench: Bench, trouble: Trouble, operation: str, reason: str
) -> None:
    attempt = bench.attempt(operation)
    trouble.befall("reject", attempt.method, attempt.prefix, reason=reason)

    with pytest.raises(Refused) as refused:
        attempt.ask()

    assert (refused.value.kind, refused.value.retry) == (SURE_NO[reason], "new_key")
    assert refused.value.data["broker_message"]
    assert len(trouble.requests(attempt.method, attempt.prefix)) == 1


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if o not in ("place", "cancel")])
def test_a_refused_change_asked_again_is_refused_again_and_not_sent(
    bench: Bench, trouble: Trouble, operation: str
) -> None:
    attempt = bench.attempt(operation)
    trouble.befall("reject", attempt.method, attempt.prefix, reason="funds")
    with pytest.raises(Refused):
        attempt.ask()

    with pytest.raises(Refused) as again:
        attempt.ask()

    assert (again.value.kind, again.value.retry) == ("INSUFFICIENT_FUNDS", "new_key")
    assert len(trouble.requests(attempt.method, attempt.prefix)) == 1


def test_a_refused_order_asked_again_is_told_as_it_stands(bench: Bench, trouble: Trouble) -> None:
    attempt = bench.attempt("place")
    trouble.befall("reject", attempt.method, attempt.prefix, reason="order")
    with pytest.raises(Refused):
        attempt.ask()

    again = attempt.ask()

    assert (again["order"]["status"], again["replayed"]) == ("REJECTED", True)
    assert len(trouble.requests(attempt.method, attempt.prefix)) == 1


@pytest.mark.parametrize("operation", OPERATIONS)
def test_too_many_requests_is_no_effect_and_asked_again(
    bench: Bench, trouble: Trouble, operation: str
) -> None:
    attempt = bench.attempt(operation)
    trouble.befall(
        "status", attempt.method, attempt.prefix, status=429, body=TOO_MANY, executed=False
    )

    attempt.ask()

    assert len(trouble.requests(attempt.method, attempt.prefix)) == 2


def test_too_many_requests_until_the_deadline_leaves_the_key_free(
    bench: Bench, sim: SimProcess, trouble: Trouble
) -> None:
    order = bench.daemon.order(timeout_ms=1500)
    trouble.befall("status", "POST", "/orders/", status=429, body=TOO_MANY, executed=False, times=2)

    refused = bench.daemon.refused("order.place", **order)
    sent = trouble.requests("POST", "/orders/")
    sim.call("DELETE", "faults")
    placed = bench.daemon.call("order.place", **order)

    assert (refused.kind, refused.retry) == ("RATE_LIMITED", "same_key")
    assert len(sent) == 2
    assert placed["replayed"] is False
    assert [p["tag"] for p in sim.placements()].count(placed["order"]["tag"]) == 1


def test_a_slow_answer_is_waited_for(bench: Bench, trouble: Trouble) -> None:
    attempt = bench.attempt("place")
    trouble.befall("delay", attempt.method, attempt.prefix, seconds=0.7)

    told = attempt.ask()

    assert told["order"]["status"] in ("PENDING", "OPEN")
    assert len(trouble.requests(attempt.method, attempt.prefix)) == 1


def test_an_answer_too_slow_for_the_caller_is_told_as_far_as_it_is_known(
    bench: Bench, trouble: Trouble
) -> None:
    order = bench.daemon.order(timeout_ms=300)
    trouble.befall("delay", "POST", "/orders/", seconds=2)

    told = bench.daemon.call("order.place", **order)["order"]

    assert told["status"] in ("IN_DOUBT", "OPEN")
    bench.daemon.comes_to(order["key"], "OPEN")
    assert len(trouble.requests("POST", "/orders/")) == 1


def test_an_answer_that_never_comes_is_given_up_after_seven_seconds(
    bench: Bench, trouble: Trouble
) -> None:
    order = bench.daemon.order(timeout_ms=20_000)
    trouble.befall("hang", "POST", "/orders/", executed=True)

    told = bench.daemon.call("order.place", **order)["order"]

    assert told["status"] in ("IN_DOUBT", "OPEN")
    bench.daemon.comes_to(order["key"], "OPEN")
    assert len(trouble.requests("POST", "/orders/")) == 1


READS = {
    "portfolio.positions": "/portfolio/positions",
    "portfolio.holdings": "/portfolio/holdings",
    "portfolio.funds": "/user/margins",
    "gtt.list": "/gtt/triggers",
}


@pytest.mark.parametrize("method", READS)
@pytest.mark.parametrize("how", ["lose_before", "lose_after", "reset", "half"])
def test_a_read_that_was_lost_is_asked_again(
    bench: Bench, trouble: Trouble, method: str, how: str
) -> None:
    trouble.befall(how, "GET", READS[method])

    told = bench.daemon.call(method, account=ACCOUNT)

    assert "error" not in str(told)
    assert len(trouble.requests("GET", READS[method])) == 2


@pytest.mark.parametrize(
    ("trouble_kind", "kind"),
    [
        ({"kind": "status", "status": 502}, "BROKER_UNAVAILABLE"),
        ({"kind": "status", "status": 429, "body": TOO_MANY}, "RATE_LIMITED"),
        ({"kind": "garbage"}, "BROKER_ERROR"),
        ({"kind": "status", "status": 418, "body": "I'm a teapot"}, "BROKER_ERROR"),
    ],
    ids=lambda value: value if isinstance(value, str) else value["kind"],
)
def test_a_read_that_is_refused_says_so(
    bench: Bench, trouble: Trouble, trouble_kind: dict[str, Any], kind: str
) -> None:
    trouble.befall(method="GET", prefix="/gtt/triggers", **trouble_kind)

    refused = bench.daemon.refused("gtt.list", account=ACCOUNT)

    assert (refused.kind, refused.retry) == (kind, "same_key")


def test_nothing_of_it_all_was_placed_twice(
    bench: Bench, sim: SimProcess, lost: dict[tuple[str, str], Lost]
) -> None:
    tags = [made["tag"] for made in sim.placements() if made["tag"]]

    assert len(set(tags)) == len(tags)

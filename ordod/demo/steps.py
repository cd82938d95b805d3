"""The steps of the demo, in order. Each does something, looks at what came of it in two places, and says what it claims."""

import shutil
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

from ordod.demo.daemon import ACCOUNT, Connection, Daemon, Json, Trouble
from ordod.demo.screen import Screen

__all__ = ["STEPS", "Stage"]

SYMBOL = "NSE:INFY"
RUSH = 120  # orders under way when the daemon is killed
QUIET = 20  # of them, before the rest; these are answered
RUSH_S = 5.0
RUSHES_MAX = 10  # until one is caught between the broker and its answer
MANY = 200
LATE = "demo-late"  # the key that meets the kill switch, and goes through after its release
FILL_S = 10.0  # a market order fills at once, and is seen at the next look
SETTLE_S = 30.0  # two whole readings, 5 s apart, a second after the send
SWEEP_S = 20.0
ALIVE = ("OPEN", "PENDING", "PARTIALLY_FILLED", "TRIGGER_PENDING", "IN_DOUBT")
BELOW = 0.95  # of the last price: within the day's limits, and not filled within half a minute


class Stage:
    """What the steps share: the daemon, the screen, and which keys were used."""

    def __init__(self, screen: Screen, daemon: Daemon) -> None:
        self.screen = screen
        self.daemon = daemon
        self.waiting_price = 0  # rupees; a buy at it stays open

    def starts(self, *, state: str = "READY") -> None:
        """Start the daemon, and claim that it is in this state."""
        with self.screen.working("the daemon starts") as watch:
            status = self.daemon.start()
        self.screen.claim(
            f"a process of its own, account {ACCOUNT} is logged in: {state}",
            status["state"] == state,
            took=watch.seconds,
            found=status["state"],
        )

    # The second truth: what the broker was told, from its own file

    def placed(self) -> list[list[Any]]:
        """Every placing: `["place", time, user, order]`."""
        return [entry for entry in self.daemon.broker_book() if entry[0] == "place"]

    def tags(self) -> list[str]:
        """The tags of every placing, in order, again where one was placed again."""
        return [entry[3]["tag"] for entry in self.placed()]

    def cancels(self) -> int:
        return sum(entry[0] == "cancel" for entry in self.daemon.broker_book())


def start(stage: Stage) -> None:
    stage.screen.ask(f"ordod --config {stage.daemon.config}")
    stage.starts()
    with stage.daemon.connect() as connection:
        quote = connection.call("market.ltp", symbols=[SYMBOL])["quotes"][SYMBOL]
    stage.waiting_price = int(quote["last_price"] * BELOW)
    price = stage.screen.rupees(quote["last_price"])
    stage.screen.fact(f"{SYMBOL} stands at {price} in a market that moves by itself")


def first_order(stage: Stage) -> None:
    screen = stage.screen
    wanted = _order("demo-first", quantity=10, type="MARKET")
    screen.ask(f"order.place: BUY 10 {SYMBOL} at the market, key demo-first")
    with stage.daemon.connect() as connection:
        with screen.working("the order is on its way") as watch:
            placed = connection.call("order.place", **wanted)["order"]
        screen.claim(
            f"placed: the broker calls it {placed['broker_order_id']}", placed["broker_order_id"],
            took=watch.seconds, found=placed["status"],
        )  # fmt: skip
        with screen.working("it fills") as watch:
            order = _when(connection, "demo-first", lambda status: status == "FILLED", FILL_S)
        screen.claim(
            f"filled: 10 at {screen.rupees(order['average_price'] or 0)}",
            order["status"] == "FILLED" and order["filled_quantity"] == 10,
            took=watch.seconds, found=order["status"],
        )  # fmt: skip
        screen.ask("the same call again, with the same key, as after a time-out")
        with screen.working("asked again") as watch:
            again = connection.call("order.place", **wanted)
        screen.claim(
            "the same order is told, as a replay; nothing was sent",
            again["replayed"]
            and again["order"]["order_id"] == order["order_id"]
            and len(stage.placed()) == 1,
            took=watch.seconds, found=f"{len(stage.placed())} orders at the broker",
        )  # fmt: skip
        screen.ask("the same key for another order: SELL 10")
        with screen.working("another order") as watch:
            other = connection.ask("order.place", **{**wanted, "side": "SELL"})
        screen.claim(
            "refused as KEY_REUSED: a key is one order, for ever",
            _kind(other) == "KEY_REUSED" and len(stage.placed()) == 1,
            took=watch.seconds, found=_kind(other),
        )  # fmt: skip


def journal(stage: Stage) -> None:
    records = stage.daemon.journal()
    (intent,) = (one for one in records if one.get("key") == "demo-first")
    story = [one for one in records if one.get("id") == intent["id"]]
    began = _time(intent["at"])
    stage.screen.table(
        ["seq", "after", "type", "what it says"],
        [
            [
                str(one["seq"]),
                f"{(_time(one['at']) - began).total_seconds() * 1000:.1f} ms",
                one["type"],
                _told(one),
            ]
            for one in story
        ],
    )
    stage.screen.claim(
        "the intent stands before the answer, the answer before the fill",
        [one["type"] for one in story][:2] == ["intent", "accepted"] and story[-1]["type"] == "fill",
        found=", ".join(one["type"] for one in story),
    )  # fmt: skip
    at_broker = _time(stage.placed()[0][1])
    later = (at_broker - began).total_seconds() * 1000
    stage.screen.claim(
        f"the broker's own book has the order {later:.1f} ms after the intent, under the intent's tag",
        later >= 0 and stage.tags() == [intent["tag"]],
        found=f"{later:.1f} ms, tags {stage.tags()}",
    )


def crash(stage: Stage) -> None:
    """SIGKILL with orders under way, the same keys again, and both truths compared."""
    screen, daemon = stage.screen, stage.daemon
    wanted, told = _caught_in_the_middle(stage)
    keys = {one["key"] for one in wanted}
    tag_of = {one["tag"]: one["key"] for one in daemon.journal() if one.get("key") in keys}
    before = Counter(stage.tags())
    unheard = {tag_of[tag] for tag in before if tag in tag_of} - {one["key"] for one in told}
    screen.claim(
        f"{len(unheard)} orders are at the broker and nobody was told; the intent of each is on the disk",
        unheard and set(before) <= {one["tag"] for one in daemon.journal() if one["type"] == "intent"},
        found=f"{len(before)} at the broker, {len(tag_of)} intents",
    )  # fmt: skip

    screen.ask("the daemon again, on what is on the disk")
    stage.starts()
    screen.ask(
        f"the same {len(wanted)} calls with the same keys, as a bot sends them that heard nothing"
    )
    with daemon.connect() as connection:
        with screen.working("the same keys again") as watch:
            connection.send([("order.place", one) for one in wanted])
            answers = [connection.result() for _ in wanted]
        replayed = sum(answer["replayed"] for answer in answers)
        fresh = len(wanted) - replayed
        screen.claim(
            f"{replayed} are known and told, nothing of theirs is sent"
            + (f"; {fresh} had not been begun and go now" if fresh else ""),
            {one["order"]["key"] for one in answers if one["replayed"]} == set(tag_of.values()),
            took=watch.seconds,
            found=f"{len(tag_of)} intents before the kill",
        )
        doubtful = {one["order"]["key"] for one in answers if one["order"]["status"] == "IN_DOUBT"}
        if doubtful:
            screen.fact(
                f"{len(doubtful)} of them IN_DOUBT: the kill came between their intent and the broker's answer"
            )
        with screen.working(
            "a doubt ends by evidence: whole readings of the broker's book"
        ) as watch:
            orders = [_settled(connection, key) for key in keys]
    absent = {one["key"] for one in orders if one["status"] == "NOT_PLACED"}
    if doubtful:
        screen.claim(
            f"settled by two whole readings of its book, 5 s apart: {len(doubtful - absent)} placed, {len(absent)} NOT_PLACED",
            absent <= doubtful and all(one["status"] != "IN_DOUBT" for one in orders),
            took=watch.seconds,
            found=str(Counter(one["status"] for one in orders)),
        )
    after = Counter(stage.tags())
    expected = {one["tag"]: int(one["key"] not in absent) for one in orders}
    screen.claim(
        f"the broker's own book has {sum(expected.values())} orders for {len(wanted)} keys, none of them twice",
        len(expected) == len(wanted) and all(after[tag] == n for tag, n in expected.items()),
        found=str({tag: after[tag] for tag in expected if after[tag] != expected[tag]}),
    )
    now = {one["key"]: one["broker_order_id"] for one in orders}
    screen.claim(
        f"the {len(told)} that were answered before the kill are the same orders after it",
        all(now[one["key"]] == one["broker_order_id"] for one in told),
    )


def many(stage: Stage) -> None:
    screen = stage.screen
    wanted = [_order(f"demo-many-{n}", price=stage.waiting_price) for n in range(1, MANY + 1)]
    screen.ask(f"{MANY} orders down one connection, answers as they come")
    with stage.daemon.connect() as connection, screen.working("two hundred orders") as watch:
        connection.send([("order.place", one) for one in wanted])
        answers = [connection.read() for _ in wanted]
    placed = [one["result"]["order"] for one in answers if "result" in one]
    screen.claim(
        f"{MANY} orders placed: {MANY / watch.seconds:,.0f} a second, each on disk before it left",
        len(placed) == MANY and not any(one["result"]["replayed"] for one in answers),
        took=watch.seconds, found=f"{len(placed)} placed",
    )  # fmt: skip
    tags = Counter(stage.tags())
    screen.claim(
        f"the broker's own book has the same {MANY}, each once",
        len({order["tag"] for order in placed}) == MANY
        and all(tags[order["tag"]] == 1 for order in placed),
    )


def kill_switch(stage: Stage) -> None:
    screen = stage.screen
    with stage.daemon.connect() as connection:
        opened = _open(connection)
        cancels = stage.cancels()
        screen.ask(f"kill.engage, with {len(opened)} orders open")
        with screen.working("everything is cancelled") as watch:
            result = connection.call("kill.engage", reason="demo")
        screen.claim(
            f"{result['cancelled']} cancels are out; the switch itself is on the disk",
            result["durable"] and result["cancelled"] == len(opened) and not result["failed"],
            took=watch.seconds, found=str(result),
        )  # fmt: skip
        with screen.working("the sweep looks until nothing is open") as watch:
            _swept(connection)
            left = _open(connection)
        screen.claim(
            f"nothing is open any more; the broker's own book has {len(opened)} cancels",
            not left and stage.cancels() - cancels == len(opened),
            took=watch.seconds, found=f"{len(left)} open, {stage.cancels() - cancels} cancels",
        )  # fmt: skip
        _refused(stage, connection, "a new order is refused as KILLED, and is not at the broker")
    screen.ask("SIGKILL again, and a start: a switch that a crash releases is none")
    stage.daemon.kill()
    stage.starts(state="KILLED")
    with stage.daemon.connect() as connection:
        _refused(stage, connection, "still refused, and still not at the broker")
        screen.ask("kill.release, by an admin, with a reason")
        with screen.working("released") as watch:
            connection.call("kill.release", reason="the demo goes on")
            order = connection.call("order.place", **_order(LATE, price=stage.waiting_price))
        screen.claim(
            "the same key goes through now, as the new order it is",
            order["order"]["broker_order_id"] and not order["replayed"],
            took=watch.seconds, found=order["order"]["status"],
        )  # fmt: skip


def verified(stage: Stage) -> None:
    screen, daemon = stage.screen, stage.daemon
    screen.ask("journal.verify: every record against the hash of the one before it")
    with daemon.connect() as connection, screen.working("the journal is read") as watch:
        result = connection.call("journal.verify")
    screen.claim(
        f"{result['records']} records, unbroken", result["is_good"],
        took=watch.seconds, found=str(result["problem"]),
    )  # fmt: skip
    with screen.working("the daemon ends") as watch:
        status = daemon.end()
    screen.claim(
        "SIGTERM: an orderly end, written down as such",
        status == 0 and [one["type"] for one in daemon.journal()][-2:].count("close") == 1,
        took=watch.seconds, found=f"exit status {status}",
    )  # fmt: skip

    screen.ask("a copy of the state, with one bit flipped in the middle of the journal")
    damaged = Daemon(daemon.folder / "copy")
    shutil.copytree(daemon.state, damaged.state)
    file = max(
        (damaged.state / "journal").glob("*.ndjson"), key=lambda segment: segment.stat().st_size
    )
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    line = data.count(b"\n", 0, len(data) // 2) + 1
    with screen.working("a daemon is to start on it") as watch, damaged:
        status, words = damaged.refuses_to_start()
    screen.claim(
        f"the daemon does not start on it, and says where: {file.name}, line {line}",
        status == 1 and f"line {line}" in words and file.name in words,
        took=watch.seconds, found=f"exit status {status}: {words}",
    )  # fmt: skip


STEPS: list[tuple[str, Callable[[Stage], None]]] = [
    ("A daemon starts", start),
    ("A first order", first_order),
    ("What the journal says about it", journal),
    ("SIGKILL in mid-order, and the same keys again", crash),
    ("Two hundred orders at once", many),
    ("The kill switch", kill_switch),
    ("The journal is whole, and a flipped bit shows", verified),
]


def _caught_in_the_middle(stage: Stage) -> tuple[list[Json], list[Json]]:
    """Kill the daemon while orders are between it and the broker; what was asked for, and the orders that were answered."""
    screen = stage.screen
    for rush in range(1, RUSHES_MAX + 1):
        wanted = [
            _order(f"demo-rush{rush}-{number}", price=stage.waiting_price)
            for number in range(1, RUSH + 1)
        ]
        before = len(stage.placed())
        screen.ask(
            f"{QUIET} orders and their answers; {RUSH - QUIET} more, and SIGKILL while they are under way"
        )
        told = _killed_in_a_rush(stage, wanted)
        at_broker = len(stage.placed()) - before
        screen.fact(f"killed: {at_broker} had reached the broker, {len(told)} had been answered")
        if at_broker > len(told):
            return wanted, told
        screen.fact("the answers were quicker than the kill: again, with other keys")
        stage.starts()
    raise Trouble(f"{RUSHES_MAX} times the daemon was killed, and never in mid-order")


def _killed_in_a_rush(stage: Stage, wanted: list[Json]) -> list[Json]:
    """Kill the daemon as soon as the broker's book has as many more as were answered; those that were."""
    daemon = stage.daemon
    calls = [("order.place", one) for one in wanted]
    before = daemon.broker_book_bytes()
    with daemon.connect() as connection:
        connection.send(calls[:QUIET])
        told = [connection.result()["order"] for _ in range(QUIET)]
        quiet = daemon.broker_book_bytes()
        connection.send(calls[QUIET:])
        deadline = time.monotonic() + RUSH_S
        while daemon.broker_book_bytes() - quiet < quiet - before and time.monotonic() < deadline:
            pass  # an answer takes as long as the disk's sync: a pause would miss the moment
        daemon.kill()
        return [*told, *(answer["result"]["order"] for answer in connection.rest())]


def _order(key: str, **terms: object) -> Json:
    """A buy of one, a LIMIT order unless it is said otherwise."""
    return {
        "account": ACCOUNT,
        "key": key,
        "symbol": SYMBOL,
        "side": "BUY",
        "quantity": 1,
        "type": "LIMIT",
        "product": "CNC",
        **terms,
    }


def _settled(connection: Connection, key: str) -> Json:
    """The order as soon as it is not in doubt."""
    return _when(connection, key, lambda status: status != "IN_DOUBT", SETTLE_S)


def _when(connection: Connection, key: str, wanted: Callable[[str], bool], within_s: float) -> Json:
    """The order as soon as its status is wanted, or at the end of that time. The daemon answers at each change."""
    deadline = time.monotonic() + within_s
    wait_ms = 0
    while True:
        order: Json = connection.call("order.get", account=ACCOUNT, key=key, wait_ms=wait_ms)[
            "order"
        ]
        wait_ms = int(max(0.0, deadline - time.monotonic()) * 1000)
        if wanted(order["status"]) or not wait_ms:
            return order


def _open(connection: Connection) -> list[Json]:
    """Every order that lives or is in doubt, of one moment: asked status by status, one that moves
    from PENDING to OPEN in between would be in neither list."""
    listed = connection.call("order.list", limit=1000)
    if listed.get("next") is not None:
        raise Trouble("the demo has more orders than one answer lists")
    return [order for order in listed["orders"] if order["status"] in ALIVE]


def _swept(connection: Connection) -> None:
    """Wait until the sweep says that it is done."""
    deadline = time.monotonic() + SWEEP_S
    while time.monotonic() < deadline:
        sweep = connection.call("kill.status")["sweep"]
        if sweep is not None and not sweep["running"]:
            return
        time.sleep(0.05)
    raise Trouble(f"the sweep has not ended after {SWEEP_S:g} s")


def _refused(stage: Stage, connection: Connection, claim: str) -> None:
    before = len(stage.placed())
    with stage.screen.working("a new order") as watch:
        answer = connection.ask("order.place", **_order(LATE, price=stage.waiting_price))
    stage.screen.claim(
        claim,
        _kind(answer) == "KILLED" and len(stage.placed()) == before,
        took=watch.seconds,
        found=_kind(answer),
    )


def _kind(answer: Json) -> str:
    """The error's kind; "" for a result."""
    return str(answer["error"]["data"]["kind"]) if "error" in answer else ""


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _told(record: Json) -> str:
    """A record's content in a few words."""
    match record["type"]:
        case "intent":
            order = record["order"]
            return f"{order['side']} {order['quantity']} {order['symbol']}, tag {record['tag']}"
        case "accepted":
            return f"the broker's yes: {record['broker_id']}"
        case "update":
            return f"the broker's row: {record['status']}"
        case "fill":
            return f"{record['fill']['quantity']} at {record['fill']['price']:.2f}"
        case other:
            return str(other)

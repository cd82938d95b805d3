"""What became of every order and change, once that is durable: counted for `/metrics`, and told in the log.

An order's lines carry its account, key, order_id and tag, and the broker's id as soon as it is known: so one word leads from a
bot's key to the broker's book, and back. What goes well is told at level debug alone: the journal has it, and a line costs ten
times what an order may. Replayed records are not told again.
"""

import logging
from collections import Counter
from typing import Any

import structlog

from ordod.core.orders.book import Book
from ordod.core.orders.records import (
    Accepted,
    Cancel,
    Doubt,
    Filled,
    Intent,
    Modify,
    Record,
    Rejected,
    Settled,
    Unsent,
    Update,
)
from ordod.core.orders.states import ChangeState, OrderState
from ordod.errors import OrdoError

__all__ = ["OUTCOMES", "Trail", "about"]

OUTCOMES: dict[type, str] = {
    Accepted: "accepted",
    Rejected: "rejected",
    Unsent: "unsent",
    Doubt: "in_doubt",
}
REFUSED_EVERY_S = 1.0  # a line of one account and kind: a bot that asks a hundred times a second must not fill the disk

log = structlog.get_logger()


class Trail:
    """Takes every durable record, after the book has.

    `orders`: (account, outcome) -> how many: OUTCOMES, and `refused` before anything was stored. `changes`: (account,
    operation, outcome). `settled`: (account, outcome) of orders whose doubt ended, and of those that lapsed.
    """

    def __init__(self, book: Book) -> None:
        self._book = book
        self.orders: Counter[tuple[str, str]] = Counter()
        self.changes: Counter[tuple[str, str, str]] = Counter()
        self.settled: Counter[tuple[str, str]] = Counter()
        self._refused: dict[
            tuple[str, str], tuple[float, int]
        ] = {}  # boot time of its last line, untold since
        self._tells_all = False
        self.look_at_level()

    def look_at_level(self) -> None:
        """The log's level was set: whether what goes well is told too. Asking it of every record would cost 3 us."""
        self._tells_all = log.bind().is_enabled_for(logging.DEBUG)

    def forget(self, account: str) -> None:
        """It is gone."""
        counters: tuple[Counter[Any], ...] = (self.orders, self.changes, self.settled)
        for counter in counters:
            for key in [key for key in counter if key[0] == account]:
                del counter[key]
        self._refused = {key: at for key, at in self._refused.items() if key[0] != account}

    def take(self, record: Record) -> None:
        outcome = OUTCOMES.get(type(record))
        if outcome is not None:
            self._ended(record, outcome)
        elif isinstance(record, Settled):
            self._settled(record)
        elif self._tells_all:
            self._moved(record)

    def refused(
        self, account: str, key: str, strategy: str | None, error: OrdoError, boot: float
    ) -> None:
        """An order that was turned away before its intent. `boot`: now."""
        self.orders[account, "refused"] += 1
        kind = error.kind.name
        told_at, untold = self._refused.get((account, kind), (-REFUSED_EVERY_S, 0))
        if boot - told_at < REFUSED_EVERY_S:
            self._refused[account, kind] = (told_at, untold + 1)
            return
        self._refused[account, kind] = (boot, 0)
        log.info(
            "order_refused",
            account=account,
            key=key,
            **({"strategy": strategy} if strategy else {}),
            kind=kind,
            why=error.message,
            untold=untold,
        )

    def _ended(self, record: Any, outcome: str) -> None:
        order = self._book.orders.get(record.id)
        if order is not None:
            self.orders[order.account, outcome] += 1
            if self._tells_all or outcome != "accepted":
                self._order_ended(record, about(order))
            return
        change = self._book.changes.get(record.id)
        if change is not None:
            self.changes[change.account, change.operation, outcome] += 1
            if self._tells_all or outcome != "accepted":
                self._change_ended(record, self._about_change(change))

    def _order_ended(self, record: Record, ids: dict[str, str]) -> None:
        match record:
            case Accepted():
                log.debug("order_accepted", **ids)
            case Rejected(kind=kind, message=why, code=code):
                log.info("order_rejected", **ids, kind=kind, why=why, broker_code=code)
            case Unsent(kind=kind, message=why):
                log.info("order_unsent", **ids, kind=kind, why=why)
            case Doubt(why=why):
                log.warning("order_in_doubt", **ids, why=why)
            case _:
                pass

    def _change_ended(self, record: Record, ids: dict[str, str]) -> None:
        match record:
            case Accepted():
                log.debug("change_accepted", **ids)
            case Rejected(kind=kind, message=why, code=code):
                log.info("change_rejected", **ids, kind=kind, why=why, broker_code=code)
            case Unsent(kind=kind, message=why):
                log.info("change_unsent", **ids, kind=kind, why=why)
            case Doubt(why=why):
                log.warning("change_in_doubt", **ids, why=why)
            case _:
                pass

    def _settled(self, record: Settled) -> None:
        told = {"outcome": record.outcome, "by": record.by, "why": record.reason}
        order = self._book.orders.get(record.id)
        if order is not None:
            self.settled[order.account, record.outcome] += 1
            log.info("order_settled", **about(order), **told)
        elif self._tells_all and (change := self._book.changes.get(record.id)) is not None:
            log.debug("change_settled", **self._about_change(change), **told)

    def _moved(self, record: Record) -> None:
        """What is told at level debug alone."""
        match record:
            case Intent(id=id_, order=terms, caller=caller) if terms is not None:
                log.debug("order_stored", **about(self._book.orders[id_]), caller=caller)
            case (
                Intent(id=id_, caller=caller)
                | Modify(id=id_, caller=caller)
                | Cancel(id=id_, caller=caller)
            ):
                ids = self._about_change(self._book.changes[id_])
                log.debug("change_stored", **ids, caller=caller)
            case Update(id=id_) | Filled(id=id_) if (
                order := self._book.orders.get(id_)
            ) is not None:
                told = {"status": order.status.value, "filled_quantity": order.filled_quantity}
                log.debug("order_updated", **about(order), **told)
            case _:
                pass

    def _about_change(self, change: ChangeState) -> dict[str, str]:
        order = self._book.orders.get(change.order_id or "")
        ids = about(order) if order is not None else {"account": change.account}
        if change.key is not None:
            ids |= {"change_key" if order is not None else "key": change.key}
        if change.broker_id:
            ids["broker_gtt_id"] = change.broker_id
        return ids | {"change_id": change.id, "operation": change.operation}


def about(order: OrderState) -> dict[str, str]:
    """What finds an order elsewhere, as far as it is known: in a bot's log, the journal, the broker's book."""
    ids = {
        "account": order.account,
        "key": order.key,
        "order_id": order.id,
        "tag": order.tag,
        "broker_order_id": order.broker_order_id,
        "strategy": order.strategy,
    }
    return {name: value for name, value in ids.items() if value is not None}

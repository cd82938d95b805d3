"""Rules that wait for a price (angelone.md 4.6)."""

from collections.abc import Callable
from typing import Any

from ordod.domain.gtt import NewGtt
from ordod.paper.exchange import Exchange as Paper
from ordod.paper.exchange import Refusal
from ordod.paper.orders import PaperGtt
from ordod.sim.angelone.asked import Asked
from ordod.sim.angelone.envelope import AngelError
from ordod.sim.angelone.forms import read_gtt, whole
from ordod.sim.angelone.market import Market
from ordod.sim.angelone.rows import gtt_row
from ordod.sim.desk import Desk

__all__ = ["Triggers"]


class Triggers:
    """Every user's rules, at the exchange's own."""

    def __init__(self, paper: Paper, market: Market, desk: Desk) -> None:
        self._paper = paper
        self._market = market
        self._desk = desk

    def details(self, a: Asked) -> dict[str, Any]:
        return self._rule_row(a, self._rule(a))

    def create(self, a: Asked) -> dict[str, int]:
        form = read_gtt(a.said)
        contract = self._market.find(form.exchange, form.symboltoken, form.tradingsymbol)
        gtt = NewGtt(symbol=contract.symbol, legs=(form.leg,))
        made = self._ruled("gtt_place", a, lambda: self._paper.place_gtt(a.user, gtt, a.now))
        return {"id": int(made)}

    def modify(self, a: Asked) -> dict[str, int]:
        old = self._rule(a)
        form = read_gtt(a.said, old.gtt.legs[0])
        gtt = NewGtt(symbol=old.gtt.symbol, legs=(form.leg,))
        self._ruled("gtt_modify", a, lambda: self._paper.modify_gtt(a.user, old.gtt_id, gtt, a.now))
        return {"id": int(old.gtt_id)}

    def cancel(self, a: Asked) -> dict[str, int]:
        rule = self._rule(a)
        contract = self._market.of(rule.gtt.symbol)
        if (a.said.get("exchange"), a.said.get("symboltoken")) != (
            contract.exchange,
            contract.token,
        ):
            raise AngelError("AB9004", "Invalid Symbol Token")
        self._ruled("gtt_delete", a, lambda: self._paper.cancel_gtt(a.user, rule.gtt_id, a.now))
        return {"id": int(rule.gtt_id)}

    def listed(self, a: Asked) -> list[dict[str, Any]] | None:
        wanted = a.said.get("status")
        page, count = whole(a.said, "page"), whole(a.said, "count")
        if not isinstance(wanted, list) or not wanted:
            raise AngelError("AB9015", "Invalid Status")
        rows = [self._rule_row(a, gtt) for gtt in self._paper.gtts(a.user)]
        rows = [row for row in rows if "FORALL" in wanted or row["status"] in wanted]
        return rows[(page - 1) * count : page * count] or None

    def _rule(self, a: Asked) -> PaperGtt:
        wanted = str(a.said.get("id", ""))
        for gtt in self._paper.gtts(a.user):
            if gtt.gtt_id == wanted:
                return gtt
        raise AngelError("AB9013", "Invalid Rule ID")

    def _rule_row(self, a: Asked, gtt: PaperGtt) -> dict[str, Any]:
        return gtt_row(gtt.row(), self._market.of(gtt.gtt.symbol), a.user)

    def _ruled(self, what: str, a: Asked, act: Callable[[], Any]) -> Any:
        try:
            made = act()
        except Refusal as refusal:
            self._desk.refused(what, a.user, a.now, refusal.message, a.said)
            raise AngelError("AB9001", f"Invalid Request: {refusal.message}") from None
        self._desk.did(what, a.user, a.now, a.said)
        return made

"""The rows of Noren's answers, field for field as its documents show them; what does not apply is absent (noren.md 4 to 6)."""

from decimal import Decimal
from typing import Any

from ordod.domain.gtt import BrokerGtt
from ordod.domain.orders import Fill, Status
from ordod.domain.portfolio import Funds, Holding, Position
from ordod.sim.clock import IST
from ordod.sim.noren.envelope import number, stamp
from ordod.sim.noren.forms import ABOVE, BELOW, BOTH, PRODUCTS, SIDES, TYPES
from ordod.sim.noren.market import Contract
from ordod.sim.orders import Booked

__all__ = ["gtt_row", "holding_row", "limits", "order_row", "position_row", "trade_row"]

STATUSES = {
    Status.PENDING: "PENDING",
    Status.OPEN: "OPEN",
    Status.PARTIALLY_FILLED: "OPEN",
    Status.TRIGGER_PENDING: "TRIGGER_PENDING",
    Status.FILLED: "COMPLETE",
    Status.CANCELLED: "CANCELED",
    Status.EXPIRED: "CANCELED",
    Status.REJECTED: "REJECTED",
}
PRODUCT_WORDS = {ours: word for word, ours in PRODUCTS.items()}
TYPE_WORDS = {ours: word for word, ours in TYPES.items()}
SIDE_WORDS = {ours: word for word, ours in SIDES.items()}
NOTHING = Decimal(0)


def order_row(booked: Booked, user: str, contract: Contract, *, amo: bool) -> dict[str, Any]:
    row = booked.row
    told = {
        "stat": "Ok",
        "norenordno": booked.order_id,
        "uid": user,
        "actid": user,
        **contract.names,
        "qty": str(row.quantity),
        "prc": number(row.price),
        "prd": PRODUCT_WORDS[booked.terms.product],
        "trantype": SIDE_WORDS[row.side],
        "prctyp": TYPE_WORDS[row.type],
        "ret": str(row.validity),
        "status": STATUSES[row.status],
        "norentm": stamp(booked.placed_at),
        "exch_tm": f"{booked.placed_at.astimezone(IST):%d-%m-%Y %H:%M:%S}",
        "ordersource": "API",
    }
    optional = {
        "fillshares": str(row.filled_quantity) if row.filled_quantity else "",
        "avgprc": number(row.average_price) if row.filled_quantity else "",
        "trgprc": number(row.trigger_price) if row.trigger_price else "",
        "dscqty": str(row.disclosed_quantity) if row.disclosed_quantity else "",
        "rejreason": row.status_message or "",
        "exchordid": row.exchange_order_id or "",
        "remarks": booked.shown_tag,
        "amo": "Yes" if amo else "",
    }
    return told | {name: value for name, value in optional.items() if value}


def trade_row(fill: Fill, booked: Booked, user: str, contract: Contract) -> dict[str, Any]:
    return {
        "stat": "Ok",
        "norenordno": booked.order_id,
        "uid": user,
        "actid": user,
        **contract.names,
        "qty": str(booked.terms.quantity),
        "prctyp": TYPE_WORDS[booked.terms.type],
        "ret": "DAY",
        "prd": PRODUCT_WORDS[booked.terms.product],
        "trantype": SIDE_WORDS[fill.side],
        "flid": fill.trade_id,
        "flqty": str(fill.quantity),
        "flprc": number(fill.price),
        "fltm": f"{fill.at.astimezone(IST):%d-%m-%Y %H:%M:%S}",
        "exchordid": fill.exchange_order_id or "",
        "remarks": booked.shown_tag,
    }


def gtt_row(gtt: BrokerGtt, user: str, contract: Contract, last: Decimal) -> dict[str, Any]:
    legs = [
        {
            "trantype": SIDE_WORDS[leg.side],
            "prctyp": TYPE_WORDS[leg.type],
            "prd": PRODUCT_WORDS[leg.product],
            "ret": "DAY",
            "actid": user,
            "qty": str(leg.quantity),
            "prc": number(leg.price),
        }
        for leg in gtt.legs
    ]
    triggers = [number(leg.trigger_price) for leg in gtt.legs]
    head = {"stat": "Ok", "al_id": gtt.broker_gtt_id, **contract.names, "validity": "GTT"}
    if len(legs) == 1:
        kind = ABOVE if gtt.legs[0].trigger_price > last else BELOW
        return {**head, **legs[0], "ai_t": kind, "d": triggers[0]}
    return {
        **head,
        "ai_t": BOTH,
        "oivariable": [
            {"d": trigger, "var_name": name} for trigger, name in zip(triggers, "xy", strict=True)
        ],
        "place_order_params": legs[0],
        "place_order_params_leg2": legs[1],
    }


def position_row(position: Position, contract: Contract, last: Decimal) -> dict[str, Any]:
    cost, night = position.average_price or NOTHING, position.overnight_quantity
    bought, sold = position.buy_value or NOTHING, position.sell_value or NOTHING
    unrealised = (last - cost) * position.quantity
    carried = cost * night
    realised = sold - bought - carried + position.quantity * last - unrealised
    return {
        "stat": "Ok",
        **contract.names,
        "prd": PRODUCT_WORDS[position.product] if position.product else "",
        "netqty": str(position.quantity),
        "netavgprc": number(cost),
        "daybuyqty": str(position.buy_quantity),
        "daysellqty": str(position.sell_quantity),
        "daybuyamt": number(bought),
        "daysellamt": number(sold),
        "cfbuyqty": str(max(night, 0)),
        "cfsellqty": str(max(-night, 0)),
        "lp": number(last),
        "rpnl": number(realised),
        "urmtom": number(unrealised),
        "mult": "1",
        "prcftr": "1.000000",
    }


def holding_row(holding: Holding, contract: Contract) -> dict[str, Any]:
    settled = holding.quantity - holding.t1_quantity
    told = {
        "stat": "Ok",
        "exch_tsym": [contract.names],
        "holdqty": str(settled),
        "btstqty": str(holding.t1_quantity),
        "upldprc": number(holding.average_price),
    }
    return {name: value for name, value in told.items() if value != "0"}


def limits(funds: Funds) -> dict[str, str]:
    return {"cash": number(funds.cash), "payin": "0.00", "marginused": number(funds.used)}

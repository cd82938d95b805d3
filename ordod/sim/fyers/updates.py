"""Rows of the books as the order socket tells them: other names, and some fields more (fyers.md 9.2)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ordod.sim.clock import IST

__all__ = ["pushed_order", "pushed_position", "pushed_trade"]

ORDER = {  # name on the socket -> in the book
    "client_id": "clientId",
    "id": "id",
    "id_parent": "parentId",
    "id_exchange": "exchOrdId",
    "qty": "qty",
    "qty_remaining": "remainingQuantity",
    "qty_filled": "filledQty",
    "price_limit": "limitPrice",
    "price_stop": "stopPrice",
    "price_traded": "tradedPrice",
    "ord_type": "type",
    "fy_token": "fyToken",
    "exchange": "exchange",
    "segment": "segment",
    "symbol": "symbol",
    "symbol_exch": "ex_sym",
    "instrument": "instrument",
    "oms_msg": "message",
    "offline_flag": "offlineOrder",
    "time_oms": "orderDateTime",
    "validity": "orderValidity",
    "product_type": "productType",
    "tran_side": "side",
    "org_ord_status": "status",
    "ord_source": "source",
    "ordertag": "orderTag",
    "take_profit": "takeProfit",
    "stop_loss": "stopLoss",
}
TRADE = {
    "id_fill": "tradeNumber",
    "id": "orderNumber",
    "qty_traded": "tradedQty",
    "price_traded": "tradePrice",
    "traded_val": "tradeValue",
    "product_type": "productType",
    "client_id": "clientId",
    "id_exchange": "exchangeOrderNo",
    "ord_type": "orderType",
    "tran_side": "side",
    "symbol": "symbol",
    "fill_time": "orderDateTime",
    "fy_token": "fyToken",
    "exchange": "exchange",
    "segment": "segment",
    "ordertag": "orderTag",
}
POSITION = {  # without what moves with every price, which is no update
    "symbol": "symbol",
    "id": "id",
    "buy_avg": "buyAvg",
    "buy_qty": "buyQty",
    "buy_val": "buyVal",
    "sell_avg": "sellAvg",
    "sell_qty": "sellQty",
    "sell_val": "sellVal",
    "net_avg": "netAvg",
    "net_qty": "netQty",
    "tran_side": "side",
    "qty": "qty",
    "product_type": "productType",
    "fy_token": "fyToken",
    "exchange": "exchange",
    "segment": "segment",
    "day_buy_qty": "dayBuyQty",
    "day_sell_qty": "daySellQty",
    "cf_buy_qty": "cfBuyQty",
    "cf_sell_qty": "cfSellQty",
    "qty_multiplier": "qtyMulti_com",
    "cross_curr_flag": "crossCurrency",
}
FINER = {6: (20, "New Ack")}  # of `ord_status`; 90 was seen too
OTHER = (90, "")


def pushed_order(row: Mapping[str, Any]) -> dict[str, Any]:
    """`org_ord_status` is the book's status; `ord_status` a finer one."""
    told = {name: row[theirs] for name, theirs in ORDER.items()}
    finer, words = FINER.get(row["status"], OTHER)
    at = datetime.strptime(row["orderDateTime"], "%d-%b-%Y %H:%M:%S").replace(tzinfo=IST)
    return told | {"ord_status": finer, "status_msg": words, "time_epoch_oms": int(at.timestamp())}


def pushed_trade(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[theirs] for name, theirs in TRADE.items()}


def pushed_position(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[theirs] for name, theirs in POSITION.items()}

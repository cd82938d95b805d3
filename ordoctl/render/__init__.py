"""Answers as a person wants to read them: tables, IST, rupees grouped as in India.

What comes from outside is put in as plain text, never as markup, and without control characters.
"""

from ordoctl.render.daemon import (
    exported,
    journal,
    killed,
    login,
    released,
    secrets,
    status,
    tokens,
    tried,
)
from ordoctl.render.grid import console
from ordoctl.render.market import candles, depth, holidays, instruments, markets, quotes, tick
from ordoctl.render.options import chain
from ordoctl.render.orders import (
    cancelled,
    change,
    event,
    gtt_change,
    gtts,
    history,
    order,
    orders,
    trades,
)
from ordoctl.render.plot import Plot
from ordoctl.render.portfolio import funds, holdings, positions
from ordoctl.render.words import rupees, when

__all__ = [
    "Plot",
    "cancelled",
    "candles",
    "chain",
    "change",
    "console",
    "depth",
    "event",
    "exported",
    "funds",
    "gtt_change",
    "gtts",
    "history",
    "holdings",
    "holidays",
    "instruments",
    "journal",
    "killed",
    "login",
    "markets",
    "order",
    "orders",
    "positions",
    "quotes",
    "released",
    "rupees",
    "secrets",
    "status",
    "tick",
    "tokens",
    "trades",
    "tried",
    "when",
]

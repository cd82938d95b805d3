"""Who runs XTS: what differs between its brokers, and nothing else. `xts.md N` is section N of Ordo's fact sheet on XTS.

All hosts but Symphony's own come from one independent client (xts.md 14).
"""

from collections.abc import Mapping
from enum import Enum

from msgspec import Struct, field

from ordod.adapter import Exchange

__all__ = [
    "COMPOSITEDGE",
    "FIVEPAISA",
    "IBULLS",
    "IIFL",
    "JAINAM",
    "RMONEY",
    "WISDOM",
    "Member",
    "Page",
]

EQUITY = (Exchange.NSE, Exchange.BSE, Exchange.NFO, Exchange.BFO)


class Page(Enum):
    """What the login page of a broker gives, where it has one (xts.md 2b)."""

    ACCESS_TOKEN = "accessToken"  # noqa: S105 - a name; it opens a session together with the keys
    SESSION = "token"  # the session itself


class Member(Struct, frozen=True, kw_only=True):
    """One broker (xts.md 0).

    Args:
        root: before `/interactive`. `market`: the path of its market-data API.
        page: None: the keys alone open a session.
        session_body: what its `/user/session` is sent beside the keys.
    """

    id: str
    name: str
    root: str
    market: str = "/apimarketdata"
    exchanges: tuple[Exchange, ...] = EQUITY
    page: Page | None = None
    session_body: Mapping[str, str] = field(default_factory=lambda: {"source": "WEBAPI"})


IIFL = Member(
    id="iifl",
    name="IIFL (Blaze)",
    root="https://ttblaze.iifl.com",
    exchanges=(*EQUITY, Exchange.CDS, Exchange.MCX),
)
FIVEPAISA = Member(id="fivepaisaxts", name="5paisa (XTS)", root="https://xtsmum.5paisa.com")
JAINAM = Member(
    id="jainamxts",
    name="Jainam (XTS)",
    root="https://jtrade.jainam.in:5000",
    market="/apibinarymarketdata",
    session_body={"accessToken": "none"},  # wanted, and not looked at
)
COMPOSITEDGE = Member(
    id="compositedge",
    name="Compositedge",
    root="https://xts.compositedge.com",
    exchanges=(*EQUITY, Exchange.CDS, Exchange.MCX),
    page=Page.ACCESS_TOKEN,
    session_body={},
)
IBULLS = Member(
    id="ibulls",
    name="Indiabulls",
    root="https://xts.ibullssecurities.com",
    market="/apibinarymarketdata",
    exchanges=(*EQUITY, Exchange.MCX),
)
WISDOM = Member(
    id="wisdom",
    name="Wisdom Capital",
    root="https://trade.wisdomcapital.in",
    exchanges=(*EQUITY, Exchange.CDS, Exchange.MCX),
)
RMONEY = Member(
    id="rmoney",
    name="RMoney",
    root="https://xts.rmoneyindia.co.in:3000",
    market="/apibinarymarketdata",
    page=Page.SESSION,
)

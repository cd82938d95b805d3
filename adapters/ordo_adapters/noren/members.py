"""The brokers that run Noren, and what differs between them (noren.md 0, 8, 10). Everything else stands once in this package."""

from datetime import time
from decimal import Decimal
from urllib.parse import urlsplit

from msgspec import Struct

from ordo_adapters.noren.tables import CANDLE_SPANS
from ordod.adapter import BASE32, BrokerSpec, Tag, Window

__all__ = ["FLATTRADE", "SHOONYA", "TRADESMART", "ZEBU", "Member"]

ZIPS = tuple(
    f"/{name}_symbols.txt.zip" for name in ("NSE", "BSE", "NFO", "BFO", "CDS", "MCX")
)  # noren.md 8


class Member(Struct, frozen=True, kw_only=True):
    """One broker of the family.

    Args:
        login_page: what a person opens, but for the key; the code comes back as `code_names` say.
        token_service: flattrade's, which takes JSON and orders the checksum otherwise; "": `GenAcsTok` (2b).
        is_keyed: the token goes in the body as `jKey`, not in a header.
        cash_tick_unit: rupees of one in the tick sizes of NSE's and BSE's files; None: the files have no tick sizes.
    """

    id: str
    name: str
    rest: str
    login_page: str
    windows: tuple[Window, ...]
    token_service: str = ""
    is_keyed: bool = False
    content_type: str = "text/plain"
    files: str = ""
    masters: tuple[str, ...] = ZIPS
    cash_tick_unit: Decimal | None = Decimal(1)

    @property
    def spec(self) -> BrokerSpec:
        parts = urlsplit(self.rest)
        hosts = {"rest": self.rest, "files": self.files or f"{parts.scheme}://{parts.netloc}"}
        if self.token_service:
            hosts["auth"] = self.token_service
        return BrokerSpec(
            id=self.id,
            name=self.name,
            hosts=hosts,
            tag=Tag(length=20, alphabet=BASE32),  # noren.md 4: no limit is documented; at most 20
            book_day=time(
                0, 0
            ),  # no source tells when the book is emptied; midnight is the earliest
            session_ends=time(6, 0),  # noren.md 2d: cleared by then, log in after
            windows=self.windows,
            candle_spans=CANDLE_SPANS,
            credentials={"": ("user_id", "api_key", "api_secret")},
            logins={"": "the broker's login page in a browser; the address it ends on is pasted"},
        )


SHOONYA = Member(
    id="shoonya",
    name="Shoonya",
    rest="https://api.shoonya.com/NorenWClientAPI",
    login_page="https://trade.shoonya.com/OAuthlogin/authorize/oauth?client_id=",
    windows=(Window("", count=9, seconds=1), Window("", count=190, seconds=60)),
    cash_tick_unit=Decimal("0.01"),
)

FLATTRADE = Member(
    id="flattrade",
    name="Flattrade",
    rest="https://piconnect.flattrade.in/PiConnectAPI",
    login_page="https://auth.flattrade.in/?app_key=",
    token_service="https://authapi.flattrade.in/trade",  # noqa: S106 - an address
    is_keyed=True,
    content_type="application/x-www-form-urlencoded",
    windows=(
        Window("orders", count=9, seconds=1),
        Window("orders", count=38, seconds=60),
        Window("", count=38, seconds=1),
        Window("", count=190, seconds=60),
    ),
    files="https://flattrade.s3.ap-south-1.amazonaws.com/scripmaster",
    masters=(
        "/NSE_Equity.csv",
        "/Nfo_Equity_Derivatives.csv",
        "/Nfo_Index_Derivatives.csv",
        "/Currency_Derivatives.csv",
        "/Commodity.csv",
        "/BSE_Equity.csv",
        "/Bfo_Index_Derivatives.csv",
        "/Bfo_Equity_Derivatives.csv",
    ),
    cash_tick_unit=None,
)

ZEBU = Member(
    id="zebu",
    name="Zebu (MYNT)",
    rest="https://go.mynt.in/NorenWClientAPI",
    login_page="https://go.mynt.in/OAuthlogin/authorize/oauth?client_id=",
    windows=(Window("", count=9, seconds=1), Window("", count=190, seconds=60)),  # unknown: planned
)

TRADESMART = Member(
    id="tradesmart",
    name="TradeSmart",
    rest="https://v2api.tradesmartonline.in/NorenWClientAPIv2",
    login_page="https://v2api.tradesmartonline.in/OAuthlogin/authorize/oauth?client_id=",
    windows=(Window("", count=9, seconds=1), Window("", count=110, seconds=60)),
    cash_tick_unit=Decimal("0.01"),
)

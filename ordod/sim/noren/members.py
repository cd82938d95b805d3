"""What differs between the simulated members (noren.md 0, 2, 8, 10)."""

from collections.abc import Mapping

from msgspec import Struct, field

__all__ = ["MEMBERS", "Profile"]

ZIPS: dict[str, tuple[str, ...]] = {
    "/NSE_symbols.txt.zip": ("NSE",),
    "/BSE_symbols.txt.zip": ("BSE",),
    "/NFO_symbols.txt.zip": ("NFO",),
    "/BFO_symbols.txt.zip": ("BFO",),
    "/CDS_symbols.txt.zip": ("CDS",),
    "/MCX_symbols.txt.zip": ("MCX",),
}
CSVS: dict[str, tuple[str, ...]] = {
    "/NSE_Equity.csv": ("NSE",),
    "/BSE_Equity.csv": ("BSE",),
    "/Nfo_Equity_Derivatives.csv": ("NFO", "STK"),
    "/Nfo_Index_Derivatives.csv": ("NFO", "IDX"),
    "/Bfo_Equity_Derivatives.csv": ("BFO", "STK"),
    "/Bfo_Index_Derivatives.csv": ("BFO", "IDX"),
    "/Currency_Derivatives.csv": ("CDS",),
    "/Commodity.csv": ("MCX",),
}


class Profile(Struct, frozen=True, kw_only=True):
    """`files`: path -> exchange, and part of the instruments' kind. `paise`: cash ticks are written so. `per_minute`: requests, or orders."""

    broker: str
    is_keyed: bool = False
    has_gtt: bool = True
    paise: bool = False
    files: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: ZIPS)
    per_second: int = 10
    per_minute: int = 200
    counts_orders: bool = False


MEMBERS = {
    "shoonya": Profile(broker="FINVASIA", paise=True),
    "flattrade": Profile(
        broker="FTC", is_keyed=True, files=CSVS, per_minute=40, counts_orders=True
    ),
    "zebu": Profile(broker="ZEBU"),
    "tradesmart": Profile(broker="VNS", paise=True, has_gtt=False, per_minute=120),
}

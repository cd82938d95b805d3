"""Options for the simulated brokers: the paper exchange lists none of its own."""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal

from ordod.domain.instruments import Exchange, Instrument, InstrumentKind
from ordod.paper.market import Listing

__all__ = ["nifty_options"]

OPTION_TICK = Decimal("0.05")


def nifty_options(listed: Sequence[Listing]) -> Iterator[Listing]:
    """A handful of NIFTY options around the money for the near expiry: the exchange lists none of its own."""
    nifty = [one for one in listed if one.instrument.name == "NIFTY" and one.instrument.expiry]
    future = min(nifty, key=lambda one: one.instrument.expiry or date.max)
    expiry, lot = future.instrument.expiry, future.instrument.lot_size
    assert expiry is not None
    assert lot is not None
    for step in range(-2, 3):
        strike = (future.last_price // 100 + step) * 100
        for kind in (InstrumentKind.CALL, InstrumentKind.PUT):
            symbol = f"NIFTY{expiry:%d%b%y}{strike:f}{kind}".upper()
            inner = (
                future.last_price - strike
                if kind is InstrumentKind.CALL
                else strike - future.last_price
            )
            yield Listing(
                instrument=Instrument(
                    exchange=Exchange.NFO,
                    symbol=f"NFO:{symbol}",
                    broker_symbol=symbol,
                    instrument_token=str(40_000 + 2 * (step + 2) + (kind is InstrumentKind.PUT)),
                    kind=kind,
                    tick_size=OPTION_TICK,
                    lot_size=lot,
                    name="NIFTY",
                    expiry=expiry,
                    strike=strike,
                    freeze_quantity=future.instrument.freeze_quantity,
                ),
                last_price=(max(inner, Decimal(0)) + 150) // OPTION_TICK * OPTION_TICK,
                volatility=0.05,
                band=Decimal("0.5"),
                depth_quantity=lot * 20,
                day_volume=lot * 50_000,
            )

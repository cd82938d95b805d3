"""From an underlying to its contracts: `NSE_INDEX:NIFTY`, `NSE:INFY`, or `NFO:NIFTY`, `MCX:GOLDM` where there is no spot."""

from datetime import date

from ordod.core.account import Account
from ordod.domain.instruments import Exchange, Instrument, InstrumentKind
from ordod.errors import Kind, OrdoError

__all__ = ["contracts_of", "known_expiries", "name_in", "spot_of"]

CONTRACTS = {
    Exchange.NSE: Exchange.NFO,
    Exchange.NSE_INDEX: Exchange.NFO,
    Exchange.BSE: Exchange.BFO,
    Exchange.BSE_INDEX: Exchange.BFO,
}
SPOTS = {
    Exchange.NFO: (Exchange.NSE_INDEX, Exchange.NSE),
    Exchange.BFO: (Exchange.BSE_INDEX, Exchange.BSE),
}


def contracts_of(symbol: str) -> tuple[Exchange, str]:
    """Where contracts on this underlying trade, and its name in theirs.

    Raises:
        OrdoError: INVALID_PARAMS.
    """
    place, _, name = symbol.upper().partition(":")
    if place not in Exchange.__members__ or not name:
        raise OrdoError(
            Kind.INVALID_PARAMS,
            f"{symbol!r} is no underlying; say NSE_INDEX:NIFTY, NSE:INFY or MCX:GOLDM",
            field="symbol",
            value=symbol,
        )
    exchange = Exchange(place)
    return CONTRACTS.get(exchange, exchange), name


def known_expiries(account: Account, symbol: str) -> list[tuple[date, InstrumentKind]]:
    """Each expiry of each kind, the nearest first.

    Raises:
        OrdoError: SESSION_REQUIRED (no master yet), UNKNOWN_INSTRUMENT (nothing on this underlying).
    """
    exchange, name = contracts_of(symbol)
    if account.master.loaded_on is None:
        raise OrdoError(
            Kind.SESSION_REQUIRED,
            f"the instruments of {account.spec.name} are not loaded yet; ask again in a moment",
            account=account.name,
        )
    found = account.master.expiries(exchange, name)
    if not found:
        raise OrdoError(
            Kind.UNKNOWN_INSTRUMENT,
            f"{account.spec.name} has no futures or options on {symbol!r} at {exchange}",
            field="symbol",
            value=symbol,
        )
    return found


def name_in(contract: Instrument) -> str:
    """The underlying's name, as the symbol of its contract begins."""
    assert contract.expiry is not None
    body = contract.symbol.partition(":")[2]
    return body.rpartition(f"{contract.expiry:%d%b%y}".upper())[0]


def spot_of(account: Account, exchange: Exchange, name: str) -> Instrument | None:
    """The index or share itself; None where there is none, as for commodities."""
    found = (account.master.find(f"{place}:{name}") for place in SPOTS.get(exchange, ()))
    return next((one for one in found if one is not None and one.expiry is None), None)

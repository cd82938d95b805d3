"""The client of ordod: Python API and command line.

    with ordoctl.Client() as client:
        order = client.order.place("main", "NSE:INFY", "BUY", 10, "LIMIT", "CNC", price="1450.05")

`Client` blocks, `AsyncClient` is awaited; both have the same methods, and every method of the wire is one of theirs.
"""

from typing import TYPE_CHECKING, Any

from ordoctl.errors import CallError, NoDaemon, NotAllowed, Refused, TryAgain

if TYPE_CHECKING:
    from ordoctl.async_client import AsyncClient
    from ordoctl.client import Client

__all__ = [
    "AsyncClient",
    "CallError",
    "Client",
    "NoDaemon",
    "NotAllowed",
    "Refused",
    "TryAgain",
]


def __getattr__(name: str) -> Any:
    # The command line needs neither, and anyio alone would double its time to start.
    if name == "Client":
        from ordoctl.client import Client

        return Client
    if name == "AsyncClient":
        from ordoctl.async_client import AsyncClient

        return AsyncClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

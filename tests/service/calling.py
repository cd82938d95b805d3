"""Methods called as the wire calls them: JSON in, JSON out, without the wire."""

import json
from collections.abc import Callable
from typing import Any

import anyio
import orjson
import pytest

from ordod.core.parts import Parts
from ordod.errors import OrdoError
from ordod.service.encoding import plain
from ordod.service.methods import Call, Caller, Role
from ordod.service.params import read
from ordod.service.table import table
from tests.core.world import World


class Connection:
    """Fulfils `Outbox`; what was pushed, as JSON."""

    def __init__(self) -> None:
        self.pushed: list[dict[str, Any]] = []
        self._closes: list[Callable[[], None]] = []
        self._frees: list[Callable[[], None]] = []
        self.is_stuck = False

    def push(self, message: bytes) -> bool:
        self.pushed.append(json.loads(message)["params"])
        return True

    @property
    def is_free(self) -> bool:
        return not self.is_stuck

    def on_free(self, react: Callable[[], None]) -> None:
        self._frees.append(react)

    def free(self) -> None:
        """It reads again."""
        self.is_stuck = False
        frees, self._frees = self._frees, []
        for react in frees:
            react()

    async def until_free(self) -> bool:
        if self.is_stuck:
            freed = anyio.Event()
            self._frees.append(freed.set)
            await freed.wait()
        return True

    def on_close(self, react: Callable[[], None]) -> None:
        self._closes.append(react)

    def close(self) -> None:
        for react in self._closes:
            react()


class Client:
    """Calls the methods of a daemon by name."""

    def __init__(self, parts: Parts, outbox: Connection | None = None) -> None:
        self._methods = {method.name: method for method in table(parts)}
        self._outbox = outbox
        self.caller = Caller("uid:1000 (asha)", Role.ADMIN)

    async def __call__(self, method: str, **params: Any) -> Any:
        row = self._methods[method]
        result = await row.run(Call(self.caller, self._outbox), read(row.params, params))
        is_json = isinstance(result, bytes)
        return json.loads(result if is_json else orjson.dumps(result, default=plain))

    async def refused(self, method: str, **params: Any) -> OrdoError:
        with pytest.raises(OrdoError) as raised:
            await self(method, **params)
        orjson.dumps(raised.value.as_data(), default=plain)
        return raised.value


def client(world: World, outbox: Connection | None = None) -> Client:
    return Client(world.parts, outbox)


PLACE = {
    "account": "paper",
    "symbol": "NSE:INFY",
    "side": "BUY",
    "quantity": 10,
    "type": "LIMIT",
    "product": "CNC",
    "price": "1200",
}

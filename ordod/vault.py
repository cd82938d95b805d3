"""Sessions in the encrypted store, so that a restart needs no login. Whatever goes wrong with it costs a login, nothing more."""

import logging

import anyio.to_thread
import structlog

from ordod.store import NoKey, Store, StoreError

__all__ = ["StoreVault"]

SESSION = "session/"

log = structlog.get_logger("vault")


class StoreVault:
    """Fulfils `Vault`. The store locks, syncs and computes: in a worker, never in the loop."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, account: str) -> bytes | None:
        try:
            return await anyio.to_thread.run_sync(self._store.get, SESSION + account)
        except StoreError as error:
            log.log(_level(error), "session_not_found", account=account, why=str(error))
            return None

    async def keep(self, account: str, content: bytes | None) -> None:
        try:
            if content is None:
                await anyio.to_thread.run_sync(self._store.remove, SESSION + account)
            else:
                await anyio.to_thread.run_sync(self._store.put, SESSION + account, content)
        except (StoreError, ValueError) as error:
            log.log(_level(error), "session_not_kept", account=account, why=str(error))


def _level(error: Exception) -> int:
    """Without a key nothing was promised; anything else a person should know."""
    return logging.DEBUG if isinstance(error, NoKey) else logging.WARNING

"""Banyan as it was written for a contract that is no more."""

from typing import ClassVar

from . import Banyan

__all__ = ["OLD_BANYAN"]


class OldBanyan(Banyan):
    contract: ClassVar[int] = 0


OLD_BANYAN = OldBanyan()

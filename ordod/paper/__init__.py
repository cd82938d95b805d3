"""An exchange in memory, and the adapter that talks to it."""

from ordod.paper.adapter import PAPER

__all__ = ["PAPER"]

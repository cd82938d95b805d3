"""The daemons of the promises, on state directories that an earlier version left."""

from tests.promises.conftest import folder, make

__all__ = ["folder", "make"]

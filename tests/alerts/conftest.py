"""Real daemons, with the fixtures of the promises."""

from tests.promises.conftest import folder, make

__all__ = ["folder", "make"]

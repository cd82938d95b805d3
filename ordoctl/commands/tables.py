"""The tables of `render`, imported when the first is made: rich costs a program that wants JSON 30 ms for nothing."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ordoctl.render import *  # noqa: F403 - this module is that one, later
else:

    def __getattr__(name: str) -> Any:
        from ordoctl import render

        return getattr(render, name)

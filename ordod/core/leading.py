"""A line that can be led elsewhere while requests are under way, so that a new address costs no order its answer."""

from ordod.adapter import HttpRequest, HttpResponse
from ordod.core.ports import Admit, Line

__all__ = ["LedLine"]


class LedLine(Line):
    """What is under way ends where it began; what comes later goes over the newest line."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._under_way: dict[Line, int] = {}

    async def lead(self, line: Line) -> None:
        """From now on over this one. The one before is closed when the last answer over it is in."""
        before, self._line = self._line, line
        if before not in self._under_way:
            await before.aclose()

    async def send(
        self, request: HttpRequest, *, deadline: float, admit: Admit | None = None
    ) -> HttpResponse:
        line = self._line
        self._under_way[line] = self._under_way.get(line, 0) + 1
        try:
            return await line.send(request, deadline=deadline, admit=admit)
        finally:
            self._under_way[line] -= 1
            if not self._under_way[line]:
                del self._under_way[line]
                if line is not self._line:
                    await line.aclose()

    async def warm(self) -> None:
        await self._line.warm()

    def reset_writes(self) -> int:
        return sum(line.reset_writes() for line in {self._line, *self._under_way})

    async def aclose(self) -> None:
        for line in {self._line, *self._under_way}:
            await line.aclose()

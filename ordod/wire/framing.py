"""Bytes to lines, wherever the bytes were cut."""

__all__ = ["LINE_BYTES_MAX", "TOO_LONG", "Lines"]

LINE_BYTES_MAX = 1 << 20  # WIRE 1
TOO_LONG = None
"""What stands in the place of a line beyond the bound; the line itself is thrown away as it comes."""


class Lines:
    """The lines of one stream, without their ends; blank ones are left out.

    At most one line is kept, and each byte is looked at once: a megabyte that comes byte by byte costs a megabyte.
    """

    def __init__(self) -> None:
        self._begun = bytearray()
        self._is_too_long = False

    @property
    def begun(self) -> int:
        """Bytes of the line that is not at its end yet."""
        return len(self._begun)

    def feed(self, data: bytes) -> list[bytes | None]:
        """The lines that `data` completes, in order; `TOO_LONG` for one beyond the bound."""
        first, *others = data.split(b"\n")
        if not others:
            self._grow(first)
            return []
        self._grow(first)
        found = self.end()
        for each in others[:-1]:
            found += _line(each) if len(each) <= LINE_BYTES_MAX else [TOO_LONG]
        self._grow(others[-1])
        return found

    def end(self) -> list[bytes | None]:
        """The line that has begun and will not go on: none, or one."""
        begun: list[bytes | None] = [TOO_LONG] if self._is_too_long else _line(bytes(self._begun))
        self._begun.clear()
        self._is_too_long = False
        return begun

    def _grow(self, data: bytes) -> None:
        if self._is_too_long or len(self._begun) + len(data) > LINE_BYTES_MAX:
            self._is_too_long = True
            self._begun.clear()
        else:
            self._begun += data


def _line(raw: bytes) -> list[bytes | None]:
    line = raw.removesuffix(b"\r")
    return [line] if line and not line.isspace() else []

"""One question at a time: an option answers it, else a person does, else there is a default, else it is said which option is missing."""

import sys
from collections.abc import Callable, Sequence
from getpass import getpass
from typing import TypeVar

from ordoctl.commands.terminal import Misuse
from ordoctl.folding import folded

__all__ = ["SECRET_BYTES_MAX", "Asker", "Stop"]

T = TypeVar("T")

SECRET_BYTES_MAX = 64 * 1024  # what the store takes
ANSWERS_MAX = (
    20  # wrong ones to one question; a program at the other end does not go round for ever
)


class Stop(Exception):  # noqa: N818 - a person's decision, or what makes going on senseless
    """Set-up ends here; the message says how things stand."""


class Asker:
    """Where answers come from.

    Args:
        say: how to talk to the person.
        asks: whether there is one; with `--yes` or without a terminal nobody is asked.
    """

    def __init__(self, say: Callable[[str], None], *, asks: bool) -> None:
        self._say = say
        self.asks = asks

    def text(
        self,
        question: str,
        option: str,
        given: str | None,
        *,
        default: str | None = None,
        check: Callable[[str], T],
    ) -> T:
        """An answer, as `check` makes it of the text; its ValueError says what is wrong.

        Raises:
            Misuse: an option's value is wrong, or nobody is there to ask.
            Stop: no more is to be read.
        """
        if given is None and not self.asks:
            given = default
            if given is None:
                raise Misuse(f"say it with {option} ({question})")
        if given is not None:
            try:
                return check(given)
            except ValueError as why:
                raise Misuse(f"{option} {given}: {why}") from None
        shown = f" [{default}]" if default else ""
        for _ in range(ANSWERS_MAX):
            answer = self._line(f"{question}{shown}: ") or default or ""
            try:
                return check(answer)
            except ValueError as why:
                self._say(f"  {why}")
        raise Stop("too many answers that could not be used; nothing was changed")

    def one_of(
        self,
        question: str,
        option: str,
        given: str | None,
        *,
        choices: Sequence[tuple[str, str]],
        default: str,
    ) -> str:
        """One of (word, what it is), by its number or by itself."""
        words = [word for word, _ in choices]
        if given is None and self.asks:
            width = max(len(word) for word in words)
            for number, (word, about) in enumerate(choices, 1):
                line = f"  {number:>2}  {word:<{width}}  {about}".rstrip()
                print(folded(line, hanging=width + 8), file=sys.stderr)

        def chosen(answer: str) -> str:
            if answer in words:
                return answer
            if answer.isascii() and answer.isdigit() and 0 < int(answer) <= len(words):
                return words[int(answer) - 1]
            from difflib import get_close_matches

            near = get_close_matches(answer.lower(), words, 1)
            raise ValueError(
                f'there is no "{answer}"'
                + (f'; did you mean "{near[0]}"?' if near else f": {', '.join(words)}")
            )

        return self.text(question, option, given, default=default, check=chosen)

    def secret(self, question: str, *, needed: bool) -> str | None:
        """What is typed without being shown; None: nothing was, where nothing is needed."""
        for _ in range(ANSWERS_MAX):
            try:
                value = getpass(folded(f"{question}:") + " ", sys.stderr).strip()
            except EOFError:
                raise Stop("the answers ended; nothing was changed") from None
            except UnicodeDecodeError:
                self._say("  that is not UTF-8 text")
                continue
            if len(value.encode(errors="replace")) > SECRET_BYTES_MAX:
                self._say(f"  longer than {SECRET_BYTES_MAX} bytes")
            elif value:
                return value
            elif not needed:
                return None
            else:
                self._say("  this login cannot do without it; Ctrl-C ends here, nothing is changed")
        raise Stop("too many answers that could not be used; nothing was changed")

    def agreed(self, question: str) -> bool:
        """Yes unless no is said; without a person it was said by `--yes`."""
        if not self.asks:
            return True
        for _ in range(ANSWERS_MAX):
            answer = self._line(f"{question} [Y/n]: ").lower()
            if answer in ("", "y", "yes"):
                return True
            if answer in ("n", "no"):
                return False
        return False

    def _line(self, prompt: str) -> str:
        print(folded(prompt.rstrip()), end=" ", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            print(file=sys.stderr)
            raise Stop("the answers ended; nothing was changed")
        return line.strip()

"""Commands as documents write them, held against the grammars of `ordoctl` and `ordod`: a misspelt command or option is a mistake.

A document may write a placeholder where a value belongs: words in capitals (`ACCOUNT`), `...`, and `one|other` for a choice.
"""

import argparse
import contextlib
import io
import re
import shlex
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import ordod.__main__
from ordoctl.cli import build_parser

__all__ = ["mistake", "of_script", "options"]

PROGRAMS = ("ordoctl", "ordod")
PLACEHOLDER = re.compile(r"\.\.\.|…|[A-Z][A-Z0-9_:-]*(\.\.\.)?|\$.*|<.*>")
ENDS = frozenset({"|", "||", "&&", ";", "&", "(", ")", "|&"})
BEFORE = frozenset({"sudo", "exec", "time", "env", "watch", "nohup"})
MISSING = re.compile(r"the following arguments are required|expected .* argument")


def of_script(text: str) -> Iterator[list[str]]:
    """The calls of our programs in a shell script, as words."""
    for line in text.replace("\\\n", " ").splitlines():
        if not any(program in line for program in PROGRAMS):
            continue
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;()<>")
        lexer.whitespace_split = True
        lexer.commenters = "#"
        yield from _calls(_words(lexer))


def _words(lexer: shlex.shlex) -> list[str]:
    words: list[str] = []
    with contextlib.suppress(
        ValueError
    ):  # a quote that ends on another line: what is before it counts
        words.extend(lexer)
    return words


def _calls(words: list[str]) -> Iterator[list[str]]:
    call: list[str] = []
    is_file = False  # the word behind a redirection
    for word in [*words, ";"]:
        if is_file:
            is_file = False
        elif word in ENDS or set(word) <= set("<>"):
            if call and set(word) <= set("<>"):
                is_file = True
                if call[-1] == "2":  # of `2>`
                    call.pop()
                continue
            while call and (call[0] in BEFORE or "=" in call[0]):
                call = call[1:]
            if call and call[0].rsplit("/", 1)[-1] in PROGRAMS:
                yield [call[0].rsplit("/", 1)[-1], *call[1:]]
            call = []
        else:
            call.append(word)


def mistake(words: list[str], *, whole: bool) -> str:
    """What is wrong with a call; "" where nothing is. Not `whole`: it may lack what its grammar requires."""
    for each in _alternatives(words):
        said = _parsed(each)
        if said and (whole or not MISSING.search(said)):
            return f"{' '.join(each)}: {said}"
    return ""


def _alternatives(words: list[str]) -> Iterator[list[str]]:
    for one in product(*(word.strip("[]").split("|") for word in words)):
        yield [word for word in one if word]


def _parsed(words: list[str]) -> str:
    parser = _GRAMMARS[words[0]]()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            parser.parse_args(words[1:])
    except _Mistake as error:
        return str(error)
    except SystemExit:  # --help, --version
        return ""
    return ""


class _Mistake(Exception):  # noqa: N818 - what argparse says
    pass


def options() -> set[str]:
    """Every option of every command."""
    found: set[str] = set()
    for make in _GRAMMARS.values():
        for parser in _parsers(make()):
            found |= {option for action in parser._actions for option in action.option_strings}
    return found


def _ordod() -> argparse.ArgumentParser:
    """The daemon's grammar, which its `main` makes and asks at once."""
    made: list[argparse.ArgumentParser] = []

    class Kept(Exception):  # noqa: N818 - a way out
        pass

    def keep(parser: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        made.append(parser)
        raise Kept

    asked = argparse.ArgumentParser.parse_args
    argparse.ArgumentParser.parse_args = keep  # type: ignore[assignment,method-assign]
    try:
        with contextlib.suppress(Kept):
            ordod.__main__.main([])
    finally:
        argparse.ArgumentParser.parse_args = asked  # type: ignore[method-assign]
    return made[0]


def _lenient(make: Callable[[], argparse.ArgumentParser]) -> Callable[[], argparse.ArgumentParser]:
    def made() -> argparse.ArgumentParser:
        parser = make()
        for each in _parsers(parser):
            each.error = _raised  # type: ignore[method-assign,assignment]
            for action in each._actions:
                if isinstance(action, argparse._SubParsersAction):
                    continue
                if action.type is not None:
                    action.type = _or_placeholder(action.type)
                if action.choices is not None:
                    action.choices = _Choices(action.choices)
        return parser

    return made


def _raised(message: str) -> None:
    raise _Mistake(message)


def _or_placeholder(read: Any) -> Callable[[str], Any]:
    return lambda text: text if PLACEHOLDER.fullmatch(text) else read(text)


class _Choices(list[Any]):
    def __contains__(self, word: object) -> bool:
        return bool(PLACEHOLDER.fullmatch(str(word))) or super().__contains__(word)


def _parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in dict.fromkeys(action.choices.values()):
                yield from _parsers(each)


_GRAMMARS = {"ordoctl": _lenient(build_parser), "ordod": _lenient(_ordod)}

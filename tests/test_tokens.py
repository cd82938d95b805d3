"""Tokens: made, listed, revoked, found; and how the daemon's view follows the file."""

import hmac
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordod import tokens as module
from ordod.tokens import TokenError, TokenFile, TokenRole, Tokens

NOON = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens.json"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(path: Path, clock: Clock) -> TokenFile:
    return TokenFile(path, now=clock.now)


@pytest.fixture
def tokens(path: Path, clock: Clock) -> Iterator[Tokens]:
    view = Tokens(path, now=clock.now)
    yield view
    view.close()


def made(file: TokenFile, name: str = "bot", ends: timedelta | None = None) -> str:
    text, _ = file.make(name, TokenRole.TRADE, {}, NOON + ends if ends else None)
    return text


# The file


def test_the_file_holds_no_token_and_nobody_else_may_read_it(file: TokenFile, path: Path) -> None:
    text = made(file)

    content = path.read_text()
    assert text not in content
    assert text.removeprefix("ordo_") not in content
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [token["name"] for token in json.loads(content)["tokens"]] == ["bot"]


def test_two_tokens_are_never_the_same_and_have_256_bits(file: TokenFile) -> None:
    texts = {made(file, f"bot-{n}") for n in range(5)}

    assert len(texts) == 5
    assert {len(text) for text in texts} == {len("ordo_") + 43}


def test_what_is_listed_is_what_was_made_less_what_was_revoked(file: TokenFile) -> None:
    file.make("a", TokenRole.NOBODY, {"paper": TokenRole.READ}, NOON)
    made(file, "b")
    file.revoke("b")

    (left,) = file.listed()
    assert (left.name, left.role, left.accounts, left.expires_at) == (
        "a",
        "nobody",
        {"paper": "read"},
        NOON,
    )


def test_a_name_is_given_once(file: TokenFile) -> None:
    made(file)

    with pytest.raises(TokenError, match="ordoctl token revoke bot"):
        made(file)
    assert len(file.listed()) == 1


@pytest.mark.parametrize("name", ["", "a" * 33, "a b", "a\n", "../x", "café"])
def test_a_bad_name_makes_no_token(file: TokenFile, path: Path, name: str) -> None:
    with pytest.raises(TokenError, match="1 to 32"):
        made(file, name)
    assert not path.exists()


def test_a_misspelt_name_is_answered_with_the_one_that_was_meant(file: TokenFile) -> None:
    made(file, "scalper")

    with pytest.raises(TokenError, match='did you mean "scalper"'):
        file.revoke("scalpr")


def test_there_are_no_more_than_the_bound(file: TokenFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOKENS_MAX", 2)
    made(file, "a")
    made(file, "b")

    with pytest.raises(TokenError, match="revoke some"):
        made(file, "c")


def test_makers_at_once_lose_none_of_the_tokens(path: Path) -> None:
    program = (
        "import sys, pathlib\nfrom ordod.tokens import TokenFile, TokenRole\n"
        "file = TokenFile(pathlib.Path(sys.argv[1]))\n"
        "for n in range(8): file.make(f'{sys.argv[2]}-{n}', TokenRole.READ, {}, None)\n"
    )
    makers = [
        subprocess.Popen([sys.executable, "-c", program, str(path), who]) for who in ("a", "b")
    ]

    assert [maker.wait() for maker in makers] == [0, 0]
    assert len(TokenFile(path).listed()) == 16


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"format":1,"tokens":[{}]}', b"\xff", b'{"format":1,"tokens":[],"x":1}', b"[" * 100_000, b" " * 300_000],
)  # fmt: skip
def test_a_damaged_file_is_told_and_not_written_over(
    file: TokenFile, path: Path, content: bytes
) -> None:
    path.touch(0o600)
    path.write_bytes(content)

    with pytest.raises(TokenError, match="mv "):
        made(file)
    assert path.read_bytes() == content


def test_a_newer_file_is_left_to_the_version_that_wrote_it(file: TokenFile, path: Path) -> None:
    path.touch(0o600)
    path.write_text('{"format": 2, "tokens": []}')

    with pytest.raises(TokenError, match="format 2"):
        file.listed()


# The daemon's view


def test_a_token_is_found_and_no_other_text_is(file: TokenFile, tokens: Tokens) -> None:
    text = made(file)

    found = tokens.find(text)
    assert found is not None
    assert (found.name, tokens.lives(found)) == ("bot", True)
    for other in ("", text[:-1], text + "x", text.upper(), found.hash, f" {text}", "\ud800"):
        assert tokens.find(other) is None


@given(st.text(max_size=200))
def test_no_text_at_all_breaks_the_search(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    tokens = Tokens(tmp_path_factory.mktemp("t") / "tokens.json", now=lambda: NOON)

    assert tokens.find(text) is None


def test_where_there_is_no_file_there_is_no_token_until_one_is_made(
    file: TokenFile, tokens: Tokens
) -> None:
    assert tokens.find("ordo_x") is None

    assert tokens.find(made(file)) is not None


def test_a_revoked_token_lives_no_longer_at_the_next_look(file: TokenFile, tokens: Tokens) -> None:
    text, other = made(file), made(file, "other")
    bot, stays = tokens.find(text), tokens.find(other)
    assert bot is not None
    assert stays is not None

    file.revoke("bot")

    assert not tokens.lives(bot)
    assert tokens.find(text) is None
    assert tokens.lives(stays)


def test_a_new_token_of_an_old_name_does_not_wake_the_old_one(
    file: TokenFile, tokens: Tokens
) -> None:
    old = tokens.find(made(file))
    assert old is not None
    file.revoke("bot")
    made(file)

    assert not tokens.lives(old)


def test_a_token_dies_at_its_end_and_is_still_known_by_name(
    file: TokenFile, tokens: Tokens, clock: Clock
) -> None:
    text = made(file, ends=timedelta(hours=1))
    found = tokens.find(text)
    assert found is not None
    assert tokens.lives(found)

    clock.at += timedelta(hours=1)

    assert not tokens.lives(found)
    assert tokens.find(text) == found


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.unlink(),
        lambda path: path.write_text('{"format": 1, "tokens": []}'),
        lambda path: path.write_text("{"),
        lambda path: path.chmod(0o644),
        lambda path: path.rename(path.with_suffix(".old")),
        lambda path: os.truncate(path, 0),
    ],
    ids=["removed", "written over", "damaged", "made readable", "moved away", "emptied"],
)
def test_whatever_becomes_of_the_file_is_noticed_and_opens_nothing(
    file: TokenFile, tokens: Tokens, path: Path, change: object
) -> None:
    found = tokens.find(made(file))
    assert found is not None
    assert tokens.lives(found)

    change(path)  # type: ignore[operator]

    assert not tokens.lives(found)


def test_a_replacement_is_noticed_also_where_a_backup_holds_a_link_to_the_old_file(
    file: TokenFile, tokens: Tokens, path: Path
) -> None:
    found = tokens.find(made(file))
    assert found is not None
    path.with_suffix(".backup").hardlink_to(path)
    assert tokens.lives(found)

    file.revoke("bot")

    assert not tokens.lives(found)


def test_a_file_that_is_mended_opens_again(file: TokenFile, tokens: Tokens, path: Path) -> None:
    found = tokens.find(made(file))
    assert found is not None
    path.chmod(0o644)
    assert not tokens.lives(found)
    assert "chmod 600" in tokens.problem

    path.chmod(0o600)

    assert tokens.lives(found)
    assert tokens.problem == ""


def test_an_unchanged_file_is_not_opened_again(
    file: TokenFile, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = tokens.find(made(file))
    assert found is not None

    def opened(*_: object) -> int:
        raise AssertionError("it was opened")

    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(os, "pread", opened)

    assert all(tokens.lives(found) for _ in range(100))


def test_every_search_makes_the_same_comparisons_whatever_is_asked(
    file: TokenFile, tokens: Tokens, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A time is no test: what is counted is the work. One hash, and a comparison with every token there is, each of 32 bytes."""
    texts = [made(file, f"bot-{n}", ends=timedelta(hours=n + 1)) for n in range(7)]
    clock.at += timedelta(hours=2, minutes=30)
    tokens.find("")
    hashed: list[int] = []
    compared: list[tuple[int, int]] = []
    digest, compare = module._digest, hmac.compare_digest

    def counted_digest(text: str) -> bytes:
        hashed.append(len(text))
        return digest(text)

    def counted_compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return compare(one, other)

    monkeypatch.setattr(module, "_digest", counted_digest)
    monkeypatch.setattr(module, "compare_digest", counted_compare)
    asked = {
        "the first": texts[0],
        "the last": texts[-1],
        "expired": texts[1],
        "nobody's": "ordo_" + "x" * 43,
        "nearly one": texts[3][:-1] + "x",
        "empty": "",
        "long": "x" * 4096,
        "no token at all": "hunter2",
    }

    work = {}
    for what, text in asked.items():
        hashed.clear()
        compared.clear()
        tokens.find(text)
        work[what] = (len(hashed), tuple(compared))

    assert set(work.values()) == {(1, ((32, 32),) * 7)}, work

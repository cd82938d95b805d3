"""A configuration that is there gets more in it, and nothing else in it changes."""

import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordoctl.setup.writing import CannotWrite, extended, quoted, written

PAPER = {"paper": {"broker": "paper"}}
KEY = {"store_key": "file:/etc/ordod/store.key"}


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_whatever_was_typed_is_read_back_as_it_was_typed(text: str) -> None:
    assert tomllib.loads(f"a = {quoted(text)}") == {"a": text}


@pytest.mark.parametrize(
    "there",
    [
        "",
        "# only words",
        '[accounts.one]\nbroker = "paper"',
        "[risk]\r\nmax_quantity = 5 # mine\r\n",
        '[accounts."one"]\nbroker = """paper"""\n[accounts.one.risk]\nmax_quantity = 5\n',
    ],
)
def test_what_was_there_stands_as_it_was_with_the_account_behind_it(there: str) -> None:
    new = extended(there, PAPER, {})

    assert new.startswith(there)
    assert new.endswith('[accounts.paper]\nbroker = "paper"\n')
    assert tomllib.loads(new)["accounts"]["paper"] == {"broker": "paper"}


@pytest.mark.parametrize(
    ("there", "becomes"),
    [
        ("", '[daemon]\nstore_key = "file:/etc/ordod/store.key"\n'),
        ("[daemon]", '[daemon]\nstore_key = "file:/etc/ordod/store.key"\n'),
        ("# a\n[ daemon ] # b\nlog_level = 'info'\n", "# a\n[ daemon ] # b\nstore_key = \"file:/etc/ordod/store.key\"\nlog_level = 'info'\n"),
    ],
)  # fmt: skip
def test_a_key_of_the_daemon_goes_below_its_header(there: str, becomes: str) -> None:
    assert extended(there, {}, KEY) == becomes


@pytest.mark.parametrize(
    "there",
    [
        'accounts = { one = { broker = "paper" } }\n',  # an inline table is closed
        '[accounts.paper]\nbroker = "zerodha"\n',  # the name is taken
        'daemon.log_level = "info"\n',  # so is the table
        'text = """\n[daemon]\n"""\n',  # looks like a header, and is none
    ],
)
def test_a_file_that_cannot_be_added_to_is_left_with_what_to_add_by_hand(there: str) -> None:
    with pytest.raises(CannotWrite, match=r"add this by hand") as told:
        extended(there, PAPER, KEY)

    assert '[accounts.paper]\nbroker = "paper"' in str(told.value)


def test_a_file_that_somebody_else_changed_meanwhile_is_not_written(tmp_path: Path) -> None:
    file = tmp_path / "ordod.conf"
    file.write_text("# theirs\n")

    with pytest.raises(CannotWrite, match="was changed meanwhile"):
        written(file, "# mine\n", "# mine\n[risk]\n", mode=0o600, group=None)

    assert file.read_text() == "# theirs\n"
    assert os.listdir(tmp_path) == ["ordod.conf"]  # noqa: PTH208 - names only


def test_a_link_stays_one_and_owner_and_mode_stay(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    real = tmp_path / "dotfiles/ordod.conf"
    real.write_text("# mine\n")
    real.chmod(0o640)
    link = tmp_path / "ordod.conf"
    link.symlink_to(real)

    written(link, "# mine\n", "# mine\n[risk]\n", mode=0o600, group=None)

    assert link.is_symlink()
    assert real.read_text() == "# mine\n[risk]\n"
    assert real.stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(real.parent)) == ["ordod.conf"]  # noqa: PTH208 - names only

"""Brokers of a family share samples, and say only what differs; a body that is neither form nor JSON goes out as it is."""

import json
from pathlib import Path
from typing import Any

import pytest

from ordod.adapter import HttpRequest
from ordod.adapter.suite import load


def folder(path: Path, said: dict[str, Any], **files: str) -> Path:
    path.mkdir()
    (path / "suite.json").write_text(json.dumps(said))
    for name, text in files.items():
        (path / name).write_text(text)
    return path


@pytest.fixture
def member(tmp_path: Path) -> Path:
    session = {"user_id": "FAMILY", "access_token": "secret"}
    shared = [{"operation": "login", "about": "theirs"}, {"operation": "user", "about": "theirs"}]
    folder(
        tmp_path / "family", {"session": session, "conversations": shared}, both="old", theirs="t"
    )
    said = {
        "family": "../family",
        "instead": ["login"],
        "conversations": [{"operation": "login", "about": "ours"}],
    }
    return folder(tmp_path / "member", said, both="new")


def test_a_member_has_its_own_conversations_instead_and_the_familys_besides(member: Path) -> None:
    samples = load(member)

    told = [(one.operation, one.about) for one in samples.conversations]
    assert told == [("login", "ours"), ("user", "theirs")]
    assert samples.session.user_id == "FAMILY"


def test_a_file_is_the_members_before_it_is_the_familys(member: Path) -> None:
    samples = load(member)

    assert (samples.bytes_of("both"), samples.bytes_of("theirs")) == (b"new", b"t")


def test_a_session_must_be_somewhere(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no session"):
        load(folder(tmp_path / "alone", {}))


def test_a_misspelt_operation_is_refused_under_instead_too(member: Path) -> None:
    (member / "suite.json").write_text(json.dumps({"family": "../family", "instead": ["logn"]}))

    with pytest.raises(ValueError, match="logn"):
        load(member)


def test_a_raw_body_goes_out_as_it_is() -> None:
    request = HttpRequest("POST", "rest", "/Pay", "others", content=("text/plain", b"jData={}&k=1"))

    assert request.body() == ("text/plain", b"jData={}&k=1")

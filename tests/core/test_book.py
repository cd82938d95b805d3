"""The book: a fold of the journal's records."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordod.core.orders.book import Book
from ordod.core.orders.records import (
    Accepted,
    AccountNote,
    Admin,
    Cancel,
    Close,
    Doubt,
    Entry,
    Evidence,
    Filled,
    Kill,
    Modify,
    Note,
    Record,
    Rejected,
    Release,
    Seal,
    Settled,
    Unsent,
    Update,
)
from ordod.core.orders.states import ChangeState, OrderState
from ordod.domain.orders import (
    FINAL,
    OrderChanges,
    OrderType,
    Status,
    Variety,
)
from tests.core.making import NOW, USER, Journaled, at, fill, intent, row, terms

DOUBT = Doubt(id="o1", why="lost", sent_at=NOW, died_at=at(7))
FOUND = Settled(id="o1", outcome="placed", by="book", broker_id="b1")
ABSENT = Settled(id="o1", outcome="not_placed", by="book", reason="two readings")


def update(status: Status = Status.OPEN, order_id: str = "o1", **changed: Any) -> Update:
    return Update(id=order_id, row=row(status=status, **changed), status=status)


def standing(*records: Record) -> Status:
    return Journaled(intent(), *records).book.orders["o1"].status


# How an order stands


@pytest.mark.parametrize(
    ("records", "status"),
    [
        ((), Status.IN_DOUBT),
        ((Accepted(id="o1", broker_id="b1"),), Status.PENDING),
        ((Rejected(id="o1", kind="ORDER_REJECTED", message="no"),), Status.REJECTED),
        ((Unsent(id="o1", kind="KILLED"),), Status.NOT_PLACED),
        ((DOUBT,), Status.IN_DOUBT),
        ((DOUBT, ABSENT), Status.NOT_PLACED),
        ((DOUBT, FOUND), Status.PENDING),
        ((DOUBT, FOUND, update(Status.FILLED)), Status.FILLED),
        ((Accepted(id="o1", broker_id="b1"), update(Status.CANCELLED)), Status.CANCELLED),
    ],
)
def test_an_order_stands_as_its_records_say(records: tuple[Record, ...], status: Status) -> None:
    assert standing(*records) == status


@pytest.mark.parametrize(
    "later",
    [
        DOUBT,
        Rejected(id="o1", kind="ORDER_REJECTED"),
        Unsent(id="o1", kind="TOO_LATE"),
        ABSENT,
        Accepted(id="o1", broker_id="b1"),
        FOUND,
    ],
)
def test_presence_beats_every_word_of_absence_that_comes_after_it(later: Record) -> None:
    assert standing(update(), later) == Status.OPEN


@pytest.mark.parametrize(
    "ended",
    [ABSENT, Rejected(id="o1", kind="ORDER_REJECTED"), Unsent(id="o1", kind="TOO_LATE")],
)
def test_an_order_that_was_called_absent_lives_when_a_row_shows_it(ended: Record) -> None:
    book = Journaled(intent(), ended, FOUND, update()).book

    order = book.orders["o1"]
    assert order.is_live
    assert order.error_kind == ""
    assert book.by_key(USER, "k1") is order
    assert book.by_broker_id(USER, "b1") is order
    assert book.open_orders("paper") == [order]


def test_a_doubt_shows_since_when() -> None:
    book = Journaled(intent(), DOUBT).book

    view = book.view(book.orders["o1"])

    assert view.since == NOW
    assert view.status == Status.IN_DOUBT
    assert view.seq == 2


# Keys


def test_a_key_is_taken_by_an_intent_and_freed_by_unsent_only() -> None:
    for record in (Accepted(id="o1"), Rejected(id="o1", kind="ORDER_REJECTED"), DOUBT, ABSENT):
        assert Journaled(intent(), record).book.key_is_spent(USER, "k1")

    freed = Journaled(intent(), Unsent(id="o1", kind="KILLED"))

    assert not freed.book.key_is_spent(USER, "k1")
    assert freed.book.by_key(USER, "k1") is None


def test_the_same_key_after_unsent_is_another_order_and_its_tag_is_free() -> None:
    # The tag was on no order; so the key's order has one tag only, and a start from an old copy finds it by that.
    freed = Journaled(intent(), Unsent(id="o1", kind="KILLED"))
    journaled = Journaled(intent(), Unsent(id="o1", kind="KILLED"), intent("o2"))

    second = journaled.book.by_key(USER, "k1")

    assert not freed.book.tag_is_taken(USER, "tag-k1")
    assert isinstance(second, OrderState)
    assert second.id == "o2"
    assert journaled.book.by_tag(USER, "tag-k1") is second


def test_keys_of_two_users_have_nothing_to_do_with_each_other() -> None:
    book = Journaled(intent(), intent("o2", user="AB2")).book

    first, second = book.by_key(USER, "k1"), book.by_key("AB2", "k1")

    assert isinstance(first, OrderState)
    assert isinstance(second, OrderState)
    assert (first.id, second.id) == ("o1", "o2")


# Fills


@given(st.permutations([fill("t1", 1), fill("t2", 2), fill("t1", 1), fill("t3", 3)]))
def test_a_fill_counts_once_in_any_order(fills: list[Any]) -> None:
    journaled = Journaled(intent(), Accepted(id="o1", broker_id="b1"))

    journaled.write(*(Filled(id="o1", fill=each) for each in fills))

    assert journaled.book.orders["o1"].filled_quantity == 6


def test_a_trade_shows_the_order_it_belongs_to() -> None:
    book = Journaled(intent(strategy="orb"), Filled(id="o1", fill=fill())).book

    trade = book.trade(book.orders["o1"], fill())

    assert (trade.order_id, trade.key, trade.strategy, trade.quantity) == ("o1", "k1", "orb", 4)


def test_a_row_may_know_more_fills_than_the_trades() -> None:
    book = Journaled(
        intent(), update(Status.PARTIALLY_FILLED, filled_quantity=7), Filled(id="o1", fill=fill())
    ).book

    assert book.orders["o1"].filled_quantity == 7


# Terms as they stand


def test_a_protected_market_order_stays_what_it_was_asked_as() -> None:
    market = terms(type=OrderType.MARKET, price=None)
    book = Journaled(intent(order=market), update(type=OrderType.LIMIT, price=Decimal(1430))).book

    now = book.orders["o1"].current

    assert (now.type, now.price) == (OrderType.MARKET, None)


def test_a_change_shows_in_the_terms() -> None:
    book = Journaled(intent(), update(price=Decimal(1390), quantity=5)).book

    now = book.view(book.orders["o1"])

    assert (now.price, now.quantity) == (Decimal(1390), 5)


def test_an_icebergs_row_shows_one_leg_and_the_order_keeps_its_quantity() -> None:
    iceberg = terms(variety=Variety.ICEBERG, iceberg_legs=2)
    book = Journaled(intent(order=iceberg), update(quantity=5)).book

    assert book.orders["o1"].current.quantity == 10


# Orders placed elsewhere


def foreign(order_id: str = "o9", **changed: Any) -> Update:
    fields: dict[str, Any] = {
        "id": order_id,
        "row": row("b9", variety=Variety.REGULAR),
        "status": Status.OPEN,
        "account": "paper",
        "user": USER,
    }
    return Update(**fields | changed)


def test_an_order_placed_elsewhere_is_listed_without_a_key() -> None:
    book = Journaled(foreign()).book

    view = book.view(book.orders["o9"])

    assert view.key is None
    assert view.price == Decimal(1400)
    assert book.live("paper") == [book.orders["o9"]]


def test_a_row_with_our_tag_does_not_take_the_tag_from_its_order() -> None:
    book = Journaled(intent(), update(), foreign(tag="tag-k1")).book

    again = Book()
    again.load(book.dump())

    for each in (book, again):
        owner = each.by_tag(USER, "tag-k1")
        assert owner is not None
        assert owner.id == "o1"


# Changes


def test_a_modify_is_open_until_it_is_seen_or_refused() -> None:
    modify = Modify(
        id="c1",
        order_id="o1",
        changes=OrderChanges(price=Decimal(1)),
        caller="test",
        key="m1",
        fingerprint="f",
    )
    journaled = Journaled(intent(), update(), modify)
    book = journaled.book
    assert [c.id for c in book.open_changes_of("o1")] == ["c1"]

    journaled.write(Accepted(id="c1"))
    assert book.changes["c1"].is_open
    journaled.write(Settled(id="c1", outcome="done", by="book"))

    assert not book.open_changes("paper")
    known = book.by_key(USER, "m1")
    assert isinstance(known, ChangeState)
    assert known.state == "done"


@pytest.mark.parametrize(
    ("record", "state", "spent"),
    [
        (Unsent(id="c1", kind="KILLED"), "unsent", False),
        (Rejected(id="c1", kind="ORDER_REJECTED"), "rejected", True),
        (Doubt(id="c1", why="lost", sent_at=NOW, died_at=NOW), "doubt", True),
    ],
)
def test_a_changes_key_is_freed_by_unsent_only(record: Record, state: str, spent: bool) -> None:
    modify = Modify(id="c1", order_id="o1", changes=OrderChanges(), caller="test", key="m1")
    book = Journaled(intent(), update(), modify, record).book

    assert book.changes["c1"].state == state
    assert book.key_is_spent(USER, "m1") is spent


def test_a_gtt_is_done_when_it_is_accepted() -> None:
    book = Journaled(
        intent("c1", operation="place_gtt", order=None), Accepted(id="c1", broker_id="g1")
    ).book

    assert (book.changes["c1"].state, book.changes["c1"].broker_id) == ("done", "g1")


def test_evidence_of_absence_is_counted_and_a_new_doubt_begins_anew() -> None:
    absent = Evidence(id="o1", source="book", begun_at=NOW, complete=True, found=False)
    journaled = Journaled(intent(), DOUBT, absent)
    assert journaled.book.orders["o1"].absences == 1

    journaled.write(DOUBT)

    assert journaled.book.orders["o1"].absences == 0


def test_records_about_what_the_book_does_not_know_change_nothing() -> None:
    empty = Journaled().book.dump()

    strange = Journaled(
        Accepted(id="x"),
        Rejected(id="x", kind="ORDER_REJECTED"),
        Unsent(id="x", kind="KILLED"),
        Doubt(id="x", why="", sent_at=NOW, died_at=NOW),
        Evidence(id="x", source="book", begun_at=NOW, complete=True, found=False),
        Settled(id="x", outcome="placed", by="book"),
        Filled(id="x", fill=fill()),
        Cancel(id="c1", order_id="x", caller="test"),
        Admin(caller="test", method="m", params={}),
        Note(text="n"),
        Seal(),
        Close(),
    ).book

    assert strange.dump() == empty
    assert strange.open_changes_of("x") == []


def test_what_has_no_outcome_at_a_start_is_named() -> None:
    modify = Modify(id="c1", order_id="o1", changes=OrderChanges(), caller="test")
    cancel = Cancel(id="c2", order_id="o1", caller="test")
    book = Journaled(intent(), update(), intent("o2", "k2"), modify, cancel).book

    assert [item.id for item in book.without_outcome()] == ["o2", "c1"]


def test_what_was_sent_of_late_is_remembered_for_the_rate_windows() -> None:
    cancel = Cancel(id="c2", order_id="o1", caller="test")
    book = Journaled(intent(), update(), cancel, foreign()).book

    assert [when for when, _ in book.sends_of("paper", NOW, at(9))] == [at(2), at(9)]
    assert [when for when, _ in book.sends_of("paper", at(2), at(9))] == [at(9)]
    assert book.sends_of("other", NOW, at(9)) == []


def test_what_never_left_does_not_count_and_what_was_sent_twice_counts_twice() -> None:
    never, twice = (
        Unsent(id="o1", kind="RATE_LIMITED"),
        Unsent(id="o2", kind="RATE_LIMITED", sends=2),
    )
    book = Journaled(intent(), never, intent("o2", "k2"), twice).book

    assert len(book.sends_of("paper", NOW, at(9))) == 2


# Kills, accounts


def test_a_kill_engaged_twice_keeps_its_first_reason_and_cancels_if_either_asked() -> None:
    journaled = Journaled(
        Kill(caller="a", reason="first", cancel_open=False), Kill(caller="b", reason="second")
    )
    (kill,) = journaled.book.kills.values()
    assert (kill.reason, kill.caller, kill.cancel_open) == ("first", "a", True)

    journaled.write(Release(caller="admin"))

    assert not journaled.book.kills


def note(event: str, account: str = "paper", user: str = USER) -> AccountNote:
    return AccountNote(account=account, event=event, user=user)


def test_the_user_of_an_account_is_remembered() -> None:
    assert Journaled(note("active"), note("expired", user="")).book.users == {"paper": USER}


def entries(*notes: tuple[datetime, AccountNote]) -> Book:
    book = Book()
    for seq, (when, record) in enumerate(notes, 1):
        book.apply(Entry(seq, when, record))
    return book


def test_old_notes_are_dropped_but_a_denial_stands_until_it_is_lifted() -> None:
    week = timedelta(days=7)
    denied = (NOW, note("denied"))
    other = (NOW + week, note("active", "other"))

    assert entries((NOW, note("active")), other).account_notes == [("other", other[1], other[0])]
    assert [n[1].event for n in entries(denied, other).account_notes] == ["denied", "active"]
    lifted = (NOW + timedelta(seconds=1), note("released"))
    assert [n[0] for n in entries(denied, lifted, other).account_notes] == ["other"]


# Dump, load, archive

BEGIN = (intent(), intent("o2", "k2"))
RECORDS: list[Record] = [
    Accepted(id="o1", broker_id="b1"),
    DOUBT,
    Doubt(id="o2", why="lost", sent_at=NOW, died_at=at(7)),
    Rejected(id="o2", kind="ORDER_REJECTED", message="no", code="17"),
    Unsent(id="o1", kind="TOO_LATE"),
    Settled(id="o2", outcome="not_placed", by="book"),
    Settled(id="o2", outcome="placed", by="person", broker_id="b2"),
    update(Status.PARTIALLY_FILLED, filled_quantity=4),
    update(Status.FILLED, filled_quantity=10),
    update(Status.CANCELLED),
    Filled(id="o1", fill=fill()),
    foreign(),
    Modify(id="c1", order_id="o1", changes=OrderChanges(quantity=5), caller="t", key="m1"),
    Cancel(id="c2", order_id="o2", caller="t"),
    Accepted(id="c1"),
    Settled(id="c2", outcome="done", by="book"),
    intent("c3", "g1", operation="place_gtt", order=None),
    Accepted(id="c3", broker_id="g77"),
    Kill(caller="t", reason="r"),
    Release(caller="t"),
    note("active"),
    note("denied"),
]


def seen(book: Book) -> dict[str, Any]:
    """All that can be asked of a book."""
    users, keys = (USER, "AB2"), ("k1", "k2", "m1", "g1")
    return {
        "dump": book.dump(),
        "keys": [getattr(book.by_key(user, key), "id", None) for user in users for key in keys],
        "spent": [book.key_is_spent(user, key) for user in users for key in keys],
        "tags": [getattr(book.by_tag(USER, f"tag-{key}"), "id", None) for key in keys],
        "ids": [getattr(book.by_broker_id(USER, b), "id", None) for b in ("b1", "b2", "b9")],
        "open": sorted(order.id for order in book.open_orders()),
        "changes": sorted(change.id for change in book.open_changes("paper")),
    }


@given(st.lists(st.sampled_from(RECORDS), max_size=40))
def test_a_loaded_book_answers_as_the_one_that_was_dumped(records: list[Record]) -> None:
    book = Journaled(*BEGIN, *records).book

    again = Book()
    again.load(book.dump())

    assert seen(again) == seen(book)


@given(
    st.lists(st.sampled_from(RECORDS), max_size=30), st.lists(st.sampled_from(RECORDS), max_size=10)
)
def test_a_replay_from_a_snapshot_ends_where_a_whole_replay_does(
    before: list[Record], after: list[Record]
) -> None:
    whole = Journaled(*BEGIN, *before, *after).book
    part = Journaled()
    part.book.load(Journaled(*BEGIN, *before).book.dump())
    part.seq = len(BEGIN) + len(before)

    part.write(*after)

    assert seen(part.book) == seen(whole)


EVIDENCE = (Update, Settled, Accepted)


@given(st.lists(st.sampled_from(RECORDS), max_size=40))
def test_a_final_status_is_left_only_by_evidence_of_presence(records: list[Record]) -> None:
    journaled = Journaled(*BEGIN)
    for record in records:
        before = {o.id: o.status for o in journaled.book.orders.values()}
        journaled.write(record)
        for order in journaled.book.orders.values():
            was = before.get(order.id)
            if was in FINAL and order.status not in FINAL:
                assert isinstance(record, EVIDENCE)
                assert order.sent == "placed"


def test_a_freed_key_stays_free_and_a_used_one_used_over_a_snapshot() -> None:
    freed = Journaled(intent(), Unsent(id="o1", kind="KILLED"))
    again = Journaled()
    again.book.load(freed.book.dump())
    assert not again.book.key_is_spent(USER, "k1")
    again.write(intent("o2", tag="salted"))

    last = Book()
    last.load(again.book.dump())

    assert getattr(last.by_key(USER, "k1"), "id", None) == "o2"


def test_a_dump_of_another_version_is_refused_and_changes_nothing() -> None:
    book = Book()

    with pytest.raises(ValueError, match=r".+"):
        book.load(b"not a dump")
    with pytest.raises(ValueError, match=r".+"):
        book.load(msgspec.msgpack.encode({"orders": []}))

    assert not book.orders


def archived(days: int = 2) -> Journaled:
    journaled = Journaled(
        intent(),
        update(Status.FILLED),
        intent("o2", "k2"),
        Doubt(id="o2", why="lost", sent_at=NOW, died_at=NOW),
        foreign(),
        Cancel(id="c2", order_id="o1", caller="t"),
        Settled(id="c2", outcome="not_done", by="book"),
    )
    journaled.book.archive(NOW + timedelta(days=days))
    return journaled


def test_old_final_orders_are_folded_away_and_still_answer_for_their_key() -> None:
    book = archived().book

    assert set(book.orders) == {"o2", "o9"}
    known = book.by_key(USER, "k1")
    assert isinstance(known, OrderState)
    assert known.status == Status.FILLED
    assert book.by_id("o1") == known
    assert book.key_is_spent(USER, "k1")
    assert book.by_tag(USER, "tag-k1") is None
    assert book.by_broker_id(USER, "b1") is None
    assert "c2" not in book.changes


def test_what_is_live_or_in_doubt_is_never_folded_away() -> None:
    book = archived(400).book

    assert set(book.orders) == {"o2", "o9"}


def test_past_a_month_the_key_is_spent_and_its_order_forgotten() -> None:
    book = archived().book

    book.archive(NOW + timedelta(days=33))

    assert book.key_is_spent(USER, "k1")
    assert book.by_key(USER, "k1") is None
    assert book.by_id("o1") is None


def test_an_archive_survives_a_snapshot() -> None:
    again = Book()

    again.load(archived().book.dump())

    assert again.key_is_spent(USER, "k1")
    assert again.by_id("o1") is not None
    assert seen(again) == seen(archived().book)


def test_folding_an_order_away_does_not_take_a_tag_or_id_that_is_anothers_now() -> None:
    journaled = Journaled(intent(), Unsent(id="o1", kind="JOURNAL_FAILED"))
    book = journaled.book
    book.apply(Entry(9, NOW + timedelta(days=2), intent("o2", "k1")))  # the same tag again
    book.apply(Entry(10, NOW + timedelta(days=2), update(order_id="o2")))

    book.archive(NOW + timedelta(days=1))

    owner = book.by_tag(USER, "tag-k1")
    assert owner is not None
    assert owner.id == "o2"
    assert book.by_broker_id(USER, "b1") is owner

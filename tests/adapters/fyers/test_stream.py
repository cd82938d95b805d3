"""FYERS' prices: what we say, what the sheet's records say, and what becomes of frames that are none (fyers.md 9.1)."""

from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ordo_adapters.fyers import FYERS
from ordod.adapter import (
    BadRow,
    BrokerError,
    DepthTick,
    Fault,
    Frame,
    Instrument,
    Mode,
    Notice,
    Pushed,
    Reply,
    Secret,
    Stream,
    Tick,
    suite,
)
from tests.adapters.fyers.frames import (
    ABSENT,
    BOOK,
    INDEX,
    SHARE,
    answer,
    data,
    last,
    login,
    notice,
    snapshot,
    update,
)

SAMPLES = suite.load(Path(__file__).parent / "samples")
LISTED = suite.Listed(SAMPLES.instruments.values())
SBIN, NIFTY = SAMPLES.instruments["NSE:SBIN"], SAMPLES.instruments["NSE_INDEX:NIFTY"]
SF, DP, IX = "sf|nse_cm|3045", "dp|nse_cm|3045", "if|nse_cm|Nifty 50"
SUBSCRIBED = bytes.fromhex("001a 0402 0100110001 0e73667c6e73655f636d7c33303435 0200010b")
FULL_MODE = bytes.fromhex("0000 0c02 0100080000000000000800 02000146")


def stream(*instruments: Instrument, mode: Mode = Mode.DEPTH) -> Stream:
    made = FYERS.stream(SAMPLES.session, LISTED)
    list(made.subscribe(instruments or (SBIN, NIFTY), mode))
    return made


def opened(mode: Mode = Mode.DEPTH) -> Stream:
    """With a topic for each feed."""
    made = stream(mode=mode)
    made.read(data(snapshot(7, SF, SHARE), snapshot(8, DP, BOOK), snapshot(9, IX, INDEX)))
    return made


def prices(pushed: Sequence[Pushed]) -> list[Decimal]:
    return [value.last_price for value in pushed if isinstance(value, Tick)]


def replies(pushed: Sequence[Pushed]) -> list[Frame]:
    return [value.frame for value in pushed if isinstance(value, Reply)]


def said(frames: object) -> list[tuple[int, int, list[str]]]:
    """Kind, channel and names of frames that subscribe or unsubscribe."""
    assert isinstance(frames, list | tuple)
    found = []
    for frame in frames:
        assert isinstance(frame, bytes)
        assert int.from_bytes(frame[:2], "big") == len(frame) - 2
        size = int.from_bytes(frame[5:7], "big")
        listed, names = frame[9 : 7 + size], []
        while listed:
            names.append(listed[1 : 1 + listed[0]].decode())
            listed = listed[1 + listed[0] :]
        found.append((frame[2], frame[-1], names))
    return found


# What we say


def test_the_frames_are_those_of_the_sheet() -> None:
    made = FYERS.stream(SAMPLES.session, LISTED)

    _, full, lite = made.greet()
    made.read(login())

    assert full == FULL_MODE
    assert lite == FULL_MODE.replace(b"\x08\0\x02", b"\x10\0\x02").replace(b"F", b"L")
    assert list(made.subscribe([SBIN], Mode.QUOTE)) == [SUBSCRIBED]
    assert made.keep_alive() == b"\0\1\x0b"


def test_the_key_of_the_session_is_a_claim_of_its_token() -> None:
    who, *_ = FYERS.stream(SAMPLES.session, LISTED).greet()

    assert isinstance(who, bytes)
    assert int.from_bytes(who[:2], "big") == len(who) - 2
    assert who[2:] == (
        b"\1\4" + b"\1\0\x0esample-hsm-key" + b"\2\0\1P" + b"\3\0\1\1" + b"\4\0\5ordod"
    )


@pytest.mark.parametrize("token", ["none", "a.b.c", "a.e30.c", "a.eyJoc21fa2V5IjogMX0.c", ""])
def test_a_token_without_a_key_opens_no_stream_and_is_not_told(token: str) -> None:
    session = replace(SAMPLES.session, access_token=Secret(token))

    played = suite.play(FYERS.connect_stream(session), [])

    assert played.error is not None
    assert played.error.fault is Fault.UNSUPPORTED
    assert not token or token not in played.error.message


def test_nothing_is_subscribed_before_the_login_is_answered() -> None:
    made = FYERS.stream(SAMPLES.session, LISTED)
    list(made.greet())

    before = list(made.subscribe([SBIN], Mode.QUOTE))
    then = made.read(login())
    after = list(made.subscribe([NIFTY], Mode.QUOTE))

    assert before == []
    assert said(replies(then)) == [(4, 11, [SF])]
    assert said(after) == [(4, 11, [IX])]


def test_a_login_that_is_refused_means_a_dead_session() -> None:
    with pytest.raises(BrokerError) as raised:
        stream().read(login(b"N"))

    assert raised.value.fault is Fault.AUTH_EXPIRED


def test_each_mode_subscribes_what_it_takes_and_leaves_what_it_does_not() -> None:
    made = FYERS.stream(SAMPLES.session, LISTED)
    both = [SBIN, NIFTY]

    assert said(made.subscribe(both, Mode.LTP)) == [(4, 12, [SF, IX])]
    assert said(made.subscribe(both, Mode.LTP)) == []
    assert said(made.subscribe(both, Mode.QUOTE)) == [(5, 12, [SF, IX]), (4, 11, [SF, IX])]
    assert said(made.subscribe(both, Mode.DEPTH)) == [(4, 11, [DP])]
    assert said(made.subscribe(both, Mode.LTP)) == [(5, 11, [SF, DP, IX]), (4, 12, [SF, IX])]
    assert said(made.unsubscribe(both)) == [(5, 12, [SF, IX])]
    assert said(made.unsubscribe(both)) == []


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("BSE:SBIN", "sf|bse_cm|500112"),
        ("NFO:NIFTY27JAN26FUT", "sf|nse_fo|52175"),
        ("BFO:SENSEX29JAN2682000CE", "sf|bse_fo|1100001"),
        ("MCX:CRUDEOIL19JAN26FUT", "sf|mcx_fo|440939"),
        ("CDS:USDINR28JAN26FUT", "sf|cde_fo|10093"),
    ],
)
def test_a_feed_is_named_by_segment_and_token(symbol: str, name: str) -> None:
    frames = stream().subscribe([SAMPLES.instruments[symbol]], Mode.QUOTE)

    assert said(frames) == [(4, 11, [name])]


@pytest.mark.parametrize(
    ("ticker", "name"),
    [
        ("NSE:FINNIFTY-INDEX", "Nifty Fin Service"),
        ("NSE:INDIAVIX-INDEX", "India VIX"),
        ("NSE:MIDCPNIFTY-INDEX", "NIFTY MID SELECT"),
        ("NSE:SOMENEWONE-INDEX", "SOMENEWONE"),
    ],
)
def test_an_index_is_named_as_hsm_does_or_as_its_ticker(ticker: str, name: str) -> None:
    frames = stream().subscribe([replace(NIFTY, broker_symbol=ticker)], Mode.QUOTE)

    assert said(frames) == [(4, 11, [f"if|nse_cm|{name}"])]


def test_many_feeds_are_subscribed_in_frames_of_1500() -> None:
    many = [replace(SBIN, instrument_token=f"1010000000{each}") for each in range(1000, 3000)]

    frames = list(FYERS.stream(SAMPLES.session, LISTED).subscribe(many, Mode.DEPTH))

    assert [int.from_bytes(frame[7:9], "big") for frame in frames if isinstance(frame, bytes)] == [
        1500,
        1500,
        1000,
    ]


# What comes


def test_a_topic_of_another_channel_waits_for_its_snapshot() -> None:
    """What the lite mode did not tell must not be told as it was."""
    made = opened(Mode.LTP)
    list(made.subscribe([SBIN], Mode.QUOTE))

    assert list(made.read(data(update(7, [80300])))) == []
    assert prices(made.read(data(snapshot(17, SF, SHARE)))) == [Decimal("802.1")]


def test_a_last_price_in_a_full_channel_tells_nothing_else() -> None:
    (tick,) = opened(Mode.QUOTE).read(data(last(7, 80300)))

    assert tick == Tick(symbol="NSE:SBIN", last_price=Decimal(803))


def test_a_feed_with_a_new_topic_is_not_told_by_the_old_one() -> None:
    made = opened(Mode.QUOTE)

    again = made.read(data(snapshot(27, SF, SHARE)))
    old = made.read(data(update(7, [80300])))
    new = made.read(data(update(27, [80400])))

    assert (prices(again), list(old), prices(new)) == ([Decimal("802.1")], [], [Decimal(804)])


def test_a_topic_of_two_feeds_is_neithers() -> None:
    pushed = opened(Mode.QUOTE).read(data(snapshot(9, SF, SHARE), update(9, [2500200])))

    assert prices(pushed) == []
    asked = said(replies(pushed))
    assert [(kind, sorted(names)) for kind, _, names in asked] == [(5, [IX, SF]), (4, [IX, SF])]


def test_open_interest_is_of_derivatives_alone() -> None:
    share = (*SHARE[:12], 1250000, *SHARE[13:])
    (tick,) = stream(mode=Mode.QUOTE).read(data(snapshot(7, SF, share)))
    future = stream(SAMPLES.instruments["NFO:NIFTY27JAN26FUT"], mode=Mode.QUOTE)
    (other,) = future.read(data(snapshot(7, "sf|nse_fo|52175", share)))

    assert isinstance(tick, Tick)
    assert isinstance(other, Tick)
    assert (tick.oi, other.oi) == (None, 1250000)


def test_a_level_of_no_quantity_is_none() -> None:
    _, depth, *_ = opened().read(data(update(7, [80300]), update(8, [ABSENT] * 10 + [0])))

    assert isinstance(depth, DepthTick)
    assert [level.price for level in depth.buy] == [
        Decimal(802),
        *map(Decimal, ("801.95", "801.9", "801.85")),
    ]
    assert len(depth.sell) == 5


def test_what_is_not_subscribed_any_more_is_not_told() -> None:
    made = opened()
    list(made.unsubscribe([SBIN]))

    assert list(made.read(data(update(7, [80300]), update(8, [80200])))) == []


def test_an_instrument_that_never_traded_has_no_price() -> None:
    assert list(stream(mode=Mode.QUOTE).read(data(snapshot(7, SF, (0, *SHARE[1:]))))) == []
    assert list(stream(mode=Mode.LTP).read(data(snapshot(7, SF, (ABSENT,) * 21)))) == []


def test_a_count_that_the_field_cannot_hold_is_left_out() -> None:
    (tick,) = stream(mode=Mode.QUOTE).read(data(snapshot(7, SF, (80210, -5, *SHARE[2:]))))

    assert isinstance(tick, Tick)
    assert (tick.last_price, tick.volume, tick.buy_quantity) == (Decimal("802.1"), None, 256443)


@pytest.mark.parametrize("seconds", [ABSENT, -1, 0, 315513000])
def test_a_time_that_is_none_is_left_out(seconds: int) -> None:
    numbers = (80210, 5, seconds, 1767590100, *SHARE[4:])
    (tick,) = stream(mode=Mode.QUOTE).read(data(snapshot(7, SF, numbers)))

    assert isinstance(tick, Tick)
    assert tick.traded_at is None
    assert tick.at is not None


BAD = {
    "a price with a sign": update(7, [-80210]),
    "more fields than there are": update(7, [80300] * 22),
    "a last price of a book": last(8, 80300),
    "a book upside down": update(8, [80100]),
    "a level below zero": update(8, [ABSENT] * 10 + [-5]),
    "a snapshot of no scale": snapshot(7, SF, SHARE, multiplier=0),
    "a snapshot of too many decimals": snapshot(7, SF, SHARE, precision=8),
    "a price of too many decimals": snapshot(7, SF, SHARE, precision=7),
    "a topic that is another's": snapshot(9, SF, SHARE),
}


@pytest.mark.parametrize("record", BAD.values(), ids=BAD.keys())
def test_a_record_that_makes_no_sense_spoils_its_own_feed_only(record: bytes) -> None:
    made = opened()
    nothing_else = [ABSENT] * 6
    others = {7: update(8, [80206]), 8: update(7, [80300])}
    other = others[8 if record[1] == 8 else 7]

    pushed = made.read(data(record, other, update(9, nothing_else)))

    assert [type(value) for value in pushed if isinstance(value, BadRow)] == [BadRow]
    assert any(isinstance(value, DepthTick | Tick) for value in pushed)


def test_what_was_spoilt_is_asked_for_anew_and_not_told_before_it_comes() -> None:
    made = opened(Mode.QUOTE)

    bad, *rest = made.read(data(update(7, [-1])))
    silent = made.read(data(update(7, [80300])))
    again = made.read(data(snapshot(21, SF, (80400, *SHARE[1:]))))

    assert isinstance(bad, BadRow)
    assert said(replies(rest)) == [(5, 11, [SF]), (4, 11, [SF])]
    assert list(silent) == []
    assert prices(again) == [Decimal(804)]


def test_what_is_spoilt_again_and_again_is_not_asked_for_for_ever() -> None:
    made = stream(SBIN, mode=Mode.QUOTE)

    asked = [replies(made.read(data(snapshot(7, SF, SHARE, precision=99)))) for _ in range(20)]

    assert [len(each) for each in asked] == [2] * 5 + [0] * 15


def test_a_spoilt_frame_makes_all_feeds_be_asked_for_anew() -> None:
    """It may have changed any of them; to go on from what was would tell old prices as new ones."""
    made = opened(Mode.QUOTE)
    with pytest.raises(BrokerError) as raised:
        made.read(data(update(7, [80300]))[:-1])

    then = made.read(data(update(9, [2500100])))

    assert raised.value.fault is Fault.UNREADABLE
    assert prices(then) == []
    assert {name for _, _, names in said(replies(then)) for name in names} == {SF, IX}
    assert list(made.read(answer(4))) == []


def test_too_many_spoilt_frames_end_the_connection() -> None:
    made = opened()
    faults = []
    for _ in range(6):
        with pytest.raises(BrokerError) as raised:
            made.read(data(update(7, [80300]))[:-1])
        faults.append(raised.value.fault)

    assert faults == [Fault.UNREADABLE] * 5 + [Fault.BROKER_UNAVAILABLE]


def test_frames_are_acknowledged_as_often_as_the_login_asks() -> None:
    made = opened(Mode.QUOTE)
    made.read(login(ack_every=3))

    told = [replies(made.read(data(update(7, [80300]), number=n))) for n in range(1, 8)]

    acknowledged = [b"\0\x09\3\1\1\0\4" + number.to_bytes(4, "big") for number in (2, 5)]
    assert [frame for each in told for frame in each] == acknowledged  # the snapshots' was one too


def test_a_frame_that_was_spoilt_is_acknowledged_with_the_next() -> None:
    made = stream(NIFTY, mode=Mode.QUOTE)
    made.read(login(ack_every=2))
    with suppress(BrokerError):
        made.read(data(snapshot(9, IX, INDEX))[:-1])

    pushed = made.read(data(snapshot(9, IX, INDEX), number=2))

    assert b"\0\x09\3\1\1\0\4\0\0\0\2" in replies(pushed)


def test_refusals_and_notices_are_told() -> None:
    words = "x" * 40
    assert list(stream().read(answer(12, b"N"))) == [
        Notice("HSM refused to change the mode", is_error=True)
    ]
    assert list(stream().read(notice(-7, f"limit {words}"))) == [
        Notice("limit *** (-7)", is_error=True)
    ]


# Frames that are none

RECORDS = (
    snapshot(7, SF, SHARE),
    snapshot(8, DP, BOOK),
    snapshot(9, IX, INDEX),
    update(7, (80250, *[ABSENT] * 20)),
    last(9, 2500200),
    update(8, (ABSENT,) * 30),
)
OWNERS = ("NSE:SBIN", "NSE:SBIN", "NSE_INDEX:NIFTY", "NSE:SBIN", "NSE_INDEX:NIFTY", "NSE:SBIN")
WHOLE = data(*RECORDS)
GOOD = stream().read(WHOLE)


def structure() -> list[int]:
    """Places of WHOLE that say what its bytes are, not what prices are: type, counts, kinds, lengths, names."""
    places, at = [2, 7, 8], 9
    for record in RECORDS:
        inner = [0]
        if record[0] == 83:
            fields = 4 + record[3]
            inner += [*range(3, fields + 1)]
            label = fields + 1 + 4 * record[fields] + 5
            for _ in range(3):
                inner.append(label)
                label += 1 + record[label]
        elif record[0] == 85:
            inner.append(3)
        places += [at + each for each in inner]
        at += len(record)
    return places


def read(frame: bytes | str) -> list[Pushed] | None:
    """None: it is refused."""
    try:
        return list(stream().read(frame))
    except BrokerError:
        return None


def flipped(at: int, flip: int) -> bytes:
    spoilt = bytearray(WHOLE)
    spoilt[at] ^= flip
    return bytes(spoilt)


def test_the_frame_is_good() -> None:
    assert [type(value) for value in GOOD] == [Tick, DepthTick, Tick, Tick, Tick, DepthTick]
    assert prices(GOOD)[2:] == [Decimal("802.5"), Decimal(25002)]


def test_a_frame_cut_anywhere_is_refused() -> None:
    for length in range(len(WHOLE)):
        with pytest.raises(BrokerError) as raised:
            stream().read(WHOLE[:length])
        assert raised.value.fault is Fault.UNREADABLE


def test_a_frame_with_more_than_its_records_is_refused() -> None:
    fewer = WHOLE[:7] + (len(RECORDS) - 1).to_bytes(2, "big") + WHOLE[9:]

    assert read(WHOLE + b"\0") is read(fewer) is None


def test_a_flipped_byte_of_its_structure_makes_no_value_that_was_not_there() -> None:
    strange = [
        (at, flip, value)
        for at in structure()
        for flip in range(1, 256)
        for value in read(flipped(at, flip)) or ()
        if not isinstance(value, BadRow | Notice | Reply) and value not in GOOD
    ]

    assert len(structure()) > 60
    assert strange == []


def test_a_flipped_byte_anywhere_makes_no_value_of_another_instrument() -> None:
    """Of its own it may: a number that looks like a price is one."""
    at, strange = 9, []
    for record, owner in zip(RECORDS, OWNERS, strict=True):
        for place in range(at, at + len(record)):
            for flip in (1, 2, 4, 8, 16, 32, 64, 128, 255):
                for value in read(flipped(place, flip)) or ():
                    if isinstance(value, Tick | DepthTick) and value.symbol != owner:
                        strange += [(place, flip, value)] if value not in GOOD else []
        at += len(record)

    assert at == len(WHOLE)
    assert strange == []


def test_a_price_that_lost_its_sign_or_its_scale_is_refused() -> None:
    spoilt = [flipped(9 + 4 + len(SF) + 1, 128), flipped(9 + 4 + len(SF) + 1 + 84 + 4, 4)]

    for frame in spoilt:
        pushed = read(frame)
        assert pushed
        assert isinstance(pushed[0], BadRow)


@given(st.binary(max_size=400) | st.text(max_size=20))
def test_whatever_comes_raises_nothing_but_a_broker_error(frame: bytes | str) -> None:
    kinds = Tick | DepthTick | BadRow | Notice | Reply

    assert all(isinstance(value, kinds) for value in read(frame) or ())


@given(st.binary(max_size=300), st.integers(0, 3))
def test_whatever_its_records_are_raises_nothing_but_a_broker_error(
    records: bytes, count: int
) -> None:
    head = b"\0\0\6\0\0\0\1" + count.to_bytes(2, "big")
    with suppress(BrokerError):
        opened().read(head + records)

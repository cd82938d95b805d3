"""The journal read back: what of it is proved, what is torn, what is damaged.

A walk proves each line by the one before. Where the first bad byte stands decides everything:

- No byte of a batch is written before the sync of the one before has returned. So whatever a later batch, a seal or a later
  segment follows had been synced and may have been told: bad bytes there are *damage*, and nothing starts.
- Bad bytes with nothing of that kind behind them are a *torn* tail, as a power cut leaves it. A record that was told, is not
  yet sealed and is then damaged looks the same. Therefore a start always asks the brokers for our tags before it sends.

The wrong way is to take any bad line at the end for torn: a flipped bit in the second last batch would cut away orders that
were told. The other wrong way is to refuse whatever does not check: then each power cut needs a person.

Whether a line behind the bad one is of a later batch: surely, if its number is two above the last good one's. If it is one
above, the bad line may have begun that batch itself; then what is left of its header must name the batch before, by number
or time (a batch has one time), and the later one's by neither. One flipped bit cannot make it so; where nothing is left to
read, it is torn.

A compressed segment was whole when it was compressed, so whatever is bad in one is damage.
"""

from itertools import pairwise

from msgspec import Struct

from ordod.core.orders.format import (
    HEADER_BYTES_MAX,
    SEAL_BYTES_MAX,
    Codec,
    Header,
    header,
    headers,
    stated_hash,
)
from ordod.core.orders.segments import (
    Damage,
    Segment,
    Unreadable,
    last_line,
    listed,
    pieces,
    read,
    size_of,
)
from ordod.core.orders.too_new import refuse_newer, refuse_newer_line
from ordod.core.ports import Disk

__all__ = ["Survey", "Torn", "survey"]

CHECKED_BYTES_MAX = 128 << 20  # half a second's walk; older files are for `verify`, not for a start


class Torn(Struct, frozen=True):
    """A tail that a power cut left. `seq`: the record that would have stood there."""

    path: str
    offset: int
    line: int
    seq: int
    bytes: int
    why: str

    def __str__(self) -> str:
        return f"torn tail at {self.path}, line {self.line} (record {self.seq}): {self.why}; {self.bytes} bytes set aside"


class Survey(Struct, kw_only=True):
    """What a walk proved. `hash`, `last`: of the last good line ("" and empty: there is none)."""

    segments: list[Segment]
    seq: int
    hash: bytes
    last: bytes = b""
    opening: bytes = b""  # the newest first line of a file
    sealed: int = 0  # seq of the last seal that was seen
    hashes: dict[int, str]  # of the records that were asked for
    torn: Torn | None = None
    damage: Damage | None = None

    @property
    def batch(self) -> int:
        found = header(self.last)
        return found.batch if found else 0


class _Bad(Exception):  # noqa: N818 - caught below, always
    def __init__(self, why: str, line: int, offset: int) -> None:
        super().__init__(why)
        self.why = why
        self.line = line
        self.offset = offset


def survey(
    disk: Disk, codec: Codec, *, wanted: frozenset[int] = frozenset(), bytes_max: int | None = None
) -> Survey:
    """Walk the journal and prove it, decoding nothing. Damage is in the answer, not raised.

    A million records take 1.6 s; a running daemon does this in a worker.

    Args:
        wanted: seqs whose hashes the caller wants to know.
        bytes_max: only the newest segments of together so many bytes, and all from the first wanted one on (two at least);
            of older ones just that each begins where the one before ends. None: everything.
    Raises:
        TooNew: a newer ordod wrote a file of it.
    """
    try:
        segments = listed(disk)
        refuse_newer(disk, codec, reversed(segments[-2:]))  # the last may hold nothing
        start = _first_to_walk(disk, segments, wanted, bytes_max)
        _check_joints(disk, codec, segments[:start])
        before = last_line(disk, segments[start - 1]) if start else b""
    except Damage as damage:
        return Survey(segments=[], seq=0, hash=b"", hashes={}, damage=damage)
    found = Survey(
        segments=segments,
        seq=segments[start].first - 1 if start else 0,
        hash=stated_hash(before).encode() if before else b"",
        last=before,
        hashes={},
    )
    for place in range(start, len(segments)):
        try:
            _walk(disk, codec, segments[place], found, wanted)
        except Damage as damage:
            found.damage = damage
            break
        except _Bad as bad:
            _judge(disk, found, place, bad)
            break
    return found


def _walk(disk: Disk, codec: Codec, segment: Segment, at: Survey, wanted: frozenset[int]) -> None:
    """Go over one segment's lines; `at` stands at the last good one, whatever happens."""
    if segment.first <= at.seq:
        why = f"the records up to {at.seq} stand in the files before it: it does not belong here"
        raise Damage(why, path=segment.path, line=0, offset=0, seq=at.seq + 1)
    if segment.first != at.seq + 1:
        why = f"record {at.seq + 1} should be its first: a file is missing, renamed or of another time"
        raise Damage(why, path=segment.path, line=1, offset=0, seq=at.seq + 1)
    seq, previous, line = at.seq, at.hash, at.last
    number = offset = 0
    rest = b""  # what stands behind the last newline, at the end
    check = codec.check
    try:
        for lines, rest in pieces(disk, segment.path):  # noqa: B007 - read behind the loop
            for candidate in lines:
                digest = check(candidate, previous)
                if digest is None or not candidate.startswith(b'{"seq":%d,' % (seq + 1)):
                    why = "the hash does not fit" if digest is None else "the number does not fit"
                    raise _Bad(why, number + 1, offset)
                seq += 1
                number += 1
                if number == 1:
                    refuse_newer_line(codec, candidate, segment.path)
                    at.opening = candidate
                offset += len(candidate) + 1
                previous, line = digest, candidate
                if seq in wanted:
                    at.hashes[seq] = digest.decode()
                if len(candidate) < SEAL_BYTES_MAX and b'"type":"seal"' in candidate:
                    at.sealed = seq
        if rest:
            raise _Bad("the line is not whole", number + 1, offset)
    except Unreadable as damage:
        raise Unreadable(
            damage.why, path=segment.path, line=number + 1, offset=offset, seq=seq + 1
        ) from None
    finally:
        at.seq, at.hash, at.last = seq, previous, line


def _judge(disk: Disk, at: Survey, place: int, bad: _Bad) -> None:
    """Torn or damaged: by what stands behind the first bad byte."""
    segment = at.segments[place]
    later = at.segments[place + 1 :]
    rest = read(disk, segment.path, bad.offset)
    if segment.is_packed or _told(at, rest, disk, later):
        hint = "" if at.seq else ", or the key is not the one it was written with"
        at.damage = Damage(
            bad.why + hint, path=segment.path, line=bad.line, offset=bad.offset, seq=at.seq + 1
        )
        return
    size = len(rest) + sum(s.size for s in later)
    at.torn = Torn(segment.path, bad.offset, bad.line, at.seq + 1, size, bad.why)


def _told(at: Survey, rest: bytes, disk: Disk, later: list[Segment]) -> bool:
    """Whether what stands behind the first bad byte shows that its batch had been synced."""
    last = header(at.last)
    for other in headers(rest):
        if other.position == 0 or other.seq <= at.seq:
            continue  # the bad line's own; what a disk brings back from an older time
        if other.type in ("seal", "open") or other.batch > at.batch + 1:
            return True
        begins = rest[: min(other.position, HEADER_BYTES_MAX)]
        if last and _is_of(last, begins) and not _is_of(other, begins):
            return True
    return any(one.is_packed or headers(disk.read(one.path, 0, 4096)) for one in later)


def _is_of(one: Header, begins: bytes) -> bool:
    """Whether a line that begins so, and may be damaged there, is of the same batch as this one."""
    return b'"batch":%d,' % one.batch in begins or one.at.encode() in begins


def _first_to_walk(
    disk: Disk, segments: list[Segment], wanted: frozenset[int], bytes_max: int | None
) -> int:
    if bytes_max is None or not segments:
        return 0
    start = max(0, len(segments) - 2)  # the last one may hold nothing good
    total = sum(size_of(disk, one.path) for one in segments[start:])
    while start:
        total += size_of(disk, segments[start - 1].path)
        if total > bytes_max and segments[start].first <= min(wanted, default=1):
            break
        start -= 1
    return start


def _check_joints(disk: Disk, codec: Codec, segments: list[Segment]) -> None:
    """That each of these ends where the next one begins, by what their lines claim."""
    for one, after in pairwise(segments):
        line = last_line(disk, one)
        end = header(line)
        begin = read(disk, after.path, 0, 4096)
        refuse_newer_line(codec, begin.partition(b"\n")[0], after.path)
        goes_on = b'"previous":"%b"' % stated_hash(line).encode() in begin
        if end is None or end.seq + 1 != after.first or (begin and not goes_on):
            raise Damage(
                f"it does not go on where {one.path} ends",
                path=after.path,
                line=1,
                offset=0,
                seq=after.first,
            )

"""The journal looked at offline: is it whole, and if not, how the daemon gets going again."""

from msgspec import Struct

from ordod.core.orders.format import Codec, headers
from ordod.core.orders.opening import begin, last_open
from ordod.core.orders.packed import salvaged
from ordod.core.orders.recovery import Survey, survey
from ordod.core.orders.segments import (
    FOLDER,
    PACKED,
    PLAIN,
    REPAIRING,
    Damage,
    Unreadable,
    set_aside,
)
from ordod.core.ports import Clock, Disk, Random

__all__ = ["Report", "repair", "verify"]


class Report(Struct, kw_only=True):
    """What was found.

    `records`, `head`: of the good part, up to the first damage. `sealed`: seq of its last seal. `torn`: an unfinished tail,
    as a power cut leaves it; the next start sets it aside. `tampered`: why the journal is not the one of the saved head.
    `lost`: what a repair set aside, and where.
    """

    segments: int
    records: int
    head: tuple[int, str]
    sealed: int
    epoch: str = ""
    torn: str | None = None
    damage: Damage | None = None
    tampered: str | None = None
    lost: list[str] = []

    @property
    def is_good(self) -> bool:
        return self.damage is None and self.tampered is None


def verify(
    disk: Disk,
    *,
    key: bytes | None = None,
    head: tuple[int, str] | None = None,
    bytes_max: int | None = None,
) -> Report:
    """Every line checked against the one before it; nothing is changed. A running daemon's last batch may look torn.

    Args:
        head: seq and hash as the system's log kept them: against these the journal shows tampering and truncation too.
        bytes_max: only the newest segments of together so many bytes (two at least), as a start does; None: everything.
    """
    wanted = frozenset({head[0]} if head else ())
    found = survey(disk, Codec(key), wanted=wanted, bytes_max=bytes_max)
    report = _report(found)
    if head is not None:
        seq, digest = head
        if seq > found.seq:
            report.tampered = (
                f"the journal ends with record {found.seq}, but record {seq} was saved as its head"
            )
        elif found.hashes[seq] != digest:
            report.tampered = f"record {seq} is not the one whose hash was saved"
    return report


async def repair(
    disk: Disk, clock: Clock, random: Random, *, key: bytes | None = None, version: str = ""
) -> Report:
    """Make a damaged journal one that the daemon starts from: killed, because it has forgotten what it told.

    Everything from the first bad line on is copied to `journal/damaged-...`, then cut; nothing readable before it is
    touched. Repeated after an interruption it goes on where it was. A journal without damage is left as it is.

    Raises:
        DiskError: some step was refused; nothing is lost, for each copy is durable before its original goes.
    """
    codec = Codec(key)
    lost: list[str] = []
    found = survey(disk, codec)
    if found.damage is not None or REPAIRING in disk.names(FOLDER):
        await disk.replace(f"{FOLDER}/{REPAIRING}", b"")
        while found.damage is not None:
            lost += await _set_damage_aside(disk, found.damage)
            found = survey(disk, codec)
        why = "; ".join(["the journal was repaired", *lost])
        begun = await begin(disk, clock, random, codec, found, behind=[why], version=version)
        begun.file.close()
    report = _report(survey(disk, codec))
    report.lost = lost
    return report


def _report(found: Survey) -> Report:
    begun = last_open(found)
    return Report(
        segments=len(found.segments),
        records=found.seq,
        head=(found.seq, found.hash.decode()),
        sealed=found.sealed,
        epoch=begun.epoch if begun else "",
        torn=str(found.torn) if found.torn else None,
        damage=found.damage,
    )


async def _set_damage_aside(disk: Disk, damage: Damage) -> list[str]:
    """The damaged file from the bad line on, then every file after it: half-way through, a gap still shows the damage.

    A compressed file is unpacked first, as far as that goes: the next look finds the damage in the plain one.
    """
    bad = damage.path.removeprefix(f"{FOLDER}/")
    if damage.line and bad.endswith(PACKED):
        return await _unpack(disk, bad, is_whole=not isinstance(damage, Unreadable))
    lost = []
    names = [name for name in disk.names(FOLDER) if name.endswith((PLAIN, PACKED))]
    after = [name for name in names if name > bad] if damage.line else []
    for name in [bad, *after]:
        path = f"{FOLDER}/{name}"
        offset = damage.offset if name == bad else 0
        data = disk.read(path, offset)
        if data:
            kept = await set_aside(disk, FOLDER, _kept_as(name), data)
            lost.append(f"{_numbers(name, data)} of {path}, kept as {kept}")
        if offset:
            await disk.truncate(path, offset)
        else:
            await disk.remove(path)
    return lost


async def _unpack(disk: Disk, name: str, *, is_whole: bool) -> list[str]:
    """The plain form in the compressed one's place; which is kept aside where not all of it can be read."""
    path = f"{FOLDER}/{name}"
    packed = disk.read(path)
    data = salvaged(packed)
    lost = []
    if not is_whole:
        kept = await set_aside(disk, FOLDER, _kept_as(name), packed)
        lost.append(f"{path} was unpacked up to its byte {len(data)}, and kept as {kept}")
    if data:
        await disk.replace(f"{FOLDER}/{name.removesuffix(PACKED)}{PLAIN}", data)
    await disk.remove(path)
    return lost


def _kept_as(name: str) -> str:
    stem = name.removesuffix(PACKED).removesuffix(PLAIN)
    return f"damaged-{stem}.gz" if name.endswith(PACKED) else f"damaged-{stem}"


def _numbers(name: str, data: bytes) -> str:
    """What the lost bytes seem to hold; their own words, unproved."""
    seqs = [one.seq for one in headers(salvaged(data) if name.endswith(PACKED) else data)]
    return f"records {min(seqs)} to {max(seqs)}" if seqs else f"{len(data)} unreadable bytes"

import mmap
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from ordod.core.ports import DiskError
from ordod.io.files import Files, StateError


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def files(state: Path) -> Iterator[Files]:
    opened = Files(state)
    yield opened
    opened.close()


@pytest.fixture(params=["tmpfs", "ext4"])
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A mounted filesystem of 4 MiB, with a space in its path."""
    point = tmp_path / "small disk"
    point.mkdir()
    if request.param == "tmpfs":
        mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(point)]
    else:
        image = tmp_path / "image"
        image.write_bytes(bytes(4 << 20))
        mount = ["mount", "-o", "loop", str(image), str(point)]
        if not _succeeds(["mkfs.ext4", "-q", "-m", "0", str(image)]):
            pytest.skip("no mkfs.ext4 here")
    if not _succeeds(mount):
        pytest.skip(f"cannot mount {request.param} here: needs root, and loop devices for ext4")
    yield point
    # Lazily: a mapped gate outlives `Files.close`, for a signal that still comes.
    subprocess.run(["umount", "--lazy", str(point)], check=True)


def _succeeds(command: list[str]) -> bool:
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


# The directory


async def test_everything_is_closed_to_others(state: Path, files: Files) -> None:
    files.gate()
    (await files.create("journal/1.ndjson")).close()
    await files.replace("kill.d/all", b"x")

    assert {mode(path) for path in (state, state / "journal", state / "kill.d")} == {0o700}
    assert {
        mode(state / name) for name in ("lock", "kill.gate", "journal/1.ndjson", "kill.d/all")
    } == {0o600}


def test_a_directory_open_to_others_is_closed_to_them(state: Path) -> None:
    state.mkdir(mode=0o755)

    Files(state).close()

    assert mode(state) == 0o700


def test_a_second_daemon_is_told_who_holds_the_directory(state: Path, files: Files) -> None:
    with pytest.raises(StateError, match=f"process {os.getpid()};"):
        Files(state)


def test_offline_commands_reach_the_gate_of_a_running_daemon(state: Path, files: Files) -> None:
    gate = files.gate()
    offline = Files(state, exclusive=False)

    offline.gate()[0] = 1
    offline.close()

    assert gate[0] == 1


def test_the_lock_is_free_after_close(state: Path) -> None:
    Files(state).close()

    Files(state).close()

    assert (state / "lock").read_text() == f"{os.getpid()}\n"


def test_the_gate_and_not_the_lock_survives_a_killed_process(state: Path) -> None:
    script = (
        "import os, pathlib, signal, sys\n"
        "from ordod.io.files import Files\n"
        "files = Files(pathlib.Path(sys.argv[1]))\n"
        "files.gate()[0] = 1\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )

    died = subprocess.run([sys.executable, "-c", script, str(state)], check=False)
    again = Files(state)
    closed = again.gate()[0]
    again.close()

    assert (died.returncode, closed) == (-9, 1)


def test_the_gate_is_a_whole_page_on_disk_and_open_at_first(state: Path, files: Files) -> None:
    gate = files.gate()

    status = (state / "kill.gate").stat()

    assert (gate[0], status.st_size) == (0, mmap.PAGESIZE)
    assert status.st_blocks * 512 >= mmap.PAGESIZE


def test_a_gate_cut_short_is_made_whole_and_stays_closed(state: Path) -> None:
    state.mkdir()
    (state / "kill.gate").write_bytes(b"\x01")
    opened = Files(state)

    gate = opened.gate()
    opened.close()

    assert (gate[0], len(gate)) == (1, mmap.PAGESIZE)


async def test_a_flushed_gate_reads_the_same_from_the_file(state: Path, files: Files) -> None:
    files.gate()[0] = 1

    await files.flush_gate()

    assert (state / "kill.gate").read_bytes()[:2] == b"\x01\x00"


async def test_links_inside_the_directory_are_not_followed(
    state: Path, files: Files, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_bytes(b"of others")
    (state / "journal").symlink_to(elsewhere)
    (state / "file").symlink_to(elsewhere / "file")
    (state / "kill.gate").symlink_to(elsewhere / "file")

    with pytest.raises(DiskError):
        await files.create("journal/1.ndjson")
    with pytest.raises(OSError, match="symbolic links"):
        files.reopen("file")
    with pytest.raises(StateError, match=r"kill\.gate"):
        files.gate()
    await files.replace("file", b"ours")

    assert (elsewhere / "file").read_bytes() == b"of others"
    assert sorted(path.name for path in elsewhere.iterdir()) == ["file"]


def test_the_identity_names_machine_directory_and_filesystem(small_disk: Path) -> None:
    state = small_disk / "state"
    opened = Files(state)

    identity = opened.identity()
    opened.close()

    assert identity.inode == state.stat().st_ino
    assert identity.filesystem in ("tmpfs", "ext4")
    assert identity.filesystem == _succeeding(["stat", "-f", "-c", "%T", str(state)])
    assert identity.machine == Path("/etc/machine-id").read_text().strip()


def _succeeding(command: list[str]) -> str:
    words = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    return "ext4" if words == "ext2/ext3" else words


# Files


async def test_files_are_listed_in_order_and_read_in_part(state: Path, files: Files) -> None:
    for name in ("2", "10", "1"):
        await files.replace(f"journal/{name}", b"0123456789")
    (state / "journal" / ".1.new").write_bytes(b"what a crash left")
    (state / "journal" / "folder").mkdir()

    assert files.names("journal") == ["1", "10", "2"]
    assert files.names("nowhere") == []
    assert files.read("journal/1", 2, 3) == b"234"
    assert files.read("journal/1", 8) == b"89"
    assert files.size("journal/1") == 10


async def test_what_is_not_there_is_not_found(files: Files) -> None:
    with pytest.raises(FileNotFoundError):
        files.read("nothing")
    with pytest.raises(FileNotFoundError):
        files.size("nowhere/nothing")
    with pytest.raises(FileNotFoundError):
        files.reopen("nothing")
    with pytest.raises(DiskError):
        await files.remove("nothing")


async def test_appends_follow_one_another_also_after_reopening(files: Files) -> None:
    first = await files.create("journal/1")
    await first.append(b"one\n")
    first.write(b"two\n")
    first.close()
    second = files.reopen("journal/1")
    await second.append(b"three\n")
    second.close()

    assert files.read("journal/1") == b"one\ntwo\nthree\n"


async def test_a_file_is_created_once(files: Files) -> None:
    (await files.create("journal/1")).close()

    with pytest.raises(DiskError, match="exists"):
        await files.create("journal/1")


async def test_a_file_is_cut_and_removed(files: Files) -> None:
    await files.replace("a", b"0123456789")

    await files.truncate("a", 4)
    cut = files.read("a")
    await files.remove("a")

    assert cut == b"0123"
    assert "a" not in files.names(".")


async def test_a_reader_sees_the_old_file_or_the_new_one(state: Path, files: Files) -> None:
    versions = {bytes([letter]) * 50_000 for letter in b"abcdefghij"}
    await files.replace("snapshot", min(versions))
    seen: set[bytes] = set()
    is_over = threading.Event()

    def read_on() -> None:
        while not is_over.is_set():
            seen.add((state / "snapshot").read_bytes())

    reader = threading.Thread(target=read_on)
    reader.start()
    for version in sorted(versions):
        await files.replace("snapshot", version)
    is_over.set()
    reader.join()

    assert seen <= versions


# Failures


LIMIT = 1_000


@contextmanager
def file_limit() -> Iterator[None]:
    """No file may pass 1,000 bytes: the write that would is cut short, the next one fails. pytest's own output too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_short_write_is_the_end_of_the_file(files: Files) -> None:
    file = await files.create("journal/1")
    await file.append(bytes(900))

    with file_limit(), pytest.raises(DiskError, match="only 100 of 200"):
        await file.append(bytes(200))
    with pytest.raises(DiskError, match="failed before"):
        await file.append(b"")
    with pytest.raises(DiskError, match="failed before"):
        file.write(b"")
    file.close()

    assert files.size("journal/1") == LIMIT


async def test_a_failed_write_leaves_the_other_files_alone(files: Files) -> None:
    full = await files.create("journal/1")
    other = await files.create("journal/2")
    await full.append(bytes(LIMIT))

    with file_limit(), pytest.raises(DiskError, match="too large"):
        await full.append(b"x")
    await other.append(b"x")
    full.close()
    other.close()

    assert files.read("journal/2") == b"x"


async def test_a_failed_replacement_leaves_the_old_file_and_nothing_else(
    state: Path, files: Files
) -> None:
    await files.replace("kill.d/all", b"old")

    with file_limit(), pytest.raises(DiskError):
        await files.replace("kill.d/all", bytes(LIMIT + 1))

    assert files.read("kill.d/all") == b"old"
    assert [path.name for path in (state / "kill.d").iterdir()] == ["all"]


async def test_a_failed_sync_is_the_end_of_the_file(files: Files, state: Path) -> None:
    os.mkfifo(state / "pipe")  # a pipe takes the bytes and refuses the sync
    reader = os.open(state / "pipe", os.O_RDWR)
    file = files.reopen("pipe")

    with pytest.raises(DiskError, match="Invalid argument"):
        await file.append(b"x")
    with pytest.raises(DiskError, match="failed before"):
        await file.append(b"y")
    file.close()
    os.close(reader)


@pytest.fixture
def hanging(state: Path) -> Iterator[int]:
    """`state/pipe`: a full pipe. Appending to it hangs until somebody reads; the descriptor to do so."""
    state.mkdir()
    os.mkfifo(state / "pipe")
    reader = os.open(state / "pipe", os.O_RDWR | os.O_NONBLOCK)
    filled = 0
    while filled < 65_536:
        filled += os.write(reader, bytes(4_096))
    yield reader
    os.close(reader)


async def test_a_hanging_append_holds_neither_loop_nor_changes_nor_gate(
    hanging: int, files: Files
) -> None:
    file = files.reopen("pipe")
    outcome: list[str] = []

    async def append() -> None:
        try:
            await file.append(bytes(4_096))
        except DiskError:
            outcome.append("over")

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(append)
            await anyio.wait_all_tasks_blocked()
            await files.replace("kill.d/all", b"closed")
            files.gate()[0] = 1
            await files.flush_gate()
            (await files.create("new")).close()
            before_reading = list(outcome)
            os.read(hanging, 65_536)

    file.close()
    assert before_reading == []
    assert outcome == ["over"]
    assert files.read("kill.d/all") == b"closed"


async def test_an_append_whose_caller_gave_up_is_still_written(hanging: int, state: Path) -> None:
    files = Files(state)
    file = files.reopen("pipe")

    with anyio.move_on_after(0.05) as scope:
        await file.append(b"late")
    os.read(hanging, 65_536)
    file.close()
    files.close()

    assert scope.cancelled_caught
    assert os.read(hanging, 65_536) == b"late"


# A full disk


def fill(folder: Path) -> None:
    """Down to the last block."""
    for size in (65_536, 4_096, 512):
        with (folder / f"fill{size}").open("wb", buffering=0) as file:
            try:
                while file.write(bytes(size)) == size:
                    pass
                os.fsync(file.fileno())
            except OSError:
                pass


async def test_what_was_reserved_can_be_written_on_a_full_disk(small_disk: Path) -> None:
    files = Files(small_disk / "state")
    gate = files.gate()
    file = await files.create("journal/1", reserve=256 << 10)
    fill(small_disk)

    for _ in range(256):
        await file.append(bytes(1_024))
    gate[0] = 1
    await files.flush_gate()
    with pytest.raises(DiskError):
        await file.append(bytes(64 << 10))
    file.close()
    files.close()

    assert (small_disk / "state" / "kill.gate").read_bytes()[0] == 1


async def test_a_reserve_that_cannot_be_had_is_refused_and_leaves_no_file(small_disk: Path) -> None:
    files = Files(small_disk / "state")

    with pytest.raises(DiskError, match="reserve"):
        await files.create("journal/1", reserve=64 << 20)
    names = files.names("journal")
    files.close()

    assert names == []


async def test_a_reserve_changes_no_size_and_is_given_back_by_closing(small_disk: Path) -> None:
    files = Files(small_disk / "state")
    file = await files.create("journal/1", reserve=1 << 20)
    await file.append(b"x")
    path = small_disk / "state" / "journal" / "1"
    before = path.stat()

    file.close()
    files.close()

    assert (before.st_size, path.stat().st_size) == (1, 1)
    assert before.st_blocks * 512 >= 1 << 20
    assert path.stat().st_blocks * 512 <= 65_536


def test_who_only_reads_neither_makes_nor_changes_the_directory(tmp_path: Path) -> None:
    open_to_all = tmp_path / "open"
    open_to_all.mkdir(mode=0o755)

    Files(open_to_all, exclusive=False).close()
    with pytest.raises(StateError, match="cannot be read"):
        Files(tmp_path / "missing", exclusive=False)

    assert mode(open_to_all) == 0o755
    assert not (tmp_path / "missing").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="it takes root")
def test_root_may_read_the_directory_of_another_user(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o700)
    os.chown(theirs, 12345, 12345)

    Files(theirs, exclusive=False).close()

    with pytest.raises(StateError, match="belongs to user 12345"):
        Files(theirs)

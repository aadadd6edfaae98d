"""Atomic files and locks under injected failures: exceptions, full and read-only disks, killed processes."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import atomic
from bench.errors import BenchError

ROOT = Path(__file__).resolve().parents[1]


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a second process that can import bench; its output is a pipe."""
    command = [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True, cwd=ROOT)


def wait_for(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    assert process.stdout.readline().strip() == word


@pytest.fixture
def second_holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    code = (
        "import sys; from bench import atomic\n"
        "with atomic.lock(sys.argv[1]):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    process = start(code, tmp_path / "runs" / ".lock")
    wait_for(process, "held")
    yield process
    process.kill()
    process.communicate()


def names(folder: Path | str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def fill_and_raise(path: Path, data: bytes, error: BaseException) -> None:
    with atomic.replace_with(path) as temporary:
        temporary.write_bytes(data)
        raise error


# Writing


def test_text_keeps_its_line_ends_and_its_letters(tmp_path: Path) -> None:
    atomic.write_text(tmp_path / "a.txt", "µ\r\nx\n")
    assert (tmp_path / "a.txt").read_bytes() == b"\xc2\xb5\r\nx\n"
    assert names(tmp_path) == ["a.txt"]


def test_missing_folders_are_made_and_old_content_replaced(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "er" / "a.bin"
    atomic.write_bytes(place, b"long first version")
    atomic.write_bytes(place, b"second")
    assert place.read_bytes() == b"second"


def test_json_layout_is_fixed(tmp_path: Path) -> None:
    atomic.write_json(tmp_path / "a.json", {"b": 1, "a": [0.1, "µ"]})
    expected = '{\n  "b": 1,\n  "a": [\n    0.1,\n    "µ"\n  ]\n}\n'
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == expected


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_json_refuses_what_json_lacks_and_keeps_the_old_file(tmp_path: Path, bad: float) -> None:
    place = tmp_path / "a.json"
    atomic.write_json(place, {"kept": True})
    with pytest.raises(ValueError, match=r"a\.json"):
        atomic.write_json(place, {"deep": [1.0, {"x": bad}]})
    with pytest.raises(TypeError):
        atomic.write_json(place, {"path": tmp_path})
    assert json.loads(place.read_text()) == {"kept": True}
    assert names(tmp_path) == ["a.json"]


def test_temporary_file_is_hidden_beside_the_target_with_all_its_suffixes(tmp_path: Path) -> None:
    with atomic.replace_with(tmp_path / "model.weights.h5") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".")
        assert temporary.name.endswith("model.weights.h5")
        assert not temporary.exists()
        temporary.write_bytes(b"w")
        assert not (tmp_path / "model.weights.h5").exists()
    assert (tmp_path / "model.weights.h5").read_bytes() == b"w"


def test_new_files_follow_the_umask_of_the_process(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        atomic.write_text(tmp_path / "a", "x")
    finally:
        os.umask(old)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_order_of_the_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(descriptor: int) -> None:
        steps.append("flush folder" if Path(f"/proc/self/fd/{descriptor}").is_dir() else "flush file")
        fsync(descriptor)

    def note_replace(source: Path, target: Path) -> None:
        steps.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    atomic.write_text(tmp_path / "a", "x")
    assert steps == ["flush file", "rename", "flush folder"]


# Failures


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_exception_inside_removes_the_part_and_keeps_the_old(
    tmp_path: Path, kind: type[BaseException]
) -> None:
    place = tmp_path / "a"
    atomic.write_text(place, "old")
    with pytest.raises(kind):
        fill_and_raise(place, b"half", kind("stop"))
    assert place.read_text() == "old"
    assert names(tmp_path) == ["a"]


def test_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(FileNotFoundError), atomic.replace_with(tmp_path / "a"):
        pass
    assert (tmp_path / "a").read_text() == "old"


@pytest.mark.parametrize("function", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (
            errno.ENOSPC,
            r"a\.bin: disk full; free 3 MB or name another place \(--runs, --cache, --reports, --into\)$",
        ),
        (
            errno.EDQUOT,
            r"a\.bin: disk full; free 3 MB or name another place \(--runs, --cache, --reports, --into\)$",
        ),
        (errno.EROFS, r"a\.bin: cannot write: read-only disk; .*another place"),
        (errno.EISDIR, r"a\.bin: cannot write: it is a folder; name a file$"),
        (errno.EACCES, r"a\.bin: cannot write: permission denied; .*another place"),
    ],
)
def test_disk_errors_become_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, code: int, expected: str
) -> None:
    place = tmp_path / "a.bin"
    place.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, function, fail)
    with pytest.raises(BenchError) as caught:
        atomic.write_bytes(place, b"n" * 2_500_000)
    assert caught.value.file == str(place)
    assert "\n" not in str(caught.value)
    assert re.search(expected, str(caught.value))
    assert place.read_bytes() == b"old"
    assert names(tmp_path) == ["a.bin"]


def test_a_full_disk_says_how_much_was_written_so_far(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(BenchError, match="free 2 MB"):
        fill_and_raise(tmp_path / "a", b"n" * 1_200_000, full)


def test_errors_of_other_files_and_other_kinds_pass_unchanged(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), atomic.replace_with(tmp_path / "a"):
        raise PermissionError(errno.EACCES, "Permission denied", "another/input.dcm")
    with pytest.raises(OSError, match="Input/output") as caught, atomic.replace_with(tmp_path / "a"):
        raise OSError(errno.EIO, "Input/output error")
    assert not isinstance(caught.value, BenchError)
    assert names(tmp_path) == []


def test_folder_that_cannot_be_flushed_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def refuse_folders(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").is_dir():
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    atomic.write_text(tmp_path / "a", "x")
    assert (tmp_path / "a").read_text() == "x"


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    for place in (tmp_path / "runs" / "a", tmp_path / "runs" / "deep" / "a"):
        with pytest.raises(BenchError, match=r"a folder of the path is a file; .*--runs"):
            atomic.write_text(place, "x")
    with (
        pytest.raises(BenchError, match="a folder of the path is a file"),
        atomic.lock(tmp_path / "runs" / "l"),
    ):
        pass


def test_folder_without_write_permission() -> None:
    """The process gives up root first, where it has it, because root may write anywhere."""
    code = (
        "import os, sys; from pathlib import Path\n"
        "from bench import atomic; from bench.errors import BenchError\n"
        "os.chdir(sys.argv[1])\n"
        "if os.getuid() == 0: os.setgid(65534); os.setuid(65534)\n"
        "def attempt(f):\n"
        "    try: f()\n"
        "    except BenchError as error: print(error)\n"
        "def hold():\n"
        "    with atomic.lock(Path('.lock')): pass\n"
        "attempt(lambda: atomic.write_text(Path('a'), 'new'))\n"
        "attempt(lambda: atomic.write_text(Path('deep/a'), 'new'))\n"
        "attempt(hold)\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a").write_text("old")
        Path(folder).chmod(0o555)
        process = start(code, folder)
        output, _ = process.communicate(timeout=20)
        Path(folder).chmod(0o755)
        assert (Path(folder) / "a").read_text() == "old"
        assert names(folder) == ["a"]
    assert process.returncode == 0
    places = [line.partition(": cannot write: permission denied; ")[0] for line in output.splitlines()]
    assert places == ["a", "deep/a", ".lock"]


def test_kill_in_the_middle_leaves_the_old_file_whole(tmp_path: Path) -> None:
    place = tmp_path / "a"
    atomic.write_bytes(place, b"old" * 1000)
    code = (
        "import sys; from bench import atomic\n"
        "with atomic.replace_with(sys.argv[1]) as temporary:\n"
        "    file = temporary.open('wb'); file.write(b'new' * 500); file.flush()\n"
        "    print('half', flush=True); sys.stdin.read()\n"
    )
    process = start(code, place)
    wait_for(process, "half")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert place.read_bytes() == b"old" * 1000
    assert len(names(tmp_path)) == 2
    assert atomic.remove_leftovers(tmp_path) == 1
    assert names(tmp_path) == ["a"]


def test_leftover_folders_are_removed_too(tmp_path: Path) -> None:
    (tmp_path / ".tmp-0123-out" / "deep").mkdir(parents=True)
    (tmp_path / ".tmp-0123-out" / "deep" / "a").touch()
    (tmp_path / "kept").mkdir()
    assert atomic.remove_leftovers(tmp_path) == 1
    assert names(tmp_path) == ["kept"]


# Folders


def write_folder(path: Path, *files: str, error: BaseException | None = None) -> None:
    with atomic.replace_folder(path, needed_bytes=2_000_000, elsewhere="go elsewhere") as folder:
        assert folder.parent == path.parent
        for file in files:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(file)
        if error is not None:
            raise error


def test_a_folder_appears_whole_and_replaces_an_older_one(tmp_path: Path) -> None:
    write_folder(tmp_path / "new" / "out", "a", "deep/b")
    assert (tmp_path / "new" / "out" / "deep" / "b").read_text() == "deep/b"
    write_folder(tmp_path / "new" / "out", "c")
    assert names(tmp_path / "new" / "out") == ["c"]
    assert names(tmp_path / "new") == ["out"]


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt()])
def test_a_failed_block_leaves_the_old_folder(tmp_path: Path, error: BaseException) -> None:
    write_folder(tmp_path / "out", "a")
    with pytest.raises(type(error)):
        write_folder(tmp_path / "out", "b", error=error)
    assert (names(tmp_path), names(tmp_path / "out")) == (["out"], ["a"])


@pytest.mark.parametrize("inside", [True, False])
def test_a_full_disk_in_a_folder_is_one_line(tmp_path: Path, inside: bool) -> None:
    """Also where the system names a file below the temporary folder."""
    with pytest.raises(BenchError, match=r"out: disk full; free 2 MB or go elsewhere$"):  # noqa: SIM117
        with atomic.replace_folder(
            tmp_path / "out", needed_bytes=2_000_000, elsewhere="go elsewhere"
        ) as folder:
            raise OSError(
                errno.ENOSPC, "No space left on device", str(folder / "deep" / "a") if inside else None
            )
    assert names(tmp_path) == []


def test_an_error_of_another_file_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(PermissionError):
        write_folder(tmp_path / "out", error=PermissionError(errno.EACCES, "denied", "/elsewhere/a"))


# Locks


def test_second_process_is_refused_and_told_by_whom(
    tmp_path: Path, second_holder: subprocess.Popen[str]
) -> None:
    with pytest.raises(BenchError) as caught, atomic.lock(tmp_path / "runs" / ".lock"):
        pytest.fail("two holders")
    text = str(caught.value)
    pattern = (
        rf"^another bench process \(pid {second_holder.pid} on \S+, since \d{{4}}-\d\d-\d\dT[\d:]+\+00:00\) "
        rf"is using {re.escape(str(tmp_path / 'runs'))}; wait for it or give another --runs$"
    )
    assert re.match(pattern, text), text


def test_refusal_does_not_disturb_the_holder(tmp_path: Path, second_holder: subprocess.Popen[str]) -> None:
    place = tmp_path / "runs" / ".lock"
    owner = place.with_name(".lock.owner").read_text()
    for _ in range(2):
        with pytest.raises(BenchError), atomic.lock(place):
            pytest.fail("two holders")
    assert place.with_name(".lock.owner").read_text() == owner


def test_lock_of_a_killed_process_is_no_obstacle(
    tmp_path: Path, second_holder: subprocess.Popen[str]
) -> None:
    place = tmp_path / "runs" / ".lock"
    second_holder.send_signal(signal.SIGKILL)
    second_holder.communicate()
    assert place.exists()
    assert f"pid {second_holder.pid} " in place.with_name(".lock.owner").read_text()
    with atomic.lock(place):
        assert f"pid {os.getpid()} " in place.with_name(".lock.owner").read_text()


def test_refusal_before_the_holder_has_signed(tmp_path: Path, second_holder: subprocess.Popen[str]) -> None:
    (tmp_path / "runs" / ".lock.owner").unlink()
    with (
        pytest.raises(BenchError, match=r"^another bench process is using "),
        atomic.lock(tmp_path / "runs" / ".lock"),
    ):
        pytest.fail("two holders")


def test_same_process_cannot_hold_it_twice_and_it_is_free_afterwards(tmp_path: Path) -> None:
    place = tmp_path / ".lock"
    with atomic.lock(place):
        with pytest.raises(BenchError, match=f"pid {os.getpid()} "), atomic.lock(place):
            pytest.fail("two holders")
        assert place.with_name(".lock.owner").exists()
    assert not place.with_name(".lock.owner").exists()
    with pytest.raises(RuntimeError, match="inside"), atomic.lock(place):
        raise RuntimeError("inside")
    with atomic.lock(place), atomic.lock(tmp_path / "other"):
        pass

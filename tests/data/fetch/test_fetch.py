"""Fetching against a stand-in for the archive that writes small synthetic DICOM files. No network is used."""

from __future__ import annotations

import errno
import functools
import inspect
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from bench import atomic, cli
from bench.config import load as config
from bench.config.packaged import packaged
from bench.data import fetch
from bench.data.fetch import checks, idc
from bench.data.files.pins import Pin, find_pins, read_pins
from bench.errors import BenchError
from bench.events import Event, Message, Progress
from tests import tiny
from tests.dicoms import uid, write_ct

PATIENTS = ("A", "B", "C")
SLICES = 4
SOURCE = """
  scans:
    kind: dicom
    path: ${TINY_SCANS}/scans
    series: scans.csv
    matrix: 8
    licence: CC BY 3.0
    citation: Somebody 2015
"""
Fault = Callable[[Path], None]


def write_series(folder: Path, patient: str, **header: object) -> None:
    """Write what the archive holds of a patient: files named by nothing that tells their order."""
    first = 100 * PATIENTS.index(patient)
    for index in range(SLICES):
        pixels = np.full((8, 8), first + index, np.int16)
        keys = {
            "PatientID": patient,
            "StudyInstanceUID": uid(first + 50),
            "SeriesInstanceUID": uid(first + 60),
        }
        write_ct(
            folder / f"{(index * 7) % 10}.dcm", pixels, number=first + index, z=5.0 * index, **(keys | header)
        )


@functools.cache
def held(patient: str) -> dict[str, bytes]:
    """The files that the archive holds of a patient, by name; written once for all tests."""
    with TemporaryDirectory() as folder:
        write_series(Path(folder), patient)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def pin_of(patient: str) -> Pin:
    first = 100 * PATIENTS.index(patient)
    size = sum(map(len, held(patient).values()))
    return Pin(patient, uid(first + 50), uid(first + 60), SLICES, size)


class Standin:
    """An archive of three patients; ``faults`` are done to a series after its download, one for each try."""

    def __init__(self, **faults: list[Fault | BaseException | None]) -> None:
        self.faults = faults
        self.asked: list[str] = []

    def download(self, pin: Pin, folder: Path) -> None:
        self.asked.append(pin.patient)
        assert list(folder.iterdir()) == []
        for name, content in held(pin.patient).items():
            (folder / name).write_bytes(content)
        planted = self.faults.get(pin.patient)
        fault = planted.pop(0) if planted else None
        if isinstance(fault, BaseException):
            raise fault
        if fault is not None:
            fault(folder)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: datasets.yaml with a source ``scans``, its pin file, and the folder ``data``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINY_SCANS", str(tmp_path / "data"))
    tiny.write(tmp_path, datasets=tiny.DATASETS.replace("\nsources:", f"\nsources:{SOURCE.rstrip()}"))
    rows = ["patient_id,study_instance_uid,series_instance_uid,slices,size_mb,scanner"]
    for patient in PATIENTS:
        pin = pin_of(patient)
        rows.append(f"{patient},{pin.study},{pin.series},{pin.slices},{pin.size_bytes / 1e6:.6f},any")
    (tmp_path / "scans.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def order(here: Path, into: Path | None = None) -> fetch.Order:
    return fetch.order(config.load(here / "datasets.yaml", here / "experiments.yaml"), "scans", into)


def run(here: Path, archive: Standin, into: Path | None = None) -> list[Event]:
    return list(fetch.fetch(order(here, into), lambda pins: archive))


def placed(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*"))


ALL = [f"{patient}/{uid(100 * i + 60)}" for i, patient in enumerate(PATIENTS)]


# --- the packaged collection ---


def test_the_packaged_pins_are_47_patients_and_3954_slices() -> None:
    pins = read_pins(find_pins("qin-lung-ct.csv", Path("nowhere")))
    assert len({pin.patient for pin in pins}) == len({pin.series for pin in pins}) == len(pins) == 47
    assert sum(pin.slices for pin in pins) == 3954
    assert sum(pin.size_bytes for pin in pins) == 2_086_304_644  # 10^6 bytes each, exact to the byte
    for pin in pins:  # 512 x 512 pixels of two bytes, and a header of a few thousand bytes, in each file
        assert 2500 < pin.size_bytes / pin.slices - 2 * 512 * 512 < 5000


@pytest.mark.parametrize(
    ("name", "slices", "size_bytes"),
    [("ldct-abdomen", 16318, 8_593_127_298), ("ldct-chest", 34626, 18_234_304_616)],
)
def test_the_packaged_doses_are_two_equal_series_of_50_patients(
    name: str, slices: int, size_bytes: int
) -> None:
    pins = read_pins(find_pins(f"{name}.csv", Path("nowhere")))
    assert sum(pin.slices for pin in pins) == slices
    assert sum(pin.size_bytes for pin in pins) == pytest.approx(size_bytes, abs=100)
    by_patient: dict[str, list[Pin]] = {}
    for pin in pins:
        by_patient.setdefault(pin.patient, []).append(pin)
    assert len(by_patient) == 50
    for low, full in by_patient.values():
        assert (low.slices, low.study) == (full.slices, full.study)
        assert low.series != full.series


def test_its_default_place_is_that_of_the_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    asked = fetch.order(config.load(packaged("datasets.yaml")), "qin-lung-ct", None)
    assert (asked.folder, len(asked.pins)) == (tmp_path / "qin-lung-ct", 47)
    monkeypatch.delenv("BENCH_DATA")
    monkeypatch.setenv("HOME", str(tmp_path))
    asked = fetch.order(config.load(packaged("datasets.yaml")), "qin-lung-ct", None)
    assert asked.folder == tmp_path / "bench-data" / "qin-lung-ct"


# --- whole, repeated, killed ---


def test_a_whole_fetch_is_placed_imported_and_not_done_again(here: Path) -> None:
    archive, folder = Standin(), here / "data" / "scans"
    events = run(here, archive)
    assert [event.done for event in events if isinstance(event, Progress)] == [0, 4, 8, 12]
    assert placed(folder) == ALL
    found = order(here).catalogue(None)
    assert (len(found.refs), found.patients, found.refused, found.remarks) == (12, PATIENTS, (), ())
    again = Standin()
    events = run(here, again)
    assert (again.asked, archive.asked) == ([], list(PATIENTS))
    assert events[-1] == Message(f"all 3 series are in {folder}")


def test_only_what_is_missing_is_downloaded_again(here: Path) -> None:
    folder = here / "data" / "scans"
    run(here, Standin())
    (folder / ALL[0] / "0.dcm").unlink()
    shutil.rmtree(folder / ALL[2])
    archive = Standin()
    events = run(here, archive)
    assert archive.asked == ["A", "C"]
    assert events[0] == Progress("fetch", "scans", 4, 12)
    assert len(list(folder.glob("*/*/*.dcm"))) == 12
    order(here).catalogue(None)


def test_a_series_that_another_program_put_there_counts(here: Path) -> None:
    """As idc-index lays it out: collection, patient, study, CT_series."""
    folder = here / "data" / "scans"
    write_series(folder / "coll" / "B" / uid(150) / f"CT_{uid(160)}", "B")
    archive = Standin()
    run(here, archive)
    assert archive.asked == ["A", "C"]
    assert len(order(here).catalogue(None).refs) == 12


def test_a_series_behind_a_link_counts(here: Path) -> None:
    """It would be read, so that another download would make it a copy."""
    folder = here / "data" / "scans"
    write_series(here / "disk" / f"CT_{uid(160)}", "B")
    folder.mkdir(parents=True)
    (folder / "older").symlink_to(here / "disk")
    archive = Standin()
    run(here, archive)
    assert archive.asked == ["A", "C"]
    assert len(order(here).catalogue(None).refs) == 12


def test_a_partial_folder_is_no_source(here: Path) -> None:
    run(here, Standin())
    shutil.rmtree(here / "data" / "scans" / "B")
    with pytest.raises(
        BenchError, match=r"1 of 3 series are not there, first .* of patient B; .*fetch scans"
    ):
        order(here).catalogue(None)


KILLED = """
import os, signal, sys
from pathlib import Path
from bench.data import fetch
from tests.data.fetch.test_fetch import Standin, order

class Slow(Standin):
    def download(self, pin, folder):
        super().download(pin, folder)
        if pin.patient == "B":
            print("in the middle", flush=True)
            sys.stdin.read()

for event in fetch.fetch(order(Path(sys.argv[1])), lambda pins: Slow()):
    pass
"""


def test_killed_in_the_middle_it_continues(here: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(here)],
        env=tiny.environment(TINY_SCANS=str(here / "data")),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "in the middle\n"
    with pytest.raises(BenchError, match=r"another bench process \(pid \d+ .*--into"):
        run(here, Standin())
    process.send_signal(signal.SIGKILL)
    process.communicate()
    folder = here / "data" / "scans"
    assert len(list((folder / "B").glob(".tmp-*"))) == 1
    archive = Standin()
    run(here, archive)
    assert (archive.asked, placed(folder)) == (["B", "C"], ALL)


def test_ctrl_c_leaves_nothing_half_done(here: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(here, Standin(B=[KeyboardInterrupt()]))
    folder = here / "data" / "scans"
    assert placed(folder) == ALL[:1]
    run(here, Standin())
    assert placed(folder) == ALL


class DoseStandin:
    """An archive of two patients with a series of each dose."""

    def download(self, pin: Pin, folder: Path) -> None:
        low = pin.series.endswith("2")
        description = "Low Dose Images" if low else "Full Dose Images"
        for z in range(SLICES):
            keys = {"PatientID": pin.patient, "StudyInstanceUID": pin.study, "SeriesInstanceUID": pin.series}
            number = int(pin.series.rpartition(".")[2]) * 10 + z
            pixels = np.full((8, 8), 1100 + z - 100 * low, np.int16)
            write_ct(
                folder / f"{number}.dcm", pixels, number=number, z=z, SeriesDescription=description, **keys
            )


def test_series_of_two_doses_are_fetched_and_become_pairs(here: Path) -> None:
    source = "\n  doses: {kind: pairs, layout: dicom, path: doses, series: doses.csv, matrix: 8}"
    text = (here / "datasets.yaml").read_text().replace("\nsources:", f"\nsources:{source}")
    (here / "datasets.yaml").write_text(
        text.replace("\nconditions:", "\nconditions:\n  quarter_dose: {measured: true}")
    )
    rows = ["patient_id,study_instance_uid,series_instance_uid,slices,size_mb"]
    for patient, number in (("A", 11), ("B", 21)):
        for series in (number, number + 1):
            pin = Pin(patient, uid(number), uid(series), SLICES, 1)
            place = here / "archive" / f"{series}"
            DoseStandin().download(pin, place)
            size = sum(path.stat().st_size for path in place.iterdir())
            rows.append(f"{patient},{pin.study},{pin.series},{SLICES},{size / 1e6:.6f}")
    (here / "doses.csv").write_text("\n".join(rows) + "\n")
    asked = fetch.order(config.load(here / "datasets.yaml", here / "experiments.yaml"), "doses", None)
    events = list(fetch.fetch(asked, lambda pins: DoseStandin()))
    assert events[-1] == Progress("fetch", "doses", 16, 16)
    found = asked.catalogue(None)
    assert (len(found.refs), found.patients, found.kind, found.remarks) == (8, ("A", "B"), "pairs", ())
    shutil.rmtree(here / "doses" / "B" / uid(22))
    with pytest.raises(
        BenchError, match=r"1 of 4 series are not there, .* of patient B; .*bench data fetch doses"
    ):
        asked.catalogue(None)


# --- broken downloads ---


def shorten(folder: Path) -> None:
    path = folder / "4.dcm"
    path.write_bytes(path.read_bytes()[:-10])


def no_dicom(folder: Path) -> None:
    (folder / "4.dcm").write_text("<html>try again later</html>")


def no_dicom_without_suffix(folder: Path) -> None:
    (folder / "4.dcm").unlink()
    (folder / "4").write_text("<html>try again later</html>")


def one_less(folder: Path) -> None:
    (folder / "4.dcm").unlink()


def one_more(folder: Path) -> None:
    write_ct(folder / "99.dcm", np.zeros((8, 8), np.int16), number=99, z=99.0)


def other(**header: object) -> Fault:
    def write(folder: Path) -> None:
        write_series(folder, "A", **header)

    return write


def same_file_twice(folder: Path) -> None:
    shutil.copy(folder / "0.dcm", folder / "4.dcm")


def localizer(folder: Path) -> None:
    write_series(folder, "A", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])


BROKEN = {
    "truncated": (shorten, "truncated: 10 bytes of pixels are missing"),
    "not DICOM": (no_dicom, "4.dcm: not a DICOM file"),
    "not DICOM, no suffix": (no_dicom_without_suffix, "4: not a DICOM file"),
    "one missing": (one_less, "3 files instead of 4"),
    "one too many": (one_more, "5 files instead of 4"),
    "another patient": (other(PatientID="B"), "is of patient B, pinned is A"),
    "another study": (other(StudyInstanceUID=uid(7)), f"is of study {uid(7)}, pinned is {uid(50)}"),
    "another series": (other(SeriesInstanceUID=uid(8)), f"is of series {uid(8)}, pinned is {uid(60)}"),
    "a copy": (same_file_twice, "has the same SOPInstanceUID as 0.dcm"),
    "localizers": (localizer, "0.dcm: localizer"),
    "size": (other(SeriesDescription="x" * 60), "bytes instead of"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_series_is_fetched_once_more_then_left_out_and_named(here: Path, name: str) -> None:
    fault, words = BROKEN[name]
    archive = Standin(A=[fault, fault])
    with pytest.raises(BenchError) as caught:
        run(here, archive)
    assert archive.asked == ["A", "A", "B", "C"]
    text = str(caught.value)
    assert "1 of 3 series arrived broken, first that of patient A: " in text
    assert words in text
    assert text.endswith("run the same command again, it continues")
    assert "\n" not in text
    assert placed(here / "data" / "scans") == ALL[1:]
    again = Standin(A=[fault])
    run(here, again)
    assert again.asked == ["A", "A"]
    assert placed(here / "data" / "scans") == ALL
    order(here).catalogue(None)


def test_the_old_series_stays_until_a_whole_one_replaces_it(here: Path) -> None:
    run(here, Standin())
    old = here / "data" / "scans" / ALL[0]
    (old / "0.dcm").unlink()
    with pytest.raises(BenchError, match="arrived broken"):
        run(here, Standin(A=[one_less, one_less]))
    assert len(list(old.iterdir())) == 3
    run(here, Standin())
    assert len(list(old.iterdir())) == 4
    assert [path.name for path in old.parent.iterdir()] == [old.name]


# --- disk, network, extra ---


def test_disk_too_small_is_said_before_anything_is_downloaded(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(here)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1 << 20))
    archive = Standin()
    with pytest.raises(BenchError, match=r"missing series need .* the disk has 1\.0 MB free; name a larger"):
        run(here, archive)
    assert archive.asked == []


def test_disk_full_on_the_way_is_one_line_and_the_first_series_stays(here: Path) -> None:
    archive = Standin(B=[OSError(errno.ENOSPC, "No space left on device")])
    with pytest.raises(BenchError, match=r"disk full; free 1 MB or name a larger disk with --into"):
        run(here, archive)
    assert placed(here / "data" / "scans") == ALL[:1]


def test_without_network_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    for name in idc._PROXIES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(BenchError, match=r"no network: .* \(host: Name or service not known\); run the same"):
        idc._check_network("host")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    idc._check_network("host")  # a proxy may know the way


def test_without_the_extra_one_line_and_exit_2(
    here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "idc_index.index", None)
    monkeypatch.setattr(sys, "argv", ["bench", "data", "fetch", "scans"])
    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    with pytest.raises(SystemExit) as ended:
        cli.main()
    for number, handler in handlers.items():
        signal.signal(number, handler)
    assert ended.value.code == 2
    err = capfd.readouterr().err
    assert err == "bench: idc-index is not installed; pip install 'ldct-denoising-benchmark[fetch]'\n"


def test_the_command_shows_progress_licence_and_citation(
    here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(idc, "open_client", lambda pins: Standin())
    monkeypatch.setattr(sys, "argv", ["bench", "data", "fetch", "scans", "--into", "elsewhere"])
    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    with pytest.raises(SystemExit) as ended:
        cli.main()
    for number, handler in handlers.items():
        signal.signal(number, handler)
    out, err = capfd.readouterr()
    assert (ended.value.code, err) == (0, "")
    assert out.splitlines()[3].endswith("fetching scans: 12 of 12 slices")
    assert out.endswith(
        "source scans: 12 slices, 3 patients\nlicence: CC BY 3.0\nplease cite: Somebody 2015\n"
    )
    assert placed(here / "elsewhere") == ALL


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("scan", "unknown source 'scan'; sources that can be fetched: scans"),
        ("phantom", "sources.phantom: names no pin file under series; sources that can be fetched: scans"),
    ],
)
def test_what_cannot_be_fetched(here: Path, name: str, words: str) -> None:
    settings = config.load(here / "datasets.yaml", here / "experiments.yaml")
    with pytest.raises(BenchError, match=words):
        fetch.order(settings, name, None)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("P,1.2,1.3,x,1.5", "x slices of 1.5 MB are no numbers"),
        ("P,1.2,1.3,0,1.5", "0 slices of 1.5 MB cannot be"),
        ("P,1.2,1.3,4,nan", "are no numbers"),
        ("P,1.2,,4,1.5", "series_instance_uid is empty"),
        ("../P,1.2,1.3,4,1.5", "cannot be the name of a folder"),
        ("P,1.2,../1.3,4,1.5", "are no DICOM UIDs"),
        ("P,1.2,1.3,4,1.5\nQ,1.2,1.3,4,1.5", "series 1.3 twice"),
        ("", "names no series"),
    ],
)
def test_a_wrong_pin_file_is_one_line(tmp_path: Path, row: str, words: str) -> None:
    place = tmp_path / "pins.csv"
    place.write_text(f"patient_id,study_instance_uid,series_instance_uid,slices,size_mb\n{row}\n")
    with pytest.raises(BenchError, match=words):
        read_pins(place)


# --- the real client ---


def test_the_real_client_takes_what_it_is_given() -> None:
    index = pytest.importorskip("idc_index.index")
    keywords = inspect.signature(index.IDCClient.download_from_selection).parameters
    given = {
        "downloadDir",
        "seriesInstanceUID",
        "quiet",
        "show_progress_bar",
        "dirTemplate",
        "source_bucket_location",
    }
    assert given <= set(keywords)
    assert index.aws_endpoint_url.startswith("https://")


S5CMD = """#!{python}
import sys
from pathlib import Path
from tests.data.fetch.test_fetch import write_series
if "run" in sys.argv:
    command, address, target = Path(sys.argv[-1]).read_text().split()
    Path({log!r}).write_text(f"{{command}} {{address}}")
    if {fail}:
        print('ERROR "cp": no such host', file=sys.stderr)
        sys.exit(1)
    write_series(Path(target.strip('"')), "A")
"""


@pytest.mark.slow  # pytest -m slow tests/data/test_fetch.py; reads the whole index of the archive
@pytest.mark.parametrize("fail", [False, True])
def test_the_real_client_with_a_stand_in_for_its_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fail: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    """``idc-index`` finds the series and writes the command; s5cmd is a script that writes the files."""
    pytest.importorskip("idc_index")
    program, log = tmp_path / "bin" / "s5cmd", tmp_path / "log"
    program.parent.mkdir()
    program.write_text(S5CMD.format(python=sys.executable, log=str(log), fail=fail))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(tiny.ROOT))
    monkeypatch.setattr(idc, "_check_network", lambda host: None)
    pin = read_pins(find_pins("qin-lung-ct.csv", Path("nowhere")))[0]
    archive, folder = idc.open_client([pin]), tmp_path / "new"
    folder.mkdir()
    if fail:
        with pytest.raises(BenchError, match=r"cannot be downloaded \(\"cp\": no such host\); see to"):
            archive.download(pin, folder)
    else:
        archive.download(pin, folder)
        assert len(list(folder.iterdir())) == SLICES
        with pytest.raises(checks.Broken, match="4 files instead of 130"):
            checks.check(folder, pin)
    assert log.read_text() == "cp s3://idc-open-data/37760583-2b23-4665-b1bf-0e5da3be00cb/*"
    assert capfd.readouterr().err == ""


def test_a_stray_lock_file_is_no_dicom_file(here: Path) -> None:
    with atomic.lock(here / "data" / "scans" / ".fetch-lock"):
        pass
    run(here, Standin())
    assert len(order(here).catalogue(None).refs) == 12

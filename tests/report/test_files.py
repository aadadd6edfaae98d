"""The files of a report: raw scores, intervals, LaTeX that would compile, single numbers, figures, masks."""

from __future__ import annotations

import csv
import io
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy import stats

from bench import report
from bench.report import masks
from bench.report.render import latex, pdf, svg_file
from tests.report.latex_check import faults
from tests.report.test_drawing import HOSTILE, images

PATIENTS = ("LIDC-0003", "LIDC-0012", "LIDC-0007", "Müller, K.", "p10", "p9", "LIDC-0044")
SLICES = [(patient, f"1.3.6.1.4.{at:03d}") for at, patient in enumerate(PATIENTS * 2)]
HISTORY = [{"epoch": e, "psnr": 28.0 + e, "psnr_input": 25.0} for e in (1, 2, 3)]
LABELS = (
    "100 % & _more_ #1 {x} ~^\\ \"q\" 'p' `b`",
    "Dosis ½ für Łódź, σ² ≥ 3 µm – „neu“",  # noqa: RUF001
    "低剂量 -- 70 kV",
    "*[a]",
    "",
)


@pytest.fixture
def named(bench: Any, scores: Any) -> Any:
    """A run with telling names: a slice without a finite score, a failed cell, a leaky split, a split file."""
    bench.patients, bench.slices = {"train": 2, "test": 7}, {"train": 2, "test": 14}
    bench.leaky = "patient LIDC-0012 is in train and test, and p9 too"
    for condition, shift in (("sv60", 0.0), ("ldct", 1.0)):
        psnr = np.linspace(24.0, 27.0, len(SLICES)) + shift
        bench.add("input", condition, scores(psnr.tolist(), slices=SLICES), samples=_samples())
        bench.add(
            "unet", condition, scores((psnr + 3).tolist(), slices=SLICES), history=HISTORY, samples=_samples()
        )
    odd = scores((psnr + 2).tolist(), slices=SLICES)
    odd[3]["psnr.slice_max"] = float("inf")
    bench.add("ddnet", "ldct", odd, history=HISTORY)
    cell = bench.add("ddnet", "sv60", status="failed")
    store = bench.run.cell(cell.id)
    record = store.read_record()
    attempt = record.attempts[0].model_copy(update={"message": "loss is nan at LIDC-0007/1.3.6.1.4.002"})
    store.write_record(record.model_copy(update={"attempts": (attempt,)}))
    lines = [("part", "fold", "patient", "slice"), ("train", "", "LIDC-0001", "1.3.6.1.4.900")]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([*lines, *(("test", "", *name) for name in SLICES)])
    bench.save()
    bench.run.write_split(text.getvalue())
    return bench


def _samples() -> tuple[list[str], dict[str, np.ndarray]]:
    return ["LIDC-0003/1.3.6.1.4.000"], images()[1]


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_slice_score_of_the_finished_cells(named: Any, tmp_path: Path) -> None:
    report.publish(named.run, tmp_path)
    rows = table(tmp_path / "slices.csv")
    assert list(rows[0])[:7] == ["profile", "condition", "model", "seed", "fold", "patient", "slice"]
    assert len(rows) == 5 * len(SLICES)  # the failed cell has none
    for result in named.run.read_all(named.run.read_plan()):
        spec = result.planned.spec
        mine = {
            (row["patient"], row["slice"]): row
            for row in rows
            if (row["condition"], row["model"]) == (spec.dataset.condition, spec.model)
        }
        assert len(mine) == len(result.scores)
        for line in result.scores:
            shown = mine[line["patient"], line["slice"]]
            assert all(float(shown[m]) == line[m] for m in line if m not in ("patient", "slice"))


def test_intervals_labels_and_cost_stand_in_the_long_form(bench: Any, scores: Any, tmp_path: Path) -> None:
    bench.conditions = {"sv60": "60 views"}
    slices = [("a", "1"), ("a", "2"), ("a", "3"), ("b", "1"), ("c", "1")]
    psnr = [30.0, 31.0, 32.0, 33.0, 36.0]  # patients: 31, 33, 36; slices: 32.4
    cell = bench.add("unet", "sv60", scores(psnr, slices=slices))
    bench.add("ddnet", "sv60", scores(psnr[:3], slices=slices[:3]))
    report.publish(bench.save(), tmp_path)
    rows = {(row["model"], row["metric"]): row for row in table(tmp_path / "results.csv")}
    row, record = rows["unet", "psnr.slice_max"], bench.run.cell(cell.id).read_record()
    low, high = stats.t.interval(0.95, 2, np.mean([31, 33, 36]), stats.sem([31, 33, 36]))
    assert (float(row["mean"]), float(row["low"]), float(row["high"])) == pytest.approx((32.4, low, high))
    assert (row["condition_label"], row["model_label"], row["metric_label"]) == ("60 views", "UNet", "PSNR")
    assert (int(row["parameters"]), int(row["updates"])) == (record.parameters["total"], 100)
    assert (float(row["train_s"]), float(row["ms_per_slice"])) == (75.0, 12.5)
    alone = rows["ddnet", "psnr.slice_max"]
    assert (alone["patients"], alone["low"], alone["high"]) == ("1", "", "")  # one patient has no interval


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-0.25", "$-$0.25"),
        ("+0.50 [-.12, 0.30]", "+0.50 {[}$-$.12, 0.30{]}"),
        ("DD-Net s-1 2026-11-26 1e-5", "DD-Net s-1 2026-11-26 1e-5"),
        ("a--b ,,c", "a-{}-b ,{},c"),
        ("x² H₂ \N{GREEK SMALL LETTER SIGMA} µ", r"x\textsuperscript{2} H\textsubscript{2} $\sigma$ $\mu$"),
        ("e\N{COMBINING ACUTE ACCENT} Ł", "\N{LATIN SMALL LETTER E WITH ACUTE} Ł"),
        ("\u4f4e\u200b", r"\ldctletter{" + "\u4f4e" + "}{{[}U+4F4E{]}}"),
        ("100\u00a0% _&#$", r"100 \% \_\&\#\$"),
    ],
)
def test_latex_prints_the_text_as_it_is(text: str, expected: str) -> None:
    assert latex.escape(text) == expected


@pytest.mark.parametrize("label", [HOSTILE, *LABELS])
def test_every_table_would_compile_with_any_label(
    filled: Callable[..., Any], tmp_path: Path, label: str
) -> None:
    made = filled(
        models={"unet": label, "ddnet": f"{label} {label * 5}"}, conditions={"sv60": label, "ldct": "b"}
    )
    report.publish(made.save(), tmp_path)
    files = [*tmp_path.glob("*.tex"), *(tmp_path / "tex").glob("*.tex")]
    assert {"results.tex", "numbers.tex", "scores.tex", "cost.tex"} <= {path.name for path in files}
    for path in files:
        assert faults(path.read_text(encoding="utf-8")) == [], path.name
    assert r"\caption[{Gain over the input}]{" in (tmp_path / "tex" / "gain.tex").read_text(encoding="utf-8")
    together = (tmp_path / "results.tex").read_text(encoding="utf-8")
    single = {path.stem: path.read_text(encoding="utf-8") for path in (tmp_path / "tex").iterdir()}
    apart = {name for name, text in single.items() if text.split(r"\begin{table}", 1)[1] not in together}
    assert apart == {"by-convention"}  # too long for a page: one file holds all others


@pytest.mark.parametrize(
    "broken",
    [
        r"\unknown", "{", "}{", "50 %", r"\begin{table}", "a $b", r"$\textbf{x}$", "\u4f4e",
        "\\begin{tabular}{lr}\na & b & c \\\\\n\\end{tabular}",
        "\\begin{tabular}{lr}\n[a] & b \\\\\n\\end{tabular}",
    ],
)  # fmt: skip
def test_the_check_of_latex_sees_what_is_broken(broken: str) -> None:
    assert faults(broken)


def test_numbers_have_keys(named: Any, tmp_path: Path) -> None:
    report.publish(named.run, tmp_path)
    text = (tmp_path / "numbers.tex").read_text(encoding="utf-8")
    numbers = dict(re.findall(r"\\csname ldct:(.*?)\\endcsname\{(.*)\}$", text, re.MULTILINE))
    assert (numbers["hand/patients"], numbers["hand/slices"]) == ("7", "14")
    assert numbers["hand/sv60/unet/psnr.slice_max"] == "28.50"  # 25.5 of the input and 3
    assert numbers["hand/sv60/unet/psnr.slice_max/gain"] == "+3.00"
    assert numbers["hand/sv60/unet/rmse.hu/gain"] == r"\ensuremath{-}6.0"
    assert numbers["hand/sv60/unet/parameters"] == "1,000"
    assert not any(key.startswith("hand/sv60/ddnet") for key in numbers)  # it failed


def test_figures_are_files_of_their_own(named: Any, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        report.publish(named.run, tmp_path / folder)
    assert everything(tmp_path / "a") == everything(tmp_path / "b")
    svgs = sorted((tmp_path / "a" / "figures").glob("*.svg"))
    assert [path.stem for path in svgs if path.stem.startswith("curves")] == [
        "curves-60-views",
        "curves-low-dose",
    ]
    for path in svgs:
        text = path.read_text(encoding="utf-8")
        root = ElementTree.fromstring(text)
        assert root.attrib["width"].endswith("pt") and root.attrib["font-family"]
        assert not re.search(r"var\(|currentColor|http(?!://www.w3.org/)", text)
        assert {"UNet", "DD-Net"} & {
            "".join(one.itertext()) for one in root.iter() if one.tag.endswith("text")
        }
        content = path.with_suffix(".pdf").read_bytes()
        assert content.startswith(b"%PDF") and not re.search(rb"CreationDate|/Type /Font\b", content)
        width, height = map(float, root.attrib["viewBox"].split()[2:])
        box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+) ?\]", content)
        assert box and [float(side) for side in box.groups()] == pytest.approx([width, height], abs=0.01)


def test_the_pdf_shows_what_the_svg_shows() -> None:
    """Two strokes and a square, in numbers of the page: 100 x 50 points, y upwards."""
    inline = (
        '<svg viewBox="0 0 100 50"><g><path d="M 10 10 L 60 40" style="fill: none; stroke: var(--series-2); '
        'stroke-width: 2; stroke-dasharray: 6,2"/><path d="M 70 0 L 80 0 L 80 10 z" style="fill: currentColor"/>'
        '<circle r="1"/></g></svg>'
    )
    with pytest.raises(ValueError, match="<circle> of a drawing cannot be put into a PDF"):
        pdf.render(svg_file.render(inline, (), "x"))
    made = pdf.render(svg_file.render(inline.replace('<circle r="1"/>', ""), (), "x"))
    streams = re.findall(rb"stream\n(.*?)\nendstream", made, re.DOTALL)
    page = next(text for text in map(_inflated, streams) if " l\n" in text)
    assert "10 40 m\n60 10 l" in page and "[ 6 2 ] 0 d" in page and "2 w" in page
    assert "70 50 m\n80 50 l\n80 40 l" in page
    r, g, b = (int(svg_file.COLOURS["series-2"][at : at + 2], 16) / 255 for at in (1, 3, 5))
    assert f"{r:.10f} {g:.10f} {b:.10f} RG" in page


def _inflated(stream: bytes) -> str:
    try:
        return zlib.decompress(stream).decode("latin-1")
    except zlib.error:
        return ""


def test_files_of_an_earlier_report_go_and_those_of_others_stay(named: Any, tmp_path: Path) -> None:
    report.publish(named.run, tmp_path)
    (tmp_path / "tex" / "mine.tex").write_text("% my own\n")
    for folder in ("tex", "figures"):
        kept = next((tmp_path / folder).glob("*"))
        kept.with_stem("earlier").write_bytes(kept.read_bytes())
    before = {path for path in everything(tmp_path) if "earlier" not in path}
    report.publish(named.run, tmp_path)
    assert set(everything(tmp_path)) == before


def test_no_true_name_leaves_the_folder_under_masks(named: Any, tmp_path: Path) -> None:
    open_report = report.publish(named.run, tmp_path / "open")
    made = report.publish(named.run, tmp_path / "masked", mask_patients=True)
    names = {name for pair in [*SLICES, ("LIDC-0001", "1.3.6.1.4.900")] for name in pair} - {"p9", "p10"}
    for file, content in everything(tmp_path / "masked").items():
        text = content.decode("utf-8", errors="replace")
        assert not [name for name in names if name in text], file
        assert not re.search(r"\bp(9|10)\b", text), file
    assert "LIDC-0012" in (tmp_path / "open" / "results.md").read_text(encoding="utf-8")
    notices = " ".join(made.table.notices)  # numbers in the order of the true names, the training patient too
    assert "patient 4 is in train and test, and patient 8 too" in notices
    # the numbers are those of the open report, draws of the bootstrap included
    numbers = [[re.findall(r"[-+]?\d*\.\d+", path.read_text(encoding="utf-8")) for path in files] for files in (
        [tmp_path / name / "tex" / "spread.tex", tmp_path / name / "tex" / "lead.tex"] for name in ("open", "masked")
    )]  # fmt: skip
    assert numbers[0] == numbers[1]
    assert open_report.table.numbers == made.table.numbers
    one, other = (table(tmp_path / name / "slices.csv") for name in ("open", "masked"))
    assert [row["psnr.slice_max"] for row in one] == [row["psnr.slice_max"] for row in other]
    assert {row["patient"] for row in other} == {f"patient {number}" for number in range(2, 9)}


def test_masks_do_not_depend_on_which_cells_have_ended(named: Any) -> None:
    plan = named.run.read_plan()
    results = named.run.read_all(plan)
    first = masks.masked(named.run, plan, results[:1])[1][0].scores
    assert first == masks.masked(named.run, plan, results)[1][0].scores


def test_masks_in_texts() -> None:
    mask = masks.mask_of([("p1", "a.npy"), ("p1", "b.npy"), ("p11", "a.npy"), ("", "c")])
    assert mask.text("p11/a.npy and p1/b.npy of p1, not p12 nor xp1") == (
        "patient 2, slice 1 and patient 1, slice 2 of patient 1, not p12 nor xp1"
    )
    assert mask.text("see p1_x") == "see patient 1_x"
    assert mask.sample("p1/b.npy") == "patient 1/slice 2"
    assert (mask.sample("a.npy"), mask.sample("c")) == ("a slice", "slice 1")  # of two patients, of one


def test_why_a_cell_failed_stands_unless_it_holds_a_path(named: Any) -> None:
    plan, results = named.run.read_plan(), named.run.read_all(named.run.read_plan())
    (failed,) = (one for one in masks.masked(named.run, plan, results)[1] if one.record.status == "failed")
    assert failed.record.attempts[-1].message == "loss is nan at patient 3, slice 1"
    record = failed.record.attempts[-1].model_copy(update={"message": "cannot read /data/x/Maier/1.dcm"})
    broken = next(one for one in results if one.record.status == "failed")
    broken.folder.write_record(broken.record.model_copy(update={"attempts": (record,)}))
    again = masks.masked(named.run, plan, named.run.read_all(plan))[1]
    assert [one.record.attempts[-1].message for one in again if one.record.status == "failed"] == [
        masks.WITHHELD
    ]
    fell = "validation PSNR fell to 12.35 dB at epoch 5, below the input (28.00 dB)"  # decimals are no file
    assert masks._message(fell, masks.mask_of([("p1", "a.npy")])) == fell

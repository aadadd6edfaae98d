"""What is drawn: golden Markdown, escaped names, a page that asks no server, LaTeX and CSV that parse."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import report
from bench.config.schema import Published
from bench.errors import BenchError
from bench.report.render import markdown

GOLDEN = Path(__file__).parent.parent / "golden"
HOSTILE = "<script>alert(1)</script> a|b_c & $d$ #1 100% \\x {y} **z** [l](http://evil.example) ~^\"'\n# h"
VOID = {"meta", "link", "img", "input", "br", "hr"}


def images() -> tuple[list[str], dict[str, np.ndarray]]:
    """One sample slice whose output is 100 HU too high at the top left."""
    reference = np.full((1, 16, 16), 40.0, np.float32)
    output = reference.copy()
    output[0, 0, 0] += 100
    return ["p1/a"], {"input": reference - 50, "output": output, "reference": reference}


class Page(HTMLParser):
    """Collects what a page asks for, and whether its elements are nested properly."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.requests: list[str] = []
        self.images: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for key, value in attrs:
            if (
                key in ("src", "href", "srcset", "action", "data", "poster", "xlink:href")
                and value
                and tag != "a"
            ):
                self.requests.append(value)
                self.images += [value] if tag == "img" else []
            if key == "id" and value:
                self.ids.append(value)
            assert not key.startswith("on")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def drawn(bench: Any, tmp_path: Path) -> dict[str, str]:
    """Return the written files by their suffix."""
    paths = report.publish(bench.save(), tmp_path / "reports").paths
    main, more = paths[:4], [path.name for path in paths[4:]]
    assert [path.name for path in main] == ["results.md", "results.html", "results.csv", "results.tex"]
    assert (
        more == ["slices.csv", "numbers.tex", "tex", "figures"][: len(more)]
    )  # no figures, no folder of them
    return {path.suffix: path.read_text(encoding="utf-8") for path in main}


@pytest.fixture
def varied(bench: Any, scores: Any) -> Any:
    """Every kind of cell: winners, a diverged, a failed and a missing one, one with other metrics."""
    bench.models = {"unet": "UNet", "dncnn": "DnCNN", "ddnet": "DD-Net"}
    bench.published = Published(
        source="A. Author 2018", collection="other", recipe="study", test_slices=354,
        metrics=["psnr.slice_max", "ssim.column"], values={"sv60": {"unet": [29.5, 0.93]}},
    )  # fmt: skip
    history = [{"epoch": e, "psnr": 28.0 + e, "psnr_input": 25.0} for e in (1, 2, 3)]
    for condition in ("sv60", "ldct"):
        bench.add("input", condition, scores([24.0, 25.0, 26.0, 29.0], 0.8), samples=images())
    bench.add("unet", "sv60", scores([30.0, 31.0, 32.0, 33.0], 0.91), samples=images(), history=history)
    bench.add("dncnn", "sv60", status="diverged", epoch=7, history=history)
    bench.add("ddnet", "sv60", scores([30.5, 31.0, 32.0, 34.0], 0.90999), samples=images())
    bench.add("unet", "ldct", status="failed")
    bench.add("dncnn", "ldct", scores([23.0, 25.0, 26.0, 29.0], 0.85), samples=images())
    bench.add("ddnet", "ldct", status=None)
    return bench


def test_whole_markdown(varied: Any, tmp_path: Path) -> None:
    # Golden text: written by this code from the scores above, then read and checked by hand (means, bold,
    # signs, states, reasons). A difference means that what users read has changed: read it first.
    assert drawn(varied, tmp_path)[".md"] == (GOLDEN / "report.md").read_text(encoding="utf-8")


def test_writing_twice_gives_equal_bytes(varied: Any, tmp_path: Path) -> None:
    assert drawn(varied, tmp_path / "a") == drawn(varied, tmp_path / "b")


def test_page_is_well_formed_and_asks_no_server(varied: Any, tmp_path: Path) -> None:
    text = drawn(varied, tmp_path)[".html"]
    page = Page(text)
    assert page.open == []
    assert "iframe" not in page.tags and page.tags.count("script") == 1 + 1 + 3  # program, index, images
    assert re.findall(r"<script([^>]*)>", text).count("") == 1
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'" in text
    assert "fetch(" not in text and "XMLHttpRequest" not in text and "import(" not in text
    assert page.requests and all(value.startswith(("data:", "#")) for value in page.requests)
    assert not re.search(r"url\(\s*['\"]?(?!#|['\"]?data:)", text) and "@import" not in text
    assert len(page.ids) == len(set(page.ids))
    assert set(re.findall(r'href="#([\w-]+)"', text)) <= set(page.ids)


def test_every_image_has_its_credit(varied: Any, tmp_path: Path) -> None:
    text = drawn(varied, tmp_path)[".html"]
    captions = re.findall(
        r'<figure class="sample[^>]*>.*?<figcaption>(.*?)</figcaption>\s*</figure>', text, re.DOTALL
    )
    assert len(captions) == 2
    assert all("A. Author 2020, doi 10.0/none. Licence: CC-BY-4.0." in caption for caption in captions)
    # sv60: input and two networks with differences, reference; ldct: one network less
    assert len(Page(text).images) == (3 * 2 + 1) + (2 * 2 + 1)
    assert 'loading="lazy"' not in text  # a printed page would show black boxes


def test_restricted_source_shows_no_image(varied: Any, tmp_path: Path) -> None:
    varied.source["restricted"] = True
    text = drawn(varied, tmp_path)[".html"]
    assert Page(text).images == [] and "data:image" not in text and 'class="hu"' not in text
    assert "No image is shown: the source is marked as restricted" in text


def test_hostile_names_stay_text(filled: Callable[..., Any], tmp_path: Path) -> None:
    source = {"title": HOSTILE, "licence": HOSTILE, "citation": HOSTILE, "kind": "npz", "collection": HOSTILE}
    made = drawn(
        filled(models={"unet": HOSTILE, "ddnet": "DD"}, conditions={"sv60": HOSTILE}, source=source), tmp_path
    )
    page = Page(made[".html"])
    assert page.tags.count("script") == 1 and page.open == [] and "alert(1)" in page.text
    table = [line for line in made[".md"].splitlines() if line.startswith("|")]
    cells = [len(re.findall(r"(?<!\\)\|", line)) for line in table[:3]]
    assert cells == [5, 5, 5]
    assert "<script" not in made[".md"] and "](http" not in made[".md"].replace("\\[l](http", "")
    tables = made[".tex"].split(r"\begin{table}", 1)[1].replace(r"\width>\linewidth", "")
    body = re.sub(r"\\[\\{}$&#_%^~]|\$[\\a-z-]+\$", "", tables)
    assert not re.search(r"[$#_%~^<>|\"]", re.sub(r"(?<= )&(?= )", "", body.replace("\\\\", "")))
    read = list(csv.DictReader(io.StringIO(made[".csv"])))
    assert {row["condition"] for row in read} == {"sv60"}


def test_markdown_shows_text_as_it_is() -> None:
    commonmark = pytest.importorskip("markdown_it")
    html = commonmark.MarkdownIt().enable("table").render(f"| {markdown.escape(HOSTILE)} |\n|---|\n")
    assert Page(html).text.split() == HOSTILE.split()
    assert set(Page(html).tags) == {"table", "thead", "tr", "th"}


def test_latex_braces_and_environments_balance(varied: Any, tmp_path: Path) -> None:
    text = drawn(varied, tmp_path)[".tex"]
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")
    assert re.findall(r"\\begin\{(\w+)\}", text).count("table") == text.count(r"\end{table}") > 1
    assert r"\textbf{31.88} / .9100" not in text  # bold belongs to each number of its own
    assert r"\textbf{31.88} / \textbf{.9100}" in text


def test_csv_keeps_raw_numbers(varied: Any, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(drawn(varied, tmp_path)[".csv"])))
    assert len(rows) == 8 * 4  # planned cells and metrics
    psnr = {(r["condition"], r["model"]): r for r in rows if r["metric"] == "psnr.slice_max"}
    best = psnr["sv60", "ddnet"]
    assert (best["mean"], best["winner"], best["slices"], best["patients"]) == ("31.875", "true", "4", "2")
    assert float(best["sd_patients"]) == pytest.approx(np.std([30.75, 33.0], ddof=1))
    assert float(best["gain"]) == 31.875 - 26.0
    assert (psnr["sv60", "dncnn"]["status"], psnr["sv60", "dncnn"]["mean"]) == ("diverged (epoch 7)", "")
    assert (psnr["sv60", "unet"]["published"], psnr["sv60", "unet"]["comparable"]) == ("29.5", "false")
    assert psnr["ldct", "ddnet"]["status"] == "not run yet"


def test_no_run_is_one_line(bench: Any, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no run here yet; run: bench run --all") as caught:
        report.publish(bench.run, tmp_path / "reports")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "reports").exists()


def test_broken_samples_are_one_line(varied: Any, tmp_path: Path) -> None:
    folder = varied.run.cell("unet-sv60-s1-0").folder
    (folder / "samples.npz").write_bytes(b"no samples")
    with pytest.raises(BenchError, match=r"samples\.npz: broken"):
        drawn(varied, tmp_path)


def test_importing_the_report_loads_no_drawing_library() -> None:
    heavy = "matplotlib pandas jinja2 PIL tabulate keras tensorflow jax models"
    code = f"import sys, bench.report; print([name for name in '{heavy}'.split() if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_network_that_returns_its_input_is_marked_in_every_format(
    bench: Any, scores: Any, tmp_path: Path
) -> None:
    # 0.04 dB from the input in every slice is below the hair of 0.05; up and down by 1 dB is not, at the same mean.
    bench.models = {"unet": "UNet", "dncnn": "DnCNN", "ddnet": "DD-Net"}
    bench.conditions = {"sv60": "60 views"}
    bench.add("input", "sv60", scores([25.0, 26.0, 27.0, 28.0]))
    bench.add("unet", "sv60", scores([25.04, 25.96, 27.04, 27.96]))
    bench.add("dncnn", "sv60", scores([26.0, 25.0, 28.0, 27.0]))
    bench.add("ddnet", "sv60", scores([25.06, 26.06, 27.06, 28.06]))
    texts = drawn(bench, tmp_path)
    sections = ("Scores", "Gain over the input", "Error in HU", "Spread over patients and seeds", "Cost")
    for title in sections:  # the lines of a section of the Markdown, and the note below its table
        section = texts[".md"].split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]
        assert sum("(output = input)" in line for line in section.splitlines()) == 1, title
        assert section.count("has not learned to change its input") == 1, title
    marked = [line for line in texts[".md"].splitlines() if "(output = input)" in line]
    assert re.search(r"26\.50 / \S+ \(output = input\)", marked[0])
    for ending, mark in (
        (".tex", "(output = input)"),
        (".html", '<span class="detail">output = input</span>'),
    ):
        shown = re.sub(r"<tbody hidden.*?</tbody>", "", texts[ending], flags=re.DOTALL)
        assert sum(mark in line for line in shown.splitlines()) == len(marked), ending
        assert texts[ending].count("has not learned to change its input") == len(marked), ending
    rows = list(csv.DictReader(io.StringIO(texts[".csv"])))
    assert {(row["model"], row["output_is_input"]) for row in rows} == {
        ("input", ""), ("unet", "true"), ("dncnn", "false"), ("ddnet", "false")
    }  # fmt: skip


def test_nothing_is_marked_where_networks_change_their_input(varied: Any, tmp_path: Path) -> None:
    texts = drawn(varied, tmp_path)
    assert not [ending for ending in (".md", ".html", ".tex") if "output = input" in texts[ending]]

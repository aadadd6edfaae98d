"""The page itself: every number leads to its cell, settings, accessibility by hand, and the script in a browser."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from bench import report
from bench.report.board import scoreboard
from bench.report.sections import settings

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--virtual-time-budget=2000",
]  # fmt: skip
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def page(bench: Any, tmp_path: Path) -> str:
    report.publish(bench.save(), tmp_path / "reports")
    return (tmp_path / "reports" / "results.html").read_text(encoding="utf-8")


class Elements(HTMLParser):
    """All elements of a page: tag and attributes, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append((tag, dict(attrs)))

    def of(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.all if tag in tags]


def test_every_number_leads_to_its_cell(filled: Callable[..., Any], tmp_path: Path) -> None:
    bench = filled()
    (bench.run.cell("unet-sv60-s1-0").folder / "log.txt").write_text("ended", encoding="utf-8")
    text = page(bench, tmp_path)
    scores = text.split('<section id="scores">')[1].split("</section>")[0]
    body = scores.split("<tbody data-choice")[1].split("</tbody>")[0]
    assert re.findall(r'href="#([^"]*)"', body) == [
        f"cell-{condition}--{model}" for condition in ("sv60", "ldct") for model in ("input", "unet", "ddnet")
    ]
    card = text.split('id="cell-sv60--unet"')[1].split("</details>")[0]
    assert ">p1<" in card and ">29.67<" in card  # mean of 29.5 and 29.8333: the two slices of p1
    links = re.findall(r'href="([^"#]*)"', card)
    assert [link.rsplit("/", 1)[1] for link in links] == ["record.json", "scores.csv", "log.txt"]
    assert all((tmp_path / "reports" / link).exists() for link in links)


def test_a_page_without_a_place_names_files_but_links_none(filled: Callable[..., Any]) -> None:
    from bench.report import table
    from bench.report.render import html

    store = filled().save()
    plan = store.read_plan()
    text = html.render(table.build(plan, store.read_all(plan)))
    assert "record.json" in text and 'record.json"' not in text


def test_settings_are_a_folded_table_with_the_published_values(
    filled: Callable[..., Any], tmp_path: Path
) -> None:
    scaled = (
        "size 64 instead of 512",
        "batch 5 instead of 30",
        "at most 84 train slices",
        "9 views instead of 720",
    )
    bench = filled(scaled=scaled)
    store = bench.save()
    plan = store.read_plan()
    grid = settings.grid(scoreboard(plan, store.read_all(plan)))
    assert grid is not None
    rows = {row[0].parts[0].text: (row[1].parts[0].text, row[1].detail) for row in grid.rows}
    assert rows["size"] == ("64", "published: 512")
    assert rows["views"] == ("9", "published: 720")
    assert rows["batch"] == ("5", "published: 30")
    assert rows["at most 84 train slices"] == ("yes", "published: no")
    assert rows["loss"] == ("half_sse", "")
    text = page(bench, tmp_path)
    assert "batch 5 instead of 30" not in text.split("<main>")[0]
    assert (
        '<details id="provenance-settings">' in text
        and 'href="#provenance-settings">scaled in 4 points, listed under Settings<' in text
    )


def test_the_page_can_be_read_by_every_reader(filled: Callable[..., Any], tmp_path: Path) -> None:
    history = [{"epoch": e, "psnr": 28.0 + e, "psnr_input": 25.0} for e in (1, 2, 3)]
    bench = filled(skip=(("unet", "ldct"),))
    bench.add("unet", "ldct", status="failed", history=history)
    text = page(bench, tmp_path)
    elements = Elements(text)
    assert elements.of("html") == [{"lang": "en"}]
    assert all(len(elements.of(tag)) == 1 for tag in ("h1", "main", "header", "footer", "nav", "title"))
    levels = [int(tag[1]) for tag, _ in elements.all if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and all(b - a <= 1 for a, b in itertools.pairwise(levels))
    assert all(th.get("scope") in ("col", "row") for th in elements.of("th"))
    labels = [one["aria-label"] for _, one in elements.all if one.get("role") == "region"]
    assert labels and len(labels) == len(set(labels))
    assert all(one.get("aria-label") for _, one in elements.all if one.get("role") == "img")
    named = {one["for"] for one in elements.of("label")}
    assert {one["id"] for one in elements.of("select")} <= named
    ids = [one["id"] for _, one in elements.all if "id" in one]
    assert len(ids) == len(set(ids))
    targets = {str(one["href"])[1:] for one in elements.of("a") if str(one["href"]).startswith("#")}
    assert targets <= set(ids)
    assert ":focus-visible" in text and not re.search(r"outline:\s*(0|none)", text)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(filled: Callable[..., Any], tmp_path: Path, scheme: str) -> None:
    blocks = re.findall(r":root \{(.*?)\}", page(filled(), tmp_path), re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", blocks[0]))
    if scheme == "dark":
        colours |= dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", blocks[1]))
    for ground in ("page", "card"):
        for ink in ("ink", "quiet", "accent", "bad", "best-ink"):
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
        for series in range(1, 9):  # lines and dots
            assert contrast(colours[f"series-{series}"], colours[ground]) >= 3.0, (series, ground)
    assert contrast(colours["best-ink"], colours["best"]) >= 4.5
    assert contrast(colours["ink"], colours["warn"]) >= 4.5


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours after WCAG 2.2: 1 to 21."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_switch_sort_and_fold_in_a_browser(filled: Callable[..., Any], scores: Any, tmp_path: Path) -> None:
    bench = filled(skip=(("unet", "sv60"), ("ddnet", "ldct")))
    bench.add("unet", "sv60", status="failed")
    bench.add("ddnet", "ldct", scores(33.0))
    text = page(bench, tmp_path)
    driver = """<script>addEventListener("load", () => {
  const said = [], all = (s) => [...document.querySelectorAll(s)];
  const shown = (at = 3) => all("#scores tbody:not([hidden]) tr").map((r) => r.cells[at].innerText.trim()).join("|");
  said.push(shown());
  const select = document.querySelector("#scores-choice");
  const choose = (value) => { select.value = value; select.dispatchEvent(new Event("change")); };
  choose("rmse.hu"); said.push(shown(), document.querySelector("#scores [role=status]").innerText.trim());
  choose("");
  const heading = (at) => document.querySelectorAll("#scores thead th")[at];
  const click = (at) => {
    heading(at).querySelector("button").click();
    said.push(heading(at).ariaSort + " " + shown(at));
  };
  for (const at of [3, 3, 3, 2, 2]) click(at);
  said.push(heading(3).ariaSort);
  said.push(document.querySelector(".switch").hidden);
  dispatchEvent(new Event("beforeprint")); said.push(all("details:not([open])").length);
  dispatchEvent(new Event("afterprint")); said.push(all("details[open]").length);
  location.hash = "#cell-sv60--unet";
  addEventListener("hashchange", () => {
    said.push(document.getElementById("cell-sv60--unet").open);
    document.title = said.join(" ; ");
  });
});</script></body>"""
    path = tmp_path / "driven.html"
    policy = f'<head><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    path.write_text(text.replace("<head>", policy, 1).replace("</body>", driver), encoding="utf-8")
    assert CHROMIUM is not None
    profile = f"--user-data-dir={tmp_path / 'browser'}"
    command = [CHROMIUM, *FLAGS, profile, "--dump-dom", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert title is not None
    said = title.group(1).split(" ; ")
    assert said == [
        "31.00/.9000|33.00/.9000", "38.0|34.0", "RMSE (HU): range none; lower is better.",
        "descending 33.00/.9000|31.00/.9000", "ascending 31.00/.9000|33.00/.9000", "null 31.00/.9000|33.00/.9000",
        "descending 30.00/.9100|failed", "ascending 30.00/.9100|failed",  # without a value: always last
        "", "false", "0", "0", "true",
    ]  # fmt: skip

"""Tables and figures of a run: a pure function of its plan and records, no backend needed.

``write`` makes ``results.md``, ``results.html``, ``results.csv`` and ``results.tex``. Drawing libraries are
imported when something is drawn, so importing this package stays cheap.
"""

from __future__ import annotations

from pathlib import Path

from bench.records.store import RunStore


def write(run: RunStore, reports: Path) -> list[Path]:
    """Write the tables of ``run`` into the folder ``reports`` and return their paths.

    Raises:
        BenchError: there is no plan, or a plan, record or table of scores is broken.
    """
    from bench import atomic
    from bench.records import forecasts
    from bench.report import table
    from bench.report.render import csv, html, latex, markdown

    plan = run.read_plan()
    tables = table.build(plan, run.read_all(plan), run.others(plan), forecasts.read(run.root).cells)
    texts = {
        "results.md": markdown.render(tables),
        "results.html": html.render(tables, reports),
        "results.csv": csv.render(tables),
        "results.tex": latex.render(tables),
    }
    for name, text in texts.items():
        atomic.write_text(reports / name, text)
    return [reports / name for name in texts]

"""Hooks of mkdocs: pages made from the README and its like, from the commands, from docstrings, and from records."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import click
from mkdocs.structure.files import File, Files

from bench.cli import cli
from bench.records.store import RunStore
from bench.report import publish

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmarks.md",
}
MODULES = (
    "bench.api",
    "bench.trained",
    "bench.metrics",
    "bench.metrics.conventions",
    "bench.report.false_claims",
    "models.unet",
    "models.dncnn",
    "models.ddnet",
)
LINK = re.compile(r"\[([^\]]*)\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)\s]*)?\)")
EXAMPLE = """# Example report

The page that `bench report` writes, from the records of the smoke run that lie in this repository:
[open it alone](example-report.html). Its phantom is no patient, and the images of its slices are not kept there.

<iframe src="../example-report.html" title="Example report" style="width:100%; height:80vh; border:1px solid #888">
</iframe>
"""


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are not written by hand in this folder."""
    texts = {target: (ROOT / source).read_text(encoding="utf-8") for source, target in PAGES.items()}
    texts |= {
        "commands.md": commands(),
        "api.md": api(),
        "example.md": EXAMPLE,
        "example-report.html": example(),
    }
    for name, text in texts.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Return a page whose links lead to pages of the site; what is no page of it stays as the name of the file."""
    source = {target: origin for origin, target in PAGES.items()}.get(
        page.file.src_uri, f"docs/{page.file.src_uri}"
    )

    def follow(match: re.Match[str]) -> str:
        words, path, anchor = match[1], match[2], match[3] or ""
        if files.get_file_from_path(path) and page.file.src_uri not in PAGES.values():
            return match[0]
        target = (ROOT / source).parent.joinpath(path).resolve()
        name = target.relative_to(ROOT).as_posix() if target.is_relative_to(ROOT) else path
        place = PAGES.get(name, name.removeprefix("docs/"))
        return f"[{words}]({place}{anchor})" if files.get_file_from_path(place) else f"{words} (`{name}`)"

    return LINK.sub(follow, markdown)


def commands() -> str:
    """Return the help of every command as a page."""
    lines = ["# Commands", "", "What each command prints with `--help`."]
    waiting: list[tuple[str, click.Command]] = [("bench", cli)]
    while waiting:
        name, command = waiting.pop(0)
        context = click.Context(command, info_name=name, max_content_width=80, terminal_width=80)
        lines += ["", f"## {name}", "", "```text", command.get_help(context), "```"]
        if isinstance(command, click.Group):
            waiting = [(f"{name} {one}", command.commands[one]) for one in sorted(command.commands)] + waiting
    return "\n".join(lines) + "\n"


def api() -> str:
    """Return the page of the modules that a program may use."""
    return "\n\n".join(["# Python", *(f"::: {module}" for module in MODULES)]) + "\n"


def example() -> str:
    """Return the page of a report made from the committed records."""
    with tempfile.TemporaryDirectory() as folder:
        return publish(RunStore(ROOT / "benchmarks/records/smoke"), Path(folder)).page.read_text(
            encoding="utf-8"
        )

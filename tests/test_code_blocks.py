"""Every block of code in the documents does what it says, in a folder like the reader's.

A block that needs what no test has says so in a comment above it: ``<!-- not run by the tests: REASON -->``. The run of
the profile ``paper`` here is one of a small network on a small phantom; it stands for every profile that is named.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from tests import test_readme, tiny
from tests.data import bodies

REASONS = {".ci/run does", "a cluster", "a network", "a network, a GPU", "MATLAB", "PyTorch"}
PICTURES = ("text", "bibtex")  # no code
FENCE = re.compile(
    r"^(?:<!-- not run by the tests: (?P<reason>[^>]+) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.M | re.S,
)
NAMED = re.compile(r"# ([\w/]+\.(?:py|yaml))\b")  # the first line of a block that is a file
PROFILE = re.compile(r"(?<![\w-])(?:smoke|tiny)(?![\w.])")


class Block(NamedTuple):
    """A fenced block; ``section`` is the heading that it stands under."""

    section: str
    language: str
    reason: str
    text: str


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page in their order."""
    text = (tiny.ROOT / page).read_text(encoding="utf-8")
    headings = [(found.start(), found[1]) for found in re.finditer(r"^## (.*)$", text, re.M)]
    return [
        Block(
            next((name for place, name in reversed(headings) if place < found.start()), ""),
            found["language"],
            found["reason"] or "",
            found["text"],
        )
        for found in FENCE.finditer(text)
    ]


PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (tiny.ROOT / "docs").glob("*.md"))]
BY_OTHERS = {  # what runs a page, or a language of it
    ("README.md", "python"): "test_readme", ("README.md", "yaml"): "test_readme", ("README.md", "sh"): "test_readme",
    ("docs/python.md", "python"): "test_python", ("docs/data.md", "yaml"): "test_docs",
    ("docs/metrics.md", "yaml"): "test_docs", ("docs/networks.md", "yaml"): "test_readme",
}  # fmt: skip


def trained(folder: Path, run: Path) -> None:
    """A folder with a finished run, and what the pages take for granted in it."""
    shutil.copytree(run, folder, dirs_exist_ok=True)
    (folder / "mynet.py").write_text("def denoise(image):\n    return 0.9 * image - 50\n")
    np.save(folder / "in.npy", np.full((3, 40, 37), 40, np.float32))
    for other in ("before", "runs-of-b", "runs-of-c"):
        shutil.copytree(folder / "runs", folder / other)


def empty(folder: Path, _: Path) -> None:
    """A folder with scans and without files of this program."""
    bodies.write(folder / "other", "npz", bodies.stored("npz"))
    (folder / "other" / "mine").rename(folder / "mine")


def packaged(folder: Path, _: Path) -> None:
    """A folder whose files make the packaged profiles quick."""
    (folder / "datasets.yaml").write_text(
        test_readme.FEW_SLICES.replace("ldct_2e5", "ldct_1e5"), encoding="utf-8"
    )
    small = test_readme.SMALL.replace("smoke:", "zoo-smoke:").replace("size: 32", "size: 64")
    (folder / "experiments.yaml").write_text(f"schema: 1\nextends: packaged{small}", encoding="utf-8")


PREPARED: dict[str, Callable[[Path, Path], None]] = {
    "docs/ci.md": trained, "docs/clusters.md": trained, "docs/denoise.md": trained, "docs/first-steps.md": empty,
    "docs/json.md": trained, "docs/metrics.md": trained, "docs/networks.md": packaged, "docs/submit.md": trained,
    "docs/tutorial.md": trained,
}  # fmt: skip
FEW = "sed -i 's/train: 84, validation: 12, test: 24/train: 8, validation: 4, test: 4/; s/seen: [0-9]*/seen: 8/' *.yaml"
REPLACED = {  # beside the profile: the golden file of this stand-in, and places that each reader has his own for
    "docs/ci.md": {"verify --profile paper --junit": "verify --golden golden.json --junit"},
    "docs/denoise.md": {"IN OUT": "in.npy out.npy"},
    "docs/first-steps.md": {"/path/to/slices": "mine", "bench run": f"{FEW}\nbench run"},
}
#: The section whose file the page's first block needs.
MADE_FIRST = {"docs/ci.md": "A golden file of your own"}


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_run_or_says_why_not(page: str) -> None:
    for block in blocks(page):
        assert block.language, f"{page}: a block without a language: {block.text[:60]}"
        assert block.reason in {"", *REASONS}
        if not block.reason and block.language not in PICTURES and (page, block.language) not in BY_OTHERS:
            assert page in PREPARED, f"{page}: nothing runs {block.text[:60]!r}"
    for own, language in BY_OTHERS:
        assert any(block.language == language for block in blocks(own))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run of the profile ``paper``."""
    folder = tmp_path_factory.mktemp("run")
    experiments = tiny.EXPERIMENTS.replace("tiny:", "paper:").replace(
        "[sparse, noisy]", "[ldct_7e4, ldct_1e5]"
    )
    datasets = tiny.DATASETS.replace("sparse: {views: 30}", "ldct_1e5: {photons: 1e5}").replace(
        "noisy:", "ldct_7e4:"
    )
    done = tiny.bench(tiny.write(folder, datasets, experiments), "run", "--all")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A search path on which the commands are those of this checkout."""
    folder = tmp_path_factory.mktemp("bin")
    for name, words in {"bench": "-m bench", "pytest": "-m pytest", "python": ""}.items():
        (folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        (folder / name).chmod(0o755)
    return f"{folder}:/usr/local/bin:/usr/bin:/bin"


@pytest.mark.integration
@pytest.mark.parametrize("page", PREPARED)
def test_the_blocks_of_a_page_do_what_they_say(page: str, run: Path, path: str, tmp_path: Path) -> None:
    env = tiny.environment(PATH=path, GITHUB_STEP_SUMMARY="summary.md", BENCH_CACHE=str(tmp_path / "cache"))
    here = [block for block in blocks(page) if not block.reason and (page, block.language) not in BY_OTHERS]
    here.sort(key=lambda block: block.section != MADE_FIRST.get(page))
    for section in dict.fromkeys(block.section for block in here):
        folder = tmp_path / "page" if PREPARED[page] is not empty else tmp_path / re.sub(r"\W", "-", section)
        if not folder.exists():
            folder.mkdir()
            PREPARED[page](folder, run)
        for block in here:
            if block.section == section and block.language not in PICTURES:
                _run(block, REPLACED.get(page, {}), folder, env)


def _run(block: Block, replaced: dict[str, str], folder: Path, env: dict[str, str]) -> None:
    text = PROFILE.sub("paper", block.text)
    for old, new in replaced.items():
        text = text.replace(old, new)
    if named := NAMED.match(text):
        target = folder / named[1]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return
    words = ["bash", "-euo", "pipefail", "-c", text] if block.language == "sh" else ["python", "-c", text]
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"

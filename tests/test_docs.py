"""What the guides tell a person to write is accepted as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.config import load as config
from bench.config import schema
from bench.metrics import CONVENTIONS
from tests import tiny

BLOCKS = [
    block
    for guide in sorted((tiny.ROOT / "docs").glob("*.md"))
    for block in re.findall(r"```yaml\n(.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL)
    if block.startswith("sources:")
]


@pytest.mark.parametrize("block", BLOCKS)
def test_sources_conditions_and_splits_of_the_guides(tmp_path: Path, block: str) -> None:
    sections = re.split(r"^(?=\w+:$)", block, flags=re.MULTILINE)
    text = tiny.DATASETS
    for section in filter(None, sections):
        head, _, rest = section.partition("\n")
        assert f"\n{head}\n" in text
        text = text.replace(f"\n{head}\n", f"\n{head}\n{rest}")
    tiny.write(tmp_path, text)
    found = config.load(tmp_path / "datasets.yaml", tmp_path / "experiments.yaml").datasets
    for name, source in found.sources.items():
        assert isinstance(source, schema.Source)
        assert f"  {name}:" in text


def test_a_published_table_as_the_guide_writes_it(tmp_path: Path) -> None:
    guide = (tiny.ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
    folder = tiny.write(tmp_path, experiments=tiny.EXPERIMENTS)
    (folder / "published").mkdir()
    (folder / "published" / "a.yaml").write_text(block.replace("ldct_7e4", "noisy"), encoding="utf-8")
    (table,) = config.load(folder / "datasets.yaml", folder / "experiments.yaml").further.values()
    assert table.values == {"noisy": {"unet": [31.07]}}


def test_the_guide_has_a_line_for_every_convention_of_psnr() -> None:
    guide = (tiny.ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| `(psnr\.\w+)` \|", guide, re.MULTILINE)
    assert lines == [name for name in CONVENTIONS if name.startswith("psnr.")]


def test_there_is_a_block() -> None:
    assert any("layout: dicom" in block for block in BLOCKS)

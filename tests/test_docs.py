"""What the guides tell a person to write is accepted as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.config import load as config
from bench.config import schema
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


def test_there_is_a_block() -> None:
    assert any("layout: dicom" in block for block in BLOCKS)

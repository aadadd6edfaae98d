"""The code that runs is the code that the id names: files changed between plan, import and use."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import provenance
from bench.importing import CodeChanged, Planned, function

BUILD = "ownnets.net:build"


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Path]:
    package = tmp_path / "ownnets"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "net.py").write_text(
        "from ownnets import parts\n\ndef build(value=1):\n    from ownnets.late import last\n"
        "    return [value, parts.PART, last()]\n"
    )
    (package / "parts.py").write_text("PART = 1\n")
    (package / "late.py").write_text("def last():\n    return 1\n")
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "ownnets"]:
        del sys.modules[name]


def plan(base: Path) -> Planned:
    sources = provenance.code_sources(BUILD, base)
    return Planned(str(base), provenance.hash_of(sources), provenance.module_hashes(sources))


def write(base: Path, name: str, text: str) -> Path:
    """Write a file with the size and time that it had, as a quick editor would: a compiled copy would be taken."""
    path = base / "ownnets" / f"{name}.py"
    times = path.stat()
    assert len(text) == times.st_size
    path.write_text(text)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [("parts", "PART = 2\n"), ("late", "def last():\n    return 2\n")],
    ids=["at once", "late"],
)
def test_a_file_that_changed_since_the_plan_is_refused_by_name(base: Path, name: str, text: str) -> None:
    planned = plan(base)
    assert function(BUILD, planned)() == [1, 1, 1]
    path = write(base, name, text)
    with pytest.raises(CodeChanged) as caught:
        function(BUILD, planned)
    assert str(caught.value) == f"{path} has changed since the plan was made; run again"
    found = function(BUILD, plan(base))()
    assert found == ([1, 2, 1] if name == "parts" else [1, 1, 2])  # the new plan runs the new code, all of it


def test_a_late_import_gets_what_was_planned(base: Path) -> None:
    build = function(BUILD, plan(base))
    write(base, "late", "def last():\n    return 2\n")
    assert build() == [1, 1, 1]


def test_the_bytes_that_are_hashed_are_those_that_run(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is changed in the moment after its hash was taken: what runs is still what was hashed."""
    planned, original = plan(base), provenance.hash_of

    def hash_and_change(sources: dict) -> str:
        found = original(sources)
        write(base, "parts", "PART = 2\n")
        return found

    monkeypatch.setattr(provenance, "hash_of", hash_and_change)
    assert function(BUILD, planned)() == [1, 1, 1]


def test_a_comment_is_no_change(base: Path) -> None:
    planned = plan(base)
    (base / "ownnets" / "parts.py").write_text("PART = 1  # a comment\n")
    assert function(BUILD, planned)() == [1, 1, 1]


def test_unchanged_modules_are_not_executed_again(base: Path) -> None:
    assert function(BUILD, plan(base)) is function(BUILD, plan(base))


def test_a_package_without_init_works_too(base: Path) -> None:
    (base / "ownnets" / "__init__.py").unlink()
    sys.path.insert(0, str(base))
    try:
        assert function(BUILD, plan(base))() == [1, 1, 1]
        write(base, "parts", "PART = 2\n")
        assert function(BUILD, plan(base))() == [1, 2, 1]
    finally:
        sys.path.remove(str(base))

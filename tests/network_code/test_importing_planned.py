"""The code that runs is the code that the id names: files changed between plan, import and use.

Each test runs for a network beside the experiments file, which has private names, and for one on the import path.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.network_code import hashing
from bench.network_code.importing import CodeChanged, Planned, function
from models import initializers

BUILD = "ownnets.net:build"


@pytest.fixture(params=["beside", "on path"])
def base(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the experiments file; the network is in ``FOLDER``."""
    home = tmp_path / ("mine" if request.param == "beside" else "elsewhere")
    package = home / "ownnets"
    package.mkdir(parents=True)
    (tmp_path / "mine").mkdir(exist_ok=True)
    if request.param != "beside":
        monkeypatch.syspath_prepend(str(home))
    (package / "__init__.py").write_text("")
    (package / "net.py").write_text(
        "from ownnets import parts\n\ndef build(value=1):\n    from ownnets.late import last\n"
        "    return [value, parts.PART, last()]\n"
    )
    (package / "parts.py").write_text("PART = 1\n")
    (package / "late.py").write_text("def last():\n    return 1\n")
    yield tmp_path / "mine"
    for name in [name for name in sys.modules if name.partition(".")[0] == "ownnets"]:
        del sys.modules[name]


def plan(base: Path) -> Planned:
    sources = hashing.code_sources(BUILD, base)
    return Planned(str(base), hashing.hash_of(sources), hashing.file_hashes(sources))


def folder(base: Path) -> Path:
    """Return where the network's files are."""
    return next(base.parent.glob("*/ownnets"))


def write(base: Path, name: str, text: str) -> Path:
    """Write a file with the size and time that it had, as a quick editor would: a compiled copy would be taken."""
    path = folder(base) / f"{name}.py"
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
    planned, original = plan(base), hashing.hash_of

    def hash_and_change(sources: dict) -> str:
        found = original(sources)
        write(base, "parts", "PART = 2\n")
        return found

    monkeypatch.setattr(hashing, "hash_of", hash_and_change)
    assert function(BUILD, planned)() == [1, 1, 1]


def test_a_comment_is_no_change(base: Path) -> None:
    planned = plan(base)
    (folder(base) / "parts.py").write_text("PART = 1  # a comment\n")
    assert function(BUILD, planned)() == [1, 1, 1]


def test_unchanged_modules_are_not_executed_again(base: Path) -> None:
    assert function(BUILD, plan(base)) is function(BUILD, plan(base))


def test_a_package_without_init_works_too(base: Path) -> None:
    (folder(base) / "__init__.py").unlink()
    assert function(BUILD, plan(base))() == [1, 1, 1]
    write(base, "parts", "PART = 2\n")
    assert function(BUILD, plan(base))() == [1, 2, 1]


def test_a_file_that_is_broken_or_gone_since_the_plan_is_a_change_too(base: Path) -> None:
    planned = plan(base)
    path = write(base, "parts", "PART = =\n")
    with pytest.raises(CodeChanged) as caught:
        function(BUILD, planned)
    assert str(caught.value) == (
        f"the code of {BUILD} has changed since the plan was made ({path}:1: not Python: invalid syntax); run again"
    )
    (folder(base) / "net.py").unlink()
    with pytest.raises(
        CodeChanged, match=r"the code of ownnets\.net:build has changed since the plan was made"
    ):
        function(BUILD, planned)


def test_an_earlier_network_keeps_its_code_where_a_later_plan_has_another(tmp_path: Path) -> None:
    """Beside the experiments file: what was built first goes on as it was, in late imports too."""
    package = tmp_path / "ownnets"
    package.mkdir()
    (package / "net.py").write_text("def build():\n    from .late import VALUE\n    return VALUE\n")
    (package / "late.py").write_text("VALUE = 1\n")
    first = function(BUILD, plan(tmp_path))
    (package / "late.py").write_text("VALUE = 2\n")
    second = function(BUILD, plan(tmp_path))
    assert (second(), first()) == (2, 1)


def test_a_file_that_appears_after_reading_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A neighbour of the packaged module's name, written between hash and execution."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "net.py").write_text(
        "from models.initializers import CHOICES\n\ndef build():\n    return CHOICES\n"
    )
    build, original = "models.net:build", hashing.code_sources
    sources = original(build, tmp_path)
    planned = Planned(str(tmp_path), hashing.hash_of(sources))

    def read_and_add(*arguments: Any) -> Any:
        found = original(*arguments)
        (tmp_path / "models" / "initializers.py").write_text("CHOICES = 'other'\n")
        return found

    monkeypatch.setattr(hashing, "code_sources", read_and_add)
    assert function(build, planned)() == initializers.CHOICES
    with pytest.raises(CodeChanged, match=r"the code of models\.net:build has changed"):
        function(build, planned)


def test_of_two_modules_of_one_name_the_changed_file_is_named(tmp_path: Path) -> None:
    """One is the packaged ``models.output``, which the packaged UNet imports, one is the user's."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "net.py").write_text(
        "from models import unet, output\n\ndef build():\n    return output.X\n"
    )
    path = tmp_path / "models" / "output.py"
    path.write_text("X = 1\n")
    sources = hashing.code_sources("models.net:build", tmp_path)
    assert [found.name for found in sources].count("models.output") == 2
    planned = Planned(str(tmp_path), hashing.hash_of(sources), hashing.file_hashes(sources))
    assert function("models.net:build", planned)() == 1
    path.write_text("X = 2\n")
    with pytest.raises(CodeChanged) as caught:
        function("models.net:build", planned)
    assert str(caught.value) == f"{path} has changed since the plan was made; run again"

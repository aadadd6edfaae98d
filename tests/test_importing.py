"""Networks of one's own beside those of this program: small modules whose values tell which file was read."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import importing, modules, provenance, signatures
from bench.errors import BenchError

Write = Callable[..., Path]

NET = """
from models.blocks import NAME as absolute
from models.initializers import CHOICES
from . import blocks
from .blocks import NAME as relative
import models.blocks
import models.blocks as renamed
import helper


def build(width=1):
    from .late import VALUE

    return (absolute, relative, blocks.NAME, models.blocks.NAME, renamed.NAME, helper.NAME, VALUE, CHOICES[0])
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A function that writes modules into a folder of its own, which is returned."""

    def folder(name: str, **files: str) -> Path:
        base = tmp_path / name
        for path, text in files.items():
            file = base / (path.replace("__", "/") + ".py")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return base

    return folder


@pytest.fixture
def base(write: Write) -> Path:
    """A folder with a network that uses every way to import its neighbours, without an ``__init__.py``."""
    return write(
        "mine",
        models__mynet=NET,
        models__blocks="NAME = 'mine'\n",
        models__late="VALUE = 3\n",
        helper="NAME = 'helper'\n",
    )


@pytest.fixture(autouse=True)
def foreign(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package called ``models`` of somebody else, first on the import path."""
    other = write("other", models__blocks="NAME = 'foreign'\n", models__initializers="raise SystemExit(1)\n")
    (other / "models" / "__init__.py").write_text("raise SystemExit('foreign')\n")
    monkeypatch.syspath_prepend(str(other))
    monkeypatch.delitem(sys.modules, "models", raising=False)


def test_every_import_statement_means_the_neighbour_and_else_the_packaged_module(base: Path) -> None:
    before = {name for name in sys.modules if name.partition(".")[0] == "models"}
    net = importing.load("models.mynet", base)
    assert net.build() == ("mine", "mine", "mine", "mine", "mine", "helper", 3, "normal_0.01")
    assert {name for name in sys.modules if name.partition(".")[0] == "models"} == before


def test_packaged_networks_load_beside_a_folder_of_the_same_name_that_has_their_files(write: Write) -> None:
    base = write("mine", models__output="raise SystemExit('mine')\n", models__mynet="X = 1\n")
    unet = importing.load("models.unet", base)
    assert Path(str(unet.__file__)) == modules.program() / "models" / "unet.py"
    assert unet.output.__module__.endswith("models.output")
    assert importing.load("models.mynet", base).X == 1


def test_two_folders_do_not_share_their_modules(write: Write) -> None:
    first = write("one", models__mynet="from .blocks import X\n", models__blocks="X = 1\n")
    second = write("two", models__mynet="from models.blocks import X\n", models__blocks="X = 2\n")
    assert [importing.load("models.mynet", base).X for base in (first, second)] == [1, 2]


def test_code_is_read_from_its_text_and_nothing_is_written_beside_it(base: Path) -> None:
    importing.load("models.mynet", base)
    assert not list(base.rglob("__pycache__"))


def test_a_line_of_a_traceback_is_that_of_the_file(write: Write) -> None:
    text = "import models.blocks, helper\n\n\ndef build():\n    return 1 / 0\n"
    base = write("mine", models__mynet=text, models__blocks="", helper="")
    with pytest.raises(ZeroDivisionError) as caught:
        importing.load("models.mynet", base).build()
    assert caught.traceback[-1].lineno == 4  # from 0


def test_a_package_on_the_import_path_is_imported_as_always(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(
        "path", mylab__nets="from mylab.parts import X\n", mylab__parts="X = 5\n", mylab____init__=""
    )
    monkeypatch.syspath_prepend(str(path))
    assert importing.load("mylab.nets", write("mine", other="")).X == 5
    assert sys.modules.pop("mylab.nets").__name__ == "mylab.nets"


@pytest.mark.parametrize("file", ["models/mynet", "models/blocks", "models/late", "helper"])
def test_the_hash_covers_what_is_imported(base: Path, file: str) -> None:
    before = provenance.code_hash("models.mynet:build", base)
    path = base / f"{file}.py"
    path.write_text(path.read_text() + "\nMORE = 1\n")
    assert provenance.code_hash("models.mynet:build", base) != before


def test_the_hash_knows_neither_its_folder_nor_an_empty_init_file(base: Path, tmp_path: Path) -> None:
    before = provenance.code_hash("models.mynet:build", base)
    (base / "models" / "__init__.py").write_text("")
    assert provenance.code_hash("models.mynet:build", base) == before
    moved = base.rename(tmp_path / "moved")
    assert provenance.code_hash("models.mynet:build", moved) == before


def test_a_packaged_network_has_the_hash_that_its_cells_have_had(base: Path) -> None:
    """The same from any folder: a folder ``models`` of one's own is not part of it."""
    elsewhere = provenance.code_hash("models.unet:build", base)
    assert elsewhere == provenance.code_hash("models.unet:build", modules.program())


def test_a_name_that_is_nowhere_says_where_it_was_looked_for(base: Path) -> None:
    with pytest.raises(BenchError) as caught:
        signatures.build_info("models.mynett:build", base)
    assert str(caught.value) == (
        "no module models.mynett; looked in the folder models beside the file and among the networks of this "
        "program; did you mean models.mynet?"
    )
    with pytest.raises(BenchError, match=r"no module models\.foreign"):
        importing.load("models.foreign", base)

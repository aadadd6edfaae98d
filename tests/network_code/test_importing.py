"""Networks of one's own beside those of this program: small modules whose values tell which file was read."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from bench import seeds
from bench.errors import BenchError
from bench.network_code import hashing, importing, locate, signature
from bench.network_code.importing import Planned
from bench.network_code.importing.path import PathFinder

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


def load(module: str, base: Path) -> ModuleType:
    return importing.load(f"{module}:build", Planned(str(base)))


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
    net = load("models.mynet", base)
    assert net.build() == ("mine", "mine", "mine", "mine", "mine", "helper", 3, "normal_0.01")
    assert {name for name in sys.modules if name.partition(".")[0] == "models"} == before


def test_packaged_networks_load_beside_a_folder_of_the_same_name_that_has_their_files(write: Write) -> None:
    base = write("mine", models__output="raise SystemExit('mine')\n", models__mynet="X = 1\n")
    unet = load("models.unet", base)
    assert Path(str(unet.__file__)) == locate.program() / "models" / "unet.py"
    assert unet.output.__module__.endswith("models.output")
    assert load("models.mynet", base).X == 1


@pytest.mark.parametrize(
    "text",
    ["import models.gone", "from models.gone import x", "from .gone import x", "import models.gone as gone"],
)
def test_a_module_that_is_nowhere_is_not_taken_from_another_package(write: Write, text: str) -> None:
    gone = write("elsewhere", models__gone="x = 1\n")
    sys.path.append(str(gone))
    base = write("mine", models__mynet=f"def build():\n    {text}\n")
    try:
        with pytest.raises(ModuleNotFoundError, match=r"^no module models\.gone$"):
            load("models.mynet", base).build()
    finally:
        sys.path.remove(str(gone))


def test_two_folders_do_not_share_their_modules(write: Write) -> None:
    first = write("one", models__mynet="from .blocks import X\n", models__blocks="X = 1\n")
    second = write("two", models__mynet="from models.blocks import X\n", models__blocks="X = 2\n")
    assert [load("models.mynet", base).X for base in (first, second)] == [1, 2]


def test_code_is_read_from_its_text_and_nothing_is_written_beside_it(base: Path) -> None:
    load("models.mynet", base)
    assert not list(base.rglob("__pycache__"))


def test_a_line_of_a_traceback_is_that_of_the_file(write: Write) -> None:
    text = "import models.blocks, helper\n\n\ndef build():\n    return 1 / 0\n"
    base = write("mine", models__mynet=text, models__blocks="", helper="")
    with pytest.raises(ZeroDivisionError) as caught:
        load("models.mynet", base).build()
    assert caught.traceback[-1].lineno == 4  # from 0


def test_a_package_on_the_import_path_is_imported_as_always(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("path", mylab__nets="from mylab.parts import X\n", mylab__parts="X = 5\n")
    (path / "mylab" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(path))
    assert load("mylab.nets", write("mine", other="")).X == 5
    assert sys.modules.pop("mylab.nets").__name__ == "mylab.nets"


def test_what_this_program_runs_on_is_not_loaded_a_second_time(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network's function may be one of this program or of a library itself."""
    assert importing.function("bench.seeds:derive", Planned(str(base))) is seeds.derive
    monkeypatch.setattr(sys, "meta_path", sys.meta_path[:])
    found = locate.find("numpy.linalg", base)
    assert found is not None
    finder = PathFinder()
    finder.take({found: b"raise SystemExit(1)"})
    assert sys.modules["numpy.linalg"] is np.linalg
    assert finder.find_spec("numpy.linalg") is None


def test_every_package_around_a_module_is_hashed_and_executed(write: Write) -> None:
    """Also one that has an ``__init__.py`` above a folder without."""
    base = write("mine", lab__inner__net="import lab\n\ndef build():\n    return lab.A\n")
    (base / "lab" / "__init__.py").write_text("A = 1\n")
    before = hashing.code_hash("lab.inner.net:build", base)
    assert load("lab.inner.net", base).build() == 1
    (base / "lab" / "__init__.py").write_text("A = 2\n")
    assert hashing.code_hash("lab.inner.net:build", base) != before
    assert load("lab.inner.net", base).build() == 2


def test_a_module_named_at_run_time_is_refused_because_no_hash_covers_it(write: Write) -> None:
    text = "import importlib\n\ndef build():\n    return importlib.import_module('.blocks', __package__)\n"
    base = write("mine", models__mynet=text, models__blocks="X = 1\n")
    with pytest.raises(ImportError, match=r"no module models\.blocks in the code that a cell's id names"):
        load("models.mynet", base).build()


def test_a_neighbour_that_may_be_absent_may_be_absent(write: Write) -> None:
    text = "try:\n    from . import extra\nexcept ImportError:\n    extra = None\n"
    assert load("models.mynet", write("mine", models__mynet=text)).extra is None


@pytest.mark.parametrize("file", ["models/mynet", "models/blocks", "models/late", "helper"])
def test_the_hash_covers_what_is_imported(base: Path, file: str) -> None:
    before = hashing.code_hash("models.mynet:build", base)
    path = base / f"{file}.py"
    path.write_text(path.read_text() + "\nMORE = 1\n")
    assert hashing.code_hash("models.mynet:build", base) != before


def test_the_hash_knows_neither_its_folder_nor_an_empty_init_file(base: Path, tmp_path: Path) -> None:
    before = hashing.code_hash("models.mynet:build", base)
    (base / "models" / "__init__.py").write_text("")
    assert hashing.code_hash("models.mynet:build", base) == before
    moved = base.rename(tmp_path / "moved")
    assert hashing.code_hash("models.mynet:build", moved) == before


def test_a_packaged_network_has_the_hash_that_its_cells_have_had(base: Path) -> None:
    """The same from any folder: a folder ``models`` of one's own is not part of it."""
    elsewhere = hashing.code_hash("models.unet:build", base)
    assert elsewhere == hashing.code_hash("models.unet:build", locate.program())


def test_a_name_that_is_nowhere_says_where_it_was_looked_for(base: Path) -> None:
    with pytest.raises(BenchError) as caught:
        signature.build_info("models.mynett:build", base)
    assert str(caught.value) == (
        "no module models.mynett; looked in the folder models beside the file and among the networks of this "
        "program; did you mean models.mynet?"
    )
    with pytest.raises(BenchError, match=r"no module models\.foreign"):
        load("models.foreign", base)

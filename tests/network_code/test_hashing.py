"""Oracle: small module files written here, whose changes are known to matter or not."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.network_code import hashing, locate, signature

ROOT = Path(__file__).resolve().parents[2]

NET = '''"""A network."""

from __future__ import annotations

import no_such_library

from pack.parts import part
from pack import other as alias

MULTIPLE: int = 8
"""Sides."""


def build(first, /, second=2, *, third, fourth=None):
    """Build it."""
    # a comment
    from .late import deep

    return part(first) + deep()
'''


@pytest.fixture
def base(tmp_path: Path) -> Path:
    package = tmp_path / "pack"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "net.py").write_text(NET)
    (package / "parts.py").write_text("from pack import deeper\n\ndef part(x):\n    return deeper.f(x)\n")
    (package / "deeper.py").write_text("def f(x):\n    return x + 1\n")
    (package / "late.py").write_text("def deep():\n    return 1\n")
    (package / "other.py").write_text("X = 1\n")
    (package / "stranger.py").write_text("Y = 1\n")
    return tmp_path


def hash_of(base: Path) -> str:
    return hashing.code_hash("pack.net:build", base)


def test_build_info_reads_the_signature_and_the_multiple(base: Path) -> None:
    info = signature.build_info("pack.net:build", base)
    assert info.parameters == ("second", "third", "fourth")  # a positional-only one cannot be named in params
    assert info.required == ("first", "third")
    assert (info.multiple, info.file, info.open) == (8, base / "pack" / "net.py", False)


def test_a_module_without_a_multiple_takes_any_size(base: Path) -> None:
    (base / "pack" / "net.py").write_text("def build(**anything): ...\n")
    info = signature.build_info("pack.net:build", base)
    assert (info.multiple, info.open, info.parameters) == (1, True, ())


def test_the_networks_of_this_project_are_found_from_anywhere(tmp_path: Path) -> None:
    info = signature.build_info("models.unet:build", tmp_path)
    assert info.file == ROOT / "models" / "unet.py"
    assert info.multiple == 16
    assert {"batch_norm", "momentum", "residual"} <= set(info.parameters)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        ("pack.net", "must be module:function, not 'pack.net'"),
        ("pack.net:", "must be module:function"),
        ("pack/net.py:build", "must be module:function"),
        ("pack.nett:build", r"no module pack.nett; .* did you mean pack.net\?"),
        ("nopack.net:build", "no module nopack.net"),
        ("pack.net:built", "no function built in module pack.net; it has: build"),
        ("pack.net:part", "no function part"),
    ],
)
def test_what_cannot_be_found_is_named(base: Path, build: str, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        signature.build_info(build, base)


def test_a_broken_file_is_named_with_its_line(base: Path) -> None:
    (base / "pack" / "deeper.py").write_text("x = 1\nx = = 2\n")
    with pytest.raises(BenchError, match=r"pack/deeper\.py:2: not Python"):
        hash_of(base)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("net", "Build it.", "Build something else."),
        ("net", '    """Build it."""\n', ""),
        ("net", '"""A network."""', '"""Another\n\nnetwork."""\n\n\n'),
        ("net", '"""Sides."""\n', ""),
        ("net", "# a comment", "# another"),
        ("net", "return part(first) + deep()", "return (part(first)\n            + deep())"),
        ("parts", "import deeper", "import (\n    deeper\n)"),
        ("stranger", "Y = 1", "Y = 2"),
    ],
)
def test_what_does_not_run_does_not_change_the_hash(base: Path, file: str, old: str, new: str) -> None:
    before = hash_of(base)
    _replace(base / "pack" / f"{file}.py", old, new)
    assert hash_of(base) == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("net", "second=2", "second=3"),
        ("net", "second=2", "second=2.0"),
        ("net", "fourth=None", "fourth=False"),
        ("net", "+ deep()", "- deep()"),
        ("net", "MULTIPLE: int = 8", "MULTIPLE: int = 16"),
        ("parts", "deeper.f(x)", "deeper.f(-x)"),
        ("deeper", "x + 1", "x + 2"),
        ("late", "return 1", "return '1'"),
        ("other", "X = 1", "X = 2"),
        ("__init__", "", "import os\n"),
    ],
)
def test_what_runs_changes_the_hash(base: Path, file: str, old: str, new: str) -> None:
    before = hash_of(base)
    _replace(base / "pack" / f"{file}.py", old, new)
    assert hash_of(base) != before


def test_the_package_around_a_network_is_part_of_it(base: Path) -> None:
    before = hashing.code_hash("pack.other:build", base)
    (base / "pack" / "__init__.py").write_text("import os\n")
    assert hashing.code_hash("pack.other:build", base) != before


def test_modules_beside_the_experiments_file_are_part_of_it(base: Path) -> None:
    (base / "single.py").write_text("import helper\nimport json\n\ndef build(): ...\n")
    (base / "helper.py").write_text("A = 1\n")
    before = hashing.code_hash("single:build", base)
    (base / "helper.py").write_text("A = 2\n")
    assert hashing.code_hash("single:build", base) != before


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1 or not old
    path.write_text(text.replace(old, new) if old else new)


def test_the_hash_does_not_know_its_folder(base: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (base / "pack").rename(elsewhere / "pack2")
    before = hashing.code_hash("pack2.stranger:build", elsewhere)
    (elsewhere / "pack2").rename(base / "pack2")
    assert hashing.code_hash("pack2.stranger:build", base) == before


def test_the_text_behind_the_hash() -> None:
    # Written by hand from the grammar of Python's ast module, so that a change of it shows.
    tree = ast.parse('"""Doc."""\nx: int = None\ndef f(a=1):\n    "doc"\n    return\n')
    assert hashing._dump(tree) == (
        "Module(body=[AnnAssign(target=Name(id=str:'x',ctx=Store()),annotation=Name(id=str:'int',ctx=Load()),"
        "value=Constant(value=NoneType:None),simple=int:1),"
        "FunctionDef(name=str:'f',args=arguments(args=[arg(arg=str:'a')],"
        "defaults=[Constant(value=int:1)]),body=[Return(value=NoneType:None)])])"
    )


def file_of(module: str, base: Path) -> Path | None:
    found = locate.find(module, base)
    return None if found is None else found.file


def test_a_module_is_found_beside_the_experiments_file_and_then_on_the_import_path(base: Path) -> None:
    assert file_of("pack", base) == base / "pack" / "__init__.py"
    assert file_of("pack.net.inner", base) is None
    assert file_of("json.decoder", base) == Path(json.decoder.__file__)
    assert "pack" not in sys.modules

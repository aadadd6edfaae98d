"""The sources of a network and their hash, which is part of a cell's id.

A network's file is read as text and never imported, so nothing here needs Keras.
"""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.network_code import locate

NO_CODE = "Module()"  # an empty __init__.py, which a folder of networks may have or not

Sources = dict[
    locate.ModuleFile, bytes
]  # what stood in each file of a network when it was read, its own module first


def code_hash(build: str, base: Path | None) -> str:
    """Return the SHA-256 (hexadecimal) of a network's code: its syntax without comments, docstrings, layout.

    The modules that it imports from beside the experiments file or from this program, and for a network on the
    import path those of its own package, are part of it. Neither the folder nor an empty file is. The hash is the
    same under every Python version that parses the files alike.
    """
    return hash_of(code_sources(build, base))


def code_sources(build: str, base: Path | None) -> Sources:
    """Return a network's module, first, and all own modules that it may import; each file is read once.

    Raises:
        BenchError: there is no such module, or a file cannot be read or is not Python.
    """
    module, _ = locate.pair(build)
    first = locate.find(module, base)
    if first is None:
        raise BenchError(f"no module {module}")
    sources: Sources = {}
    waiting = [first]
    while waiting:
        source = waiting.pop()
        if source not in sources:
            sources[source] = locate.read(source.file)
            tree = locate.parse(source.file, sources[source])
            waiting += [*locate.imported(tree, source), *locate.parents(source)]
    return sources


def hash_of(sources: Sources) -> str:
    """Return the SHA-256 of the syntax of all modules together."""
    home = next(iter(sources)).folder
    lines = [
        (source.name, source.folder != home, _dump(locate.parse(source.file, content)))
        for source, content in sources.items()
    ]
    text = "\n".join(f"{name} {text}" for name, _, text in sorted(lines) if text != NO_CODE)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def file_hashes(sources: Sources) -> dict[str, str]:
    """Return the SHA-256 of the syntax of each file, by its path: two folders may have modules of equal names."""
    return {str(source.file): hash_of({source: content}) for source, content in sources.items()}


def _dump(node: Any) -> str:
    """Return a syntax tree as text, without positions, bare strings (docstrings) and empty fields.

    ``ast.dump`` is not used because its text differs between Python versions.
    """
    if isinstance(node, list):
        return "[" + ",".join(_dump(item) for item in node if not _is_docstring(item)) + "]"
    if not isinstance(node, ast.AST):
        return f"{type(node).__name__}:{node!r}"
    fields = [
        (name, value) for name, value in ast.iter_fields(node) if value not in (None, []) or name == "value"
    ]
    inner = ",".join(
        f"{name}={_dump(value)}" for name, value in fields if name not in ("type_comment", "kind")
    )
    return f"{type(node).__name__}({inner})"


def _is_docstring(node: Any) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )

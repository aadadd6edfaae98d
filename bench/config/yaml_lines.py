"""YAML text into plain values that remember their lines.

PyYAML follows YAML 1.1, in which ``1e-4`` is text, ``no`` is false and the last of two equal keys wins. Here
plain scalars follow the core schema of YAML 1.2 (yaml.org/spec/1.2.2, section 10.3). Aliases are read. Errors
are a repeated key and what this project has no use for: tags, merge keys, several documents, infinity, NaN.
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from bench.errors import BenchError, BenchErrors

KeyPath = tuple[str | int, ...]

MAX_NODES = 100_000  # aliases of aliases can grow without bound
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_TAB = "a tab cannot indent YAML"


@dataclass(frozen=True)
class Document:
    """A YAML file as ``value``, with the line of every key path and the scalars as they are written.

    Of a file that is laid over another one, ``files`` says which of both a key path is written in.
    """

    file: str
    value: Any
    lines: dict[KeyPath, int]
    texts: dict[KeyPath, str]
    sha256: str = ""  # of the file's bytes; empty: it was no file
    files: dict[KeyPath, str] = field(default_factory=dict)
    extends: str = ""  # SHA-256 of the file that it is laid over

    def place(self, path: KeyPath) -> tuple[str, int]:
        """Return the file and the line (from 1) of ``path``, or of its nearest parent that is written."""
        while path not in self.lines:
            path = path[:-1]
        return self.files.get(path, self.file), self.lines[path]

    def line(self, path: KeyPath) -> int:
        """Return the line (from 1) of ``path``, or of its nearest parent that is written."""
        return self.place(path)[1]


def read(path: Path) -> Document:
    """Return the document in ``path``; raises ``BenchErrors`` where it cannot be read or is no such YAML."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise BenchErrors([BenchError("no such file", file=path)]) from None
    except OSError as error:
        raise BenchErrors([BenchError(f"cannot be read ({error.strerror})", file=path)]) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BenchErrors([BenchError("not UTF-8 text", file=path, line=line)]) from None
    return replace(parse(text, str(path)), sha256=hashlib.sha256(data).hexdigest())


def parse(text: str, file: str = "<text>") -> Document:
    """Return the document in ``text``; raises ``BenchErrors`` with the line of every fault."""
    try:
        root = yaml.compose(text, Loader=_Loader)
        if root is None:
            raise BenchErrors([BenchError("the file holds no keys", file=file, line=1)])
        builder = _Builder(file)
        value = builder.value(root, ())
    except yaml.YAMLError as error:
        raise BenchErrors([_plain(error, text, file)]) from None
    except RecursionError:
        raise BenchErrors([BenchError("nested too deeply", file=file)]) from None
    if builder.errors:
        raise BenchErrors(sorted(builder.errors, key=lambda error: error.line or 0))
    return Document(file, value, builder.lines | {(): 1}, builder.texts)


class _Loader(yaml.BaseLoader):
    """Composes nodes without guessing types, and stops at tags."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "tag", None) is not None:
            problem = "tags (words that begin with !) are not read here"
            raise yaml.composer.ComposerError(None, None, problem, event.start_mark)
        return super().compose_node(parent, index)


@dataclass
class _Builder:
    file: str
    lines: dict[KeyPath, int] = field(default_factory=dict)
    texts: dict[KeyPath, str] = field(default_factory=dict)
    errors: list[BenchError] = field(default_factory=list)
    _open: set[int] = field(default_factory=set)

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        self.lines.setdefault(path, node.start_mark.line + 1)
        if len(self.lines) > MAX_NODES:
            self.errors.append(BenchError("the file grows without bound through aliases", file=self.file))
            raise BenchErrors(self.errors[-1:])
        if isinstance(node, yaml.ScalarNode):
            self.texts[path] = node.value
            return self._scalar(node, path)
        if id(node) in self._open:
            self._fault(node, path, "an alias stands inside its own anchor")
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self.value(item, (*path, number)) for number, item in enumerate(node.value)]
            return self._mapping(node, path)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.Node, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key, item in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                self._fault(key, path, "a key must be one word, not a list or a mapping")
            elif key.value == "<<" and not key.style:
                self._fault(key, (*path, "<<"), "merge keys are not read here", "write the keys out")
            elif key.value in first:
                remedy = "remove one of them"
                self._fault(
                    key, (*path, key.value), f"repeated key, first on line {first[key.value]}", remedy
                )
            else:
                first[key.value] = line
                self.lines[(*path, key.value)] = line
                result[key.value] = self.value(item, (*path, key.value))
        return result

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> str | int | float | bool | None:
        text: str = node.value
        if node.style:  # quoted or a block
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _INT.fullmatch(text) and len(text) < 100:
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        if _FLOAT.fullmatch(text) or _NOT_FINITE.fullmatch(text):
            number = float(text) if _FLOAT.fullmatch(text) else math.inf
            if not math.isfinite(number):
                self._fault(node, path, f"{text} is not a finite number")
            return number
        return text

    def _fault(self, node: yaml.Node, path: KeyPath, message: str, remedy: str | None = None) -> None:
        key = dotted(path) or None
        line = node.start_mark.line + 1
        self.errors.append(BenchError(message, file=self.file, line=line, key=key, remedy=remedy))


def dotted(path: KeyPath) -> str:
    """Return a key path as a person writes it: ``models.unet.params``."""
    return ".".join(str(part) for part in path)


def _plain(error: yaml.YAMLError, text: str, file: str) -> BenchError:
    """Return the parser's complaint as one line with its place."""
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return BenchError(
            f"the character #x{ord(text[error.position]):04x} cannot stand in YAML", file=file, line=line
        )
    assert isinstance(error, yaml.MarkedYAMLError)
    mark = error.problem_mark or error.context_mark
    problem = error.problem or error.context or "not YAML"
    line = mark.line + 1 if mark else 1
    if "'\\t'" in problem or (mark and _tab_before(text, mark.line, mark.column)):
        return BenchError(_TAB, file=file, line=line, remedy="use spaces")
    if error.context:
        started = f" that began on line {error.context_mark.line + 1}" if error.context_mark else ""
        problem = f"{problem} ({error.context}{started})"
    return BenchError(f"not YAML: {problem}", file=file, line=line)


def _tab_before(text: str, line: int, column: int) -> bool:
    lines = text.splitlines()
    indent = lines[line][:column] if line < len(lines) else ""
    return "\t" in indent and not indent.strip()

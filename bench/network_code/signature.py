"""What a network's ``build`` takes, read from its source: names, defaults, and the values that fit.

Nothing is imported, so nothing here needs Keras. An annotation is read as far as it is made of ``bool``, ``int``,
``float``, ``str``, ``None``, ``Literal``, lists, tuples, mappings and unions of them, or names a module's own alias
of such; what else it holds takes any value. Without an annotation the default says which kind of value is meant.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Optional, Union

from bench.errors import BenchError
from bench.names import nearest
from bench.network_code import locate

_PLAIN = {"bool": bool, "int": int, "float": float, "str": str, "None": None}
_LISTS = ("list", "List", "Sequence", "Iterable", "Collection", "set", "Set")
_MAPPINGS = ("dict", "Dict", "Mapping")


@dataclass(frozen=True)
class BuildInfo:
    """What ``module:function`` of a network says about itself."""

    parameters: tuple[str, ...]
    multiple: int  # height and width must be multiples of it
    file: Path
    required: tuple[str, ...]  # parameters without a default
    open: bool  # takes any keyword
    hints: Mapping[str, Any] = field(
        default_factory=dict
    )  # parameter -> type; without those that take anything


def build_info(build: str, base: Path) -> BuildInfo:
    """Return the parameters of ``module:function`` and the module's ``MULTIPLE`` (1 where it states none).

    ``base`` is the folder of the experiments file; see ``locate.find`` for where else is looked. Raises
    ``BenchError`` where the text is no such pair, or the file or the function is not there.
    """
    module, function = locate.pair(build)
    source = locate.find(module, base)
    if source is None:
        raise BenchError(f"no module {module}", remedy=f"looked {_where(module)}{_near(module, base)}")
    tree = locate.parse(source.file, locate.read(source.file))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    if function not in functions:
        public = [name for name in functions if not name.startswith("_")]
        raise BenchError(
            f"no function {function} in module {module}", remedy=f"it has: {', '.join(public) or 'none'}"
        )
    arguments = functions[function].args
    positional = [*arguments.posonlyargs, *arguments.args]
    bare = len(positional) - len(arguments.defaults)
    defaults = dict(zip((arg.arg for arg in positional[bare:]), arguments.defaults, strict=True))
    defaults |= {
        arg.arg: value
        for arg, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if value is not None
    }
    named = [*arguments.args, *arguments.kwonlyargs]
    hints = {arg.arg: _hint(arg, defaults.get(arg.arg), tree) for arg in named}
    return BuildInfo(
        parameters=tuple(arg.arg for arg in named),
        multiple=_multiple(tree),
        file=source.file,
        required=tuple(arg.arg for arg in (*positional, *arguments.kwonlyargs) if arg.arg not in defaults),
        open=arguments.kwarg is not None,
        hints={name: hint for name, hint in hints.items() if hint is not Any},
    )


def _where(module: str) -> str:
    if module.partition(".")[0] == locate.NETWORKS:
        return f"in the folder {locate.NETWORKS} beside the file and among the networks of this program"
    return "beside the file and on the import path"


def _near(module: str, base: Path) -> str:
    """Return a hint at a module of a similar name in the same folder."""
    parent, _, name = module.rpartition(".")
    places = [folder.path.joinpath(*parent.split(".")) for folder in locate.folders(base) if parent]
    names = {path.stem for place in places or [base] for path in place.glob("*.py")}
    close = nearest(name, (name for name in names if name[0] != "_"))
    return f"; did you mean {parent + '.' if parent else ''}{close}?" if close else ""


def _multiple(tree: ast.Module) -> int:
    value = _assigned(tree).get("MULTIPLE")
    if isinstance(value, ast.Constant) and type(value.value) is int and value.value > 0:
        return value.value
    return 1


def _assigned(tree: ast.Module) -> dict[str, ast.expr]:
    """Return what a module assigns to names at its top level."""
    values: dict[str, ast.expr] = {}
    for node in tree.body:
        targets = (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.target]
            if isinstance(node, ast.AnnAssign)
            else []
        )
        value = getattr(node, "value", None)
        if value is not None:
            values |= {target.id: value for target in targets if isinstance(target, ast.Name)}
    return values


# --- annotations ---


def _hint(argument: ast.arg, default: ast.expr | None, tree: ast.Module) -> Any:
    """Return the type that a value of an argument must have; ``Any`` where its source does not say."""
    none = isinstance(default, ast.Constant) and default.value is None
    if argument.annotation is not None:
        try:
            hint = _type(argument.annotation, _assigned(tree))
        except (ValueError, TypeError, SyntaxError, RecursionError):
            return Any
        return Optional[hint] if none else hint  # noqa: UP045
    try:
        value = None if default is None else ast.literal_eval(default)
    except (ValueError, TypeError):
        return Any
    if isinstance(value, bool | str):
        return type(value)
    if isinstance(value, int | float):
        return float  # a whole default may stand for a number: scale=1
    return list[Any] if isinstance(value, list | tuple) else Any


def _type(node: ast.expr, known: Mapping[str, ast.expr]) -> Any:
    """Return an annotation as a type; raises ``ValueError`` where it is none that can be read here."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            return _type(ast.parse(node.value, mode="eval").body, known)
        return _plain("None" if node.value is None else "")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return Union[_type(node.left, known), _type(node.right, known)]  # noqa: UP007
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    if name in known and isinstance(node, ast.Name):
        return _type(known[name], {key: value for key, value in known.items() if key != name})
    if name in _LISTS:
        return list[Any]
    if name in ("tuple", "Tuple"):
        return list[Any]
    if name in _MAPPINGS:
        return dict[str, Any]
    if isinstance(node, ast.Subscript):
        return _generic(node, known)
    return _plain(name)


def _plain(name: str) -> Any:
    if name not in _PLAIN:
        raise ValueError(name)
    return _PLAIN[name]


def _generic(node: ast.Subscript, known: Mapping[str, ast.expr]) -> Any:
    outer = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
    inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if outer == "Literal":
        return Literal[tuple(ast.literal_eval(item) for item in inner)]
    if outer == "Annotated":
        return _type(inner[0], known)
    if outer == "Optional":
        return Optional[_type(inner[0], known)]  # noqa: UP045
    if outer == "Union":
        return Union[tuple(_type(item, known) for item in inner)]  # noqa: UP007
    if outer in _LISTS:
        return list[_element(inner[0], known)]  # type: ignore[misc]
    if outer in ("tuple", "Tuple"):
        repeated = len(inner) == 2 and isinstance(inner[1], ast.Constant) and inner[1].value is ...
        if repeated:
            return list[_element(inner[0], known)]  # type: ignore[misc]
        return tuple[tuple(_element(item, known) for item in inner)]  # type: ignore[misc]
    if outer in _MAPPINGS:
        return dict[str, Any]
    raise ValueError(outer)


def _element(node: ast.expr, known: Mapping[str, ast.expr]) -> Any:
    try:
        return _type(node, known)
    except (ValueError, TypeError):
        return Any

"""The two files of a benchmark, read, checked and frozen.

``load`` reports all faults of both files at once, each with its file, line, key and the nearest valid name.
Nothing is imported to check the networks: their source is read as text. Of the profiles that a file has from the
packaged one without a word, only those that are asked for are held against what the file has changed elsewhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.config import crosschecks, extends, profile_checks, published, schema
from bench.config.faults import Fault
from bench.config.packaged import packaged
from bench.config.partial import validate
from bench.config.yaml_lines import Document, KeyPath, dotted, read
from bench.errors import BenchError, BenchErrors
from bench.names import suggestion
from bench.network_code.signature import BuildInfo

DATASETS = "datasets.yaml"
EXPERIMENTS = "experiments.yaml"
SECTIONS = {DATASETS: ("sources", "conditions", "splits"), EXPERIMENTS: ("models", "experiments", "profiles")}
PATH_KEYS = ("path", "patients", "reference", "series")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


@dataclass(frozen=True)
class Config:
    """Both files as one value; ``builds`` says what the ``build`` of each model takes."""

    datasets: schema.Datasets
    experiments: schema.Experiments
    datasets_file: Path
    experiments_file: Path
    documents: Mapping[str, Document]
    builds: Mapping[str, BuildInfo]
    unfit: Mapping[str, tuple[BenchError, ...]] = field(
        default_factory=dict
    )  # faults of profiles, if asked for
    further: Mapping[str, schema.Published] = field(
        default_factory=dict
    )  # published tables besides the one that profiles are held against

    @property
    def base(self) -> Path:
        """The folder in which the networks' modules are looked for first: that of the experiments file."""
        return self.experiments_file.resolve().parent

    @property
    def files(self) -> dict[str, schema.YamlFile]:
        """Both files by their usual names, for plans and records."""
        chosen = {DATASETS: self.datasets_file, EXPERIMENTS: self.experiments_file}
        return {
            name: schema.YamlFile(
                path=extends.PACKAGED if file == packaged(name) else str(file),
                sha256=self.documents[name].sha256,
                extends=self.documents[name].extends,
            )
            for name, file in chosen.items()
        }

    def place(self, path: KeyPath, name: str = DATASETS) -> tuple[str, int]:
        """Return the file and the line in which a key path, or its nearest parent, is written."""
        return self.documents[name].place(path)

    def source(self, name: str) -> schema.AnySource:
        """Return a source with the variables in its paths filled in.

        Raises ``BenchErrors`` with file, line and key of each path whose variable is not set.
        """
        source = self.datasets.sources[name]
        errors: list[BenchError] = []

        def filled(text: str, *keys: str) -> str:
            path = ("sources", name, *keys)
            try:
                return str(resolve_path(text, *self.place(path), dotted(path)))
            except BenchError as error:
                errors.append(error)
                return text

        changes: dict[str, Any] = {
            key: filled(text, key) for key in PATH_KEYS if isinstance(text := getattr(source, key, None), str)
        }
        if isinstance(source, schema.FolderPairs | schema.DicomPairs):
            changes["degraded"] = {
                key: filled(text, "degraded", key) for key, text in source.degraded.items()
            }
        if errors:
            raise BenchErrors(errors)
        return source.model_copy(update=changes)


def load(datasets: Path | None = None, experiments: Path | None = None) -> Config:
    """Return both files, or raise ``BenchErrors`` with every fault of both.

    A file that is not given is the one beside the other (in the current folder where neither is given), else the
    one that comes with this program.
    """
    files = _chosen({DATASETS: datasets, EXPERIMENTS: experiments})
    errors: list[BenchError] = []
    documents: dict[str, Document] = {}
    for name, file in files.items():
        try:
            documents[name] = _read(file, name)
        except BenchErrors as unreadable:
            errors += unreadable.errors
    faults, values, builds = _check(documents, files[EXPERIMENTS].resolve().parent)
    unfit: dict[str, tuple[BenchError, ...]] = {}
    for name, document in documents.items():
        for fault in faults[name]:
            error, inherited_by = _error(fault, document), _inherited(fault, document)
            if inherited_by:
                unfit[inherited_by] = (*unfit.get(inherited_by, ()), error)
            else:
                errors.append(error)
    complete: Any = values.get(EXPERIMENTS)
    further: dict[str, schema.Published] = {}
    if complete is not None:
        try:
            complete, further = _with_tables(complete, documents[EXPERIMENTS], _known(documents))
        except BenchErrors as unreadable:
            errors += unreadable.errors
    if errors:
        order = {str(file): number for number, file in enumerate(files.values())}
        raise BenchErrors(sorted(errors, key=lambda error: (order.get(str(error.file), 0), error.line or 0)))
    return Config(
        values[DATASETS], complete, files[DATASETS], files[EXPERIMENTS], documents, builds, unfit, further
    )


def _with_tables(
    value: schema.Experiments, document: Document, known: crosschecks.Names
) -> tuple[schema.Experiments, dict[str, schema.Published]]:
    """Return the experiments with the published table that profiles are held against, and the further ones.

    The standard one is what the file states itself, else the one in the folder beside it, else that of the packaged
    file which it extends. Of further ones with the same name the one beside the file counts.
    """
    found = [published.read_tables(Path(document.file).parent / published.FOLDER, value, known)]
    if document.extends:
        own = [name for name in value.models if document.place(("models", name))[0] == document.file]
        found.append(published.read_tables(packaged(published.FOLDER), value, known, own))
    standard = next((tables.standard for tables in found if tables.standard is not None), None)
    if "published" in document.value:  # null: none
        standard = value.published
    further = {name: table for tables in reversed(found) for name, table in tables.further.items()}
    return value.model_copy(update={"published": standard}), further


def profile(config: Config, name: str) -> schema.Profile:
    """Return a profile by name.

    Raises:
        BenchError: there is none (names the nearest), or it does not fit what a file changes in the packaged one
            that it extends, or ``geometry`` asks for references that it cannot have.
    """
    profiles = config.experiments.profiles
    if name not in profiles:
        raise BenchError(
            f"unknown profile {name!r}", file=config.experiments_file, remedy=suggestion(name, profiles)
        )
    if name in config.unfit:
        raise BenchErrors(list(config.unfit[name]))
    for fault in profile_checks.reference(name, config.experiments, config.datasets):
        raise _error(fault, config.documents[DATASETS])
    return profiles[name]


def _chosen(given: Mapping[str, Path | None]) -> dict[str, Path]:
    """Return both files: what is given, and beside it the other one, or else the packaged one."""
    beside = next((file.parent for file in given.values() if file is not None), Path())
    return {
        name: file or (beside / name if (beside / name).is_file() else packaged(name))
        for name, file in given.items()
    }


def resolve_path(
    text: str, file: str | Path | None = None, line: int | None = None, key: str | None = None
) -> Path:
    """Return ``text`` as a path with ``${VAR}`` and ``${VAR:-default}`` filled in from the environment.

    An empty variable counts as not set. Raises ``BenchError`` where one is not set and has no default, or
    where a ``${`` is not closed. ``file``, ``line`` and ``key`` say where the text stands.
    """

    def fill(match: re.Match[str]) -> str:
        value = os.environ.get(match[1]) or match[2]
        if value is None:
            remedy = f"set it to a folder, for example: export {match[1]}=/path/to/folder"
            raise BenchError(f"{match[1]} is not set", file=file, line=line, key=key, remedy=remedy)
        return value

    if "${" in _VARIABLE.sub("", text):
        remedy = "write ${NAME} or ${NAME:-default}"
        raise BenchError(f"no variable can be read in {text!r}", file=file, line=line, key=key, remedy=remedy)
    return Path(_VARIABLE.sub(fill, text)).expanduser()


def _read(file: Path, name: str) -> Document:
    """Return a file, laid over the packaged one called ``name`` where it says so."""
    document = _plain(file)
    return extends.laid_over(document, _plain(packaged(name))) if extends.is_asked(document) else document


def _plain(file: Path) -> Document:
    document = read(file)
    if not isinstance(document.value, dict):
        raise BenchErrors([BenchError("must hold keys and values", file=file, line=1)])
    stated = document.value.get("schema")
    if isinstance(stated, int) and stated > schema.SCHEMA:
        message = f"schema {stated} is newer than {schema.SCHEMA}"
        fault = Fault(("schema",), message, "upgrade this program")
        raise BenchErrors([_error(fault, document)])
    return document


def _check(
    documents: Mapping[str, Document], base: Path
) -> tuple[dict[str, list[Fault]], dict[str, Any], dict[str, BuildInfo]]:
    """Return the faults of each file, the values of what is sound in it, and what the networks take."""
    faults: dict[str, list[Fault]] = {}
    values: dict[str, Any] = {}
    builds: dict[str, BuildInfo] = {}
    known = _known(documents)
    for name, document in documents.items():
        model = schema.Datasets if name == DATASETS else schema.Experiments
        wrong, values[name] = validate(model, document, SECTIONS[name])
        faults[name] = [*crosschecks.names(document.value, SECTIONS[name]), *wrong]
    data = values.get(DATASETS)
    if data is not None:
        _add(faults[DATASETS], crosschecks.datasets(data, known))
    if values.get(EXPERIMENTS) is not None:
        _add(faults[EXPERIMENTS], crosschecks.networks(values[EXPERIMENTS], base, builds))
        _add(faults[EXPERIMENTS], crosschecks.experiments(values[EXPERIMENTS], data, known, builds))
    return faults, values, builds


def _known(documents: Mapping[str, Document]) -> crosschecks.Names:
    """Return the names that both files define."""
    sections = {key: one.value.get(key) for name, one in documents.items() for key in SECTIONS[name]}
    return crosschecks.Names({key: set(value) for key, value in sections.items() if isinstance(value, dict)})


def _add(faults: list[Fault], more: Iterable[Fault]) -> None:
    """Append faults that are new: one per key and message, and none inside a key that is already wrong."""
    wrong = {fault.path for fault in faults}
    for fault in more:
        inside = any(fault.path[:depth] in wrong for depth in range(1, len(fault.path) + 1))
        if not inside and fault not in faults:
            faults.append(fault)


def _inherited(fault: Fault, document: Document) -> str:
    """Return the profile that a fault is in, if a file has it from the packaged one as it is; else nothing."""
    entry = fault.path[:2]
    inside = len(entry) == 2 and entry[0] == "profiles" and entry in document.lines
    return str(entry[1]) if inside and document.files.get(entry, document.file) != document.file else ""


def _error(fault: Fault, document: Document) -> BenchError:
    (file, line), key = document.place(fault.path), dotted(fault.path) or None
    return BenchError(fault.message, file=file, line=line, key=key, remedy=fault.remedy)

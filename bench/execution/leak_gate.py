"""The leak audit of a run: a leak stops it before the training, or stands in the plan of a declared leaky split."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from bench import leaks
from bench.data.pairs import pairs
from bench.events import Event
from bench.leaks.verdict import Verdict
from bench.plan.cells import Plan

if TYPE_CHECKING:
    from bench.data.pairs.pairs import PairFiles
    from bench.execution.resolve import ResolvedRun


def audit(resolved: ResolvedRun) -> Generator[Event, None, Verdict]:
    """Return how many copies and neighbours of slices lie across the parts; read in the pairs where they are built."""
    threads = resolved.request.build_threads
    files, size = _built(resolved), resolved.profile.size
    return (yield from leaks.verdict.audit(resolved.reader, resolved.folds, files, size, threads=threads))


def known(resolved: ResolvedRun) -> Verdict | None:
    """Return the verdict of an earlier audit, if it is on disk."""
    return leaks.verdict.read(_built(resolved), resolved.folds)


def refuse(resolved: ResolvedRun, verdict: Verdict) -> None:
    """Stop a run whose slices leak, unless its split is declared as leaky.

    Raises:
        BenchError: a leak, with both slices named.
    """
    if not resolved.folds.leaky:
        verdict.refuse(resolved.config.datasets_file, resolved.profile.split)


def plan_with(resolved: ResolvedRun, verdict: Verdict | None) -> Plan:
    """Return the plan; that of a leaky split says how many slices leak, where an audit has counted them."""
    if verdict is None or not resolved.folds.leaky:
        return resolved.plan
    return resolved.plan.model_copy(
        update={"leaky": f"{resolved.folds.leaky}; the leak audit: {verdict.words}"}
    )


def _built(resolved: ResolvedRun) -> PairFiles:
    """Return pairs that are on disk; any where none are. All have the same reference slices."""
    every = list(resolved.files.values())
    return next((files for files in every if not pairs.missing({files.condition: files})), every[0])

"""The leak audit of a run: what is let through to the training, and what the tables say of it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING

from bench import environment
from bench.data.pairs import pairs
from bench.events import Event, Message
from bench.leaks import verdict as verdicts
from bench.leaks.verdict import Verdict

if TYPE_CHECKING:
    from bench.data.pairs.pairs import PairFiles
    from bench.execution.resolve import Prepared


def audit(prepared: Prepared) -> Generator[Event, None, Verdict]:
    """Look for copies and neighbours of slices across the parts, in the pairs where they are built."""
    threads = prepared.request.threads or environment.cores()
    files, size = _built(prepared), prepared.profile.size
    return (yield from verdicts.audit(prepared.source, prepared.folds, files, size, threads=threads))


def passed(prepared: Prepared) -> Generator[Event, None, Prepared]:
    """Refuse slices that leak, unless the split is declared as leaky: then its plan says how many do.

    Raises:
        BenchError: a leak, with both slices named.
    """
    verdict = yield from audit(prepared)
    yield Message(verdict.words)
    if not prepared.folds.leaky:
        verdict.refuse(prepared.config.datasets_file, prepared.profile.split)
    return counted(prepared, verdict)


def known(prepared: Prepared) -> Verdict | None:
    """Return the verdict of an earlier audit, if it is on disk."""
    return verdicts.read(_built(prepared), prepared.folds)


def counted(prepared: Prepared, verdict: Verdict | None) -> Prepared:
    """Write into the plan of a leaky split what the audit has found in it; None: it has not looked."""
    if verdict is None or not prepared.folds.leaky:
        return prepared
    leaky = f"{prepared.folds.leaky}; the leak audit: {verdict.words}"
    changed = replace(prepared, plan=prepared.plan.model_copy(update={"leaky": leaky}))
    changed.store.write_plan(changed.plan)
    return changed


def _built(prepared: Prepared) -> PairFiles:
    """Return pairs that are on disk; any where none are. All have the same reference slices."""
    every = list(prepared.files.values())
    return next((files for files in every if not pairs.missing({files.condition: files})), every[0])

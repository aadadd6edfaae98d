"""What a source holds, who is in which part, and what the leak audit found, as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.cli.text import folded, table
from bench.ct.units import starved
from bench.plan.acquisition import views_of
from bench.plan.cells import Plan
from bench.words import duration

if TYPE_CHECKING:
    from bench.config.schema import Source
    from bench.data.sources.catalogue import Catalogue, SliceRef
    from bench.execution.resolve import ResolvedRun
    from bench.leaks import Verdict

REFUSED_SHOWN = 20


def of_data(resolved: ResolvedRun) -> str:
    """Return the slices and patients of each part of the split, and the files that were refused and why."""
    catalogue = resolved.reader.catalogue()
    patients = "patients unknown" if not catalogue.patients_known else f"{len(catalogue.patients)} patients"
    lines = [f"source {catalogue.source} ({catalogue.kind}): {len(catalogue.refs)} slices, {patients}"]
    lines += [
        folded(f"split {resolved.profile.split}: {split_words(resolved)}"),
        *map(folded, views(resolved.plan)),
    ]
    in_folds = len(resolved.folds.selections) > 1
    rows = [
        (*((str(one.fold),) if in_folds else ()), *_part(part, refs, by_name=not in_folds or part != "train"))
        for one in resolved.folds.selections
        for part, refs in one.parts.items()
    ]
    heads = (*(("fold",) if in_folds else ()), "part", "slices", "patients", "who")
    lines += ["", table(heads, rows)]
    refused = catalogue.refused
    if refused:
        lines += ["", f"{len(refused)} files refused:"]
        lines += [folded(f"{file}: {reason}") for file, reason in refused[:REFUSED_SHOWN]]
        if len(refused) > REFUSED_SHOWN:
            lines.append(f"and {len(refused) - REFUSED_SHOWN} more")
    lines += _skipped(catalogue) + _remarks([*catalogue.remarks, *starved(resolved.plan.photons)])
    if resolved.folds.leaky:
        return "\n".join([*lines, "", folded(f"leaky, as declared: {resolved.folds.leaky}")])
    clean = f"no patient is in two parts{' of a fold' if in_folds else ''}"
    return "\n".join([*lines, "", clean if catalogue.patients_known else "patients may be in two parts"])


def of_leaks(verdict: Verdict, resolved: ResolvedRun, seconds: float) -> str:
    """Return what the leak audit found: a line where there is nothing, else each leak and what to do."""
    from bench.leaks.verdict import LEAK_REMEDY

    lines = [f"{verdict.words} in {duration(seconds)}", *(folded(text) for text in verdict.told)]
    if verdict.count > len(verdict.told):
        lines.append(f"and {verdict.count - len(verdict.told)} more")
    if verdict.count and not resolved.folds.leaky:
        lines.append(folded(f"splits.{resolved.profile.split}: {LEAK_REMEDY}"))
    return "\n".join(lines)


def _part(part: str, refs: Sequence[SliceRef], by_name: bool) -> tuple[str, str, str, str]:
    """Return the row of one part: its name, slices, patients and, ``by_name``, which.

    The training part of a fold is ``the others``: all patients that neither validate nor test.
    """
    names = sorted({ref.patient for ref in refs})
    return part, f"{len(refs)}", f"{len(names)}", ", ".join(names) if by_name else "the others"


def split_words(resolved: ResolvedRun) -> str:
    """Return a line on the split: its folds, the hash of its file, and why it is leaky."""
    folds, known = len(resolved.folds.selections), resolved.plan.folds[0].patients_known
    words = [
        f"{folds}-fold by {'patient' if known and not resolved.folds.leaky else 'slice'}"
        if folds > 1
        else "",
        f"split file {resolved.folds.sha256[:16]} (SHA-256)",
        f"leaky: {resolved.folds.leaky}" if resolved.folds.leaky else "",
    ]
    return "; ".join(word for word in words if word)


def views(plan: Plan) -> list[str]:
    """Return the views of the scan and of each sparse condition with their directions; nothing for stored pairs."""
    views = views_of(plan)
    return [] if views is None else views.lines


def of_source(catalogue: Catalogue, source: Source) -> str:
    """Return what a source holds and under which licence, for who has just got it."""
    patients = f"{len(catalogue.patients)} patients" if catalogue.patients_known else "patients unknown"
    lines = [f"source {catalogue.source}: {len(catalogue.refs)} slices, {patients}"]
    lines += [folded(line) for line in (f"licence: {source.licence}", f"please cite: {source.citation}")]
    lines += [f"{len(catalogue.refused)} files are not used"] if catalogue.refused else []
    return "\n".join(lines + _skipped(catalogue) + _remarks(catalogue.remarks))


def _skipped(catalogue: Catalogue) -> list[str]:
    """Return a line that counts by kind what lies beside the slices and was passed over."""
    from bench.data.files.listing import told

    return ["", folded(f"skipped: {told(dict(catalogue.skipped))}")] if catalogue.skipped else []


def _remarks(remarks: Sequence[str]) -> list[str]:
    more = len(remarks) - REFUSED_SHOWN
    lines = ["", *(folded(f"remark: {remark}") for remark in remarks[:REFUSED_SHOWN])] if remarks else []
    return [*lines, f"and {more} more remarks"] if more > 0 else lines

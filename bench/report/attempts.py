"""What the table says of how cells came about: tuned, trained elsewhere, in divided batches, or begun again."""

from __future__ import annotations

from collections.abc import Iterator

from bench import words
from bench.classical import METHODS
from bench.records.record import Attempt
from bench.records.store import Result
from bench.report.cells import Group

NOT_TRAINED = "scored, not trained here"
WITHOUT_STATISTICS = ("affine",)  # values of the parameter ``batch_norm``
HOW = {
    "": "trained anew with another seed",
    "best": "set back to its best check",
    "next_seed": "trained anew with another seed",
}


def marks(group: Group) -> Iterator[str]:
    """Yield a footnote for each way in which finished cells of a group came about, with their seeds where not all."""
    notes: dict[str, list[int]] = {}
    for run in group.finished:
        for text in {text for result in run.results for text in _of_result(result)}:
            notes.setdefault(text, []).append(run.seed)
    for text, seeds in notes.items():
        if len(seeds) < len(group.finished):
            text += f" ({'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))})"
        yield text


def submitted(group: Group) -> bool:
    """Return whether a group is a method that another program has trained."""
    return any(result.planned.spec.submitted for result in group.results)


def begun_again(group: Group) -> bool:
    """Return whether a finished cell of a group has diverged before: its seed, or its weights, were chosen."""
    return any(_diverged(result) for run in group.finished for result in run.results)


def trained_by(result: Result) -> str:
    """Return who says how a submitted method was trained; empty for every other cell."""
    submission = result.record.submission if result.record is not None else None
    return "" if submission is None else submission.trained_by


def _of_result(result: Result) -> Iterator[str]:
    if who := trained_by(result):
        yield f"{NOT_TRAINED}; trained by: {who}"
    if result.record is None:
        return
    if (tuning := result.record.tuning) is not None:
        edge = ", the edge of what was tried" if tuning.at_edge else ""
        name = (
            METHODS[result.planned.spec.model].strength
            if result.planned.spec.model in METHODS
            else "strength"
        )
        yield f"not trained: {name} {tuning.strength:g} HU chosen on {tuning.slices} validation slices{edge}"
    training = result.planned.spec.training
    if training is not None and training.second_draw:
        yield "trained without clean slices: a second draw of the noise is the target and chooses the epoch"
    if not result.record.attempts:
        return
    last = result.record.attempts[-1]
    if last.parts > 1:
        images = words.count(last.micro_batch or 0, "image")
        norm = result.planned.spec.params.get("batch_norm")
        statistics = "" if norm in WITHOUT_STATISTICS else f"; batch statistics are of {images}"
        yield f"trained in micro-batches of {last.micro_batch} after running out of memory{statistics}"
    diverged = _diverged(result)
    if diverged:
        how = " and ".join(dict.fromkeys(HOW[attempt.then] for attempt in diverged))
        times = "" if len(diverged) == 1 else f" {len(diverged)} times"
        yield f"{how} after it diverged{times}; in no claim about the method"


def _diverged(result: Result) -> list[Attempt]:
    attempts = result.record.attempts if result.record is not None else ()
    return [attempt for attempt in attempts if attempt.ended == "diverged"]

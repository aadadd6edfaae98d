"""The best network of each condition by every convention, and the values themselves, folded away."""

from __future__ import annotations

from bench.metrics import CONVENTIONS, PSNR, SSIM, Convention
from bench.report import entries, format
from bench.report.board import Scoreboard
from bench.report.conventions import Conventions
from bench.report.entries import Footnotes
from bench.report.rows import Row
from bench.report.values import Entry, Grid, Part, label, state, value

_BASES = {
    "psnr": CONVENTIONS[PSNR],
    "ssim": CONVENTIONS[SSIM],
}  # what each score is read in elsewhere on the page
_CHANGED = "Another best network than by the convention of the tables above."
_SAME = (
    "Every other peak without clipping, mean over slices, has the same best network by the same lead as the maximum "
    "of the slice: peaks follow from the reference alone."
)


def grid(board: Scoreboard) -> Grid | None:
    """Return the best network of each condition by each convention; None where no two can be compared."""
    of_run, foot = Conventions(board), Footnotes()
    # one line stands for all that can only repeat it
    shown = [
        one for one in of_run.scored(CONVENTIONS.values()) if one in _BASES.values() or not one.same_order
    ]
    best = {one.id: {row.condition: of_run.best(row, one) for row in board.rows} for one in shown}
    if not any(who for rows in best.values() for who in rows.values()):
        return None
    rows = tuple(
        (
            *_names(one),
            *(_best(of_run, row, one, board, best[_BASES[one.score].id], foot) for row in board.rows),
        )
        for one in shown
    )
    return Grid(
        name="conventions",
        title="The best network by convention",
        headings=("Score", "Convention", *(board.condition(row) for row in board.rows)),
        rows=rows,
        lead="The same images by other definitions of PSNR and SSIM in use: the network with the best mean, and that "
        "mean. Values of different lines cannot be compared. None of these leads is a claim.",
        notes=(_SAME, _missing(board)) if _missing(board) else (_SAME,),
        footnotes=tuple(foot.texts),
        texts=(0, 1),
    )


def table(board: Scoreboard) -> Grid | None:
    """Return the mean of every cell in every convention; None where nothing has finished."""
    of_run, rows = Conventions(board), []
    for row in board.rows:
        for one in of_run.scored(CONVENTIONS.values()):
            best = of_run.best(row, one)
            means = {model: of_run.mean(group, one) for model, group in row.groups.items()}
            if any(mean is not None for mean in means.values()):
                cells = (
                    state(format.DASH)
                    if mean is None
                    else value(of_run.text(mean, one), best=(model in best,))
                    for model, mean in means.items()
                )
                rows.append((entries.condition(board, row), *_names(one), *cells))
    if not rows:
        return None
    return Grid(
        name="by-convention",
        title="All scores by convention",
        headings=("Condition", "Score", "Convention", *board.names.values()),
        rows=tuple(rows),
        lead="Means over the test slices, or over patients where a convention has one PSNR a patient. PSNR in dB.",
        notes=tuple(f"{one.label} ({one.id}): {one.words}. Source: {one.source}." for one in CONVENTIONS.values()),
        texts=(0, 1, 2),
        folded=True,
    )  # fmt: skip


def _names(convention: Convention) -> tuple[Entry, Entry]:
    return label(convention.score.upper()), label(convention.label)


def _best(
    of_run: Conventions,
    row: Row,
    convention: Convention,
    board: Scoreboard,
    usual: dict[str, frozenset[str]],
    foot: Footnotes,
) -> Entry:
    """Return the best networks of a row and their mean; marked where none of them is best by the usual convention."""
    best = of_run.best(row, convention)
    if not best:
        return state(format.DASH)
    names = ", ".join(name for model, name in board.names.items() if model in best)
    changed = bool(usual[row.condition]) and not best & usual[row.condition]
    mean = max(filter(None, (of_run.mean(row.groups[model], convention) for model in best)))
    marks = foot.mark(_CHANGED) if changed else ()
    return Entry((Part(f"{names} {of_run.text(mean, convention)}", best=changed),), "value", marks)


def _missing(board: Scoreboard) -> str:
    """Return which conventions no cell is scored by yet, and how they come; empty where there are none."""
    lacking = [one.label for one in CONVENTIONS.values() if one.stored and one.id not in board.metrics]
    return f"Not scored yet: {', '.join(lacking)}; bench score --all adds them." if lacking else ""

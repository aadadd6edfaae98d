"""Where a network's good score costs what a reader of images needs: a bias, or the contrast of known lesions."""

from __future__ import annotations

from collections.abc import Iterator

from bench.config.schema import INPUT
from bench.metrics import PSNR
from bench.metrics.lesions import CONTRAST_LIVER, CONTRAST_LUNG
from bench.metrics.segmentation import CHEST, LUNG, NO_LUNG, SOFT
from bench.report.board import Scoreboard
from bench.report.cells import Group
from bench.report.rows import Row

#: HU that a scanner's water may be off in the accreditation of the American College of Radiology: McCollough et al.
#: 2004, doi 10.1118/1.1769632. Bone has no limit: its edges alone give a blurred image a larger bias.
BIAS_LIMIT = 7.0
#: Chosen. With less contrast left, a lesion is as visible as in full contrast at 0.64 of the dose or less: visibility
#: goes as contrast times the root of the dose (Rose 1948, doi 10.1364/JOSA.38.000196).
CONTRAST_LIMIT = 0.8
FEWEST_SLICES = 3  # with lesions, below which noise alone may take the contrast away

BIASES = (f"bias.{CHEST}.{LUNG}", f"bias.{CHEST}.{SOFT}", f"bias.{NO_LUNG}.{SOFT}")
CONTRASTS = (CONTRAST_LUNG, CONTRAST_LIVER)


def flags(board: Scoreboard, row: Row, group: Group) -> dict[str, str]:
    """Return by metric what speaks against a network: a bias or a loss of contrast that is worse than the input's."""
    if group.model == INPUT or not row.comparable:
        return {}
    texts = {}
    for metric in (*BIASES, *CONTRASTS):
        mean, untreated = group.mean(metric), row.groups[INPUT].mean(metric)
        if mean is not None and _beyond(group, metric, mean, untreated):
            label = board.label(metric)
            before = "" if untreated is None else f" (untreated input {_text(board, metric, untreated)})"
            texts[metric] = f"{label[0].lower()}{label[1:]} {_text(board, metric, mean)}{before}"
    return texts


def _beyond(group: Group, metric: str, mean: float, untreated: float | None) -> bool:
    if metric in BIASES:
        return abs(mean) > max(BIAS_LIMIT, abs(untreated or 0.0))
    least = CONTRAST_LIMIT if untreated is None else min(CONTRAST_LIMIT, untreated)
    if mean >= least:
        return False
    return len(group.of_metric(metric)[["patient", "slice"]].drop_duplicates()) >= FEWEST_SLICES


def _text(board: Scoreboard, metric: str, mean: float) -> str:
    if metric in BIASES:
        return f"{board.text(mean, metric, signed=True)} HU"
    return board.text(mean, metric)


def notices(board: Scoreboard) -> Iterator[str]:
    """Yield a sentence for each network that wins a row by PSNR and is flagged there."""
    for row in board.rows:
        for model in sorted(board.winners(row, PSNR)):
            if texts := flags(board, row, row.groups[model]):
                yield (
                    f"{board.names[model]} has the best PSNR on {board.condition(row)}, but at a price: "
                    f"{'; '.join(texts.values())}."
                )

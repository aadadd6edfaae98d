"""The conventions of PSNR and SSIM in use: one closed table, since the same pair of images scores 29 to 43 dB by them.

PSNR is ``20 log10(peak / RMSE)``. Conventions differ in the peak, in the range that both images are clipped to first
and in what is averaged. CT numbers are HU = 1000 (mu/mu_water - 1); an offset (HU + 1024, mu/mu_water) moves neither
an error nor a clipped one, so an entry names peak and range in HU only.

Without clipping everything follows from ``psnr.slice_max`` and ``rmse.hu`` of the slices, and is not stored again.
What is clipped is a metric of its own, a column of ``scores.csv``. Sources are named by repository and commit; each
definition was read there and none of the code was taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.metrics.metric import Metric
from bench.metrics.pair import Image, Pair
from bench.metrics.study import PSNR, SSIM

Peak = Literal["slice", "slice in HU", "volume"]

_WORDS: dict[Peak, str] = {
    "slice": "the largest value of the reference slice, air at 0",
    "slice in HU": "the largest CT number of the reference slice, air at -1000",
    "volume": "the largest value of the patient's tested reference slices, air at 0",
}
_ROWS = 64  # of an image that are clipped at once
WATER_MU_PER_MM = 0.02  # what 0.082 per mm is turned into HU by


@dataclass(frozen=True)
class Convention:
    """One definition of a score. ``peak`` and ``clip`` are in HU; a peak taken from the reference is named instead.

    ``order`` says what is averaged: the scores of ``slices``, or those of ``patients``, each from the mean square over
    all of its slices. ``source`` is where the definition was read.
    """

    id: str
    label: str
    peak: float | Peak
    source: str
    clip: tuple[float, float] | None = None
    order: Literal["slices", "patients"] = "slices"

    @property
    def score(self) -> str:
        """``psnr`` or ``ssim``: only conventions of the same one are compared."""
        return self.id.partition(".")[0]

    @property
    def stored(self) -> bool:
        """Whether ``scores.csv`` has a column of it; what has none follows exactly from ``DERIVED_FROM``."""
        return self.score != "psnr" or self.clip is not None or self.id == PSNR

    @property
    def same_order(self) -> bool:
        """Whether any two networks differ by as much as by ``psnr.slice_max``.

        So it is wherever the mean of the slices' PSNR has peaks that follow from the reference alone.
        """
        return self.score == "psnr" and self.clip is None and self.order == "slices"

    @property
    def words(self) -> str:
        """Peak, range and order in words."""
        peak = _WORDS[self.peak] if isinstance(self.peak, str) else f"{self.peak:g} HU"
        clipped = f", both images clipped to [{self.clip[0]:g}, {self.clip[1]:g}] HU" if self.clip else ""
        mean = "" if self.order == "slices" else "; one PSNR a patient, of the mean square over its slices"
        return f"peak = {peak}{clipped}{mean}"

    @property
    def metric(self) -> Metric:
        """The column of ``scores.csv`` of a convention that clips."""
        return Metric(self.id, self.label, "dB", "higher", self.words, 1, 2, _clipped(self), "conventions")


def closed_form(source: Convention, target: Convention) -> float | None:
    """Return the decibels from one convention to another, the same for all images; None: no number is.

    That is ``20 log10`` of the ratio of the peaks, where both are fixed and nothing else differs.
    """
    if source == target:
        return 0.0
    alike = (source.clip, source.order, source.score) == (target.clip, target.order, target.score)
    if not alike or isinstance(source.peak, str) or isinstance(target.peak, str):
        return None
    return 20.0 * math.log10(target.peak / source.peak)


def _clipped(convention: Convention) -> Callable[[Pair], float]:
    """Return the function of a pair of slices that gives the PSNR after both are clipped."""
    assert convention.clip is not None and not isinstance(convention.peak, str)
    low, high = (1.0 + edge / 1000.0 for edge in convention.clip)
    peak = convention.peak / 1000.0

    def psnr(pair: Pair) -> float:
        error = _mean_square(pair.reference, pair.image, low, high)
        return math.inf if error == 0.0 else 20.0 * math.log10(peak) - 10.0 * math.log10(error)

    return psnr


def _mean_square(x: Image, y: Image, low: float, high: float) -> float:
    """Return the mean square of the difference of two (H, W) images that are clipped first.

    A few rows at a time, in the same two buffers, stay in the processor's cache: copies of whole images cost five
    times as much.
    """
    buffers = np.empty((2, min(_ROWS, len(x)), x.shape[1]))
    parts = []
    for start in range(0, len(x), _ROWS):
        rows = slice(start, start + _ROWS)
        clipped, other = (buffer[: len(x[rows])] for buffer in buffers)
        np.clip(x[rows], low, high, out=clipped)
        clipped -= np.clip(y[rows], low, high, out=other)
        parts.append(float(np.sum(np.square(clipped, out=clipped))))
    return math.fsum(parts) / x.size


#: What a PSNR without clipping is computed from: its peak in HU is rmse x 10^(psnr / 20).
DERIVED_FROM = (PSNR, "rmse.hu")

_LDCT_BENCHMARK = "eeulig/ldct-benchmark 09b1011"

TABLE = (
    Convention(PSNR, "Maximum of the slice", "slice", "the published table: mean of the slices' PSNR"),
    Convention(
        "psnr.slice_max_hu", "Maximum of the slice in HU", "slice in HU",
        "as above on CT numbers, without the offset that puts air at 0",
    ),
    Convention(
        "psnr.volume_max", "Maximum of the volume", "volume",
        "fastmri/evaluate.py of facebookresearch/fastMRI 91f2df4: maximum and mean square of the volume",
        order="patients",
    ),
    Convention(
        "psnr.fixed_4096", "4096 HU", 4096.0,
        "12 bits, [-1024, 3072] HU: what SSinyu/RED-CNN c5adfcb scales to 1 (prep.py), so the peak 1.0 of such images",
    ),
    Convention(
        "psnr.attenuation", "0.082 per mm", 1000.0 * 0.082 / WATER_MU_PER_MM,
        "12 bits as attenuation, water at 0.02 per mm; jleuschn/dival dd86f03 has 0.0814 (MU_MAX in util/constants.py)",
    ),
    Convention(
        "psnr.range_2924", "2924 HU, clipped", 2924.0,
        f"{_LDCT_BENCHMARK}, validation: ldctbench/utils/metrics.py", (-1024.0, 1900.0),
    ),
    Convention(
        "psnr.range_255", "255, clipped", 2000.0,
        "[-1000, 1000] HU as 0 to 255: models/basic_template.py of qgao21/CoreDiff 6f11ecc, whose peak is the range of "
        "the clipped reference slice, 255 where bone reaches 1000 HU", (-1000.0, 1000.0),
    ),
    Convention(
        "psnr.window_soft", "Soft-tissue window", 400.0,
        "centre 40, width 400 HU: trunc_min, trunc_max and solver.py of SSinyu/RED-CNN c5adfcb", (-160.0, 240.0),
    ),
    Convention(
        "psnr.window_lung", "Lung window", 1499.0,
        "centre -600, width 1500 HU by DICOM's linear function, whose ends are width - 1 apart: "
        f"{_LDCT_BENCHMARK}, chest (ldctbench/evaluate/utils.py)", (-1350.0, 149.0),
    ),
    Convention(
        "psnr.window_bone", "Bone window", 2000.0,
        "centre 500, width 2000 HU, chosen: a usual bone window; no program is known to us that scores by it",
        (-500.0, 1500.0),
    ),
    Convention(
        SSIM, "2-D, maximum of the slice", "slice",
        "2-D Gaussian window 11 x 11, Wang et al. 2004, doi 10.1109/TIP.2003.819861",
    ),
    Convention(
        "ssim.column", "Column vector", "slice",
        "the MATLAB script of the published table: 1-D Gaussian window of 11",
    ),
)  # fmt: skip

#: By id, in the order of the report.
CONVENTIONS: dict[str, Convention] = {convention.id: convention for convention in TABLE}

#: The columns of ``scores.csv`` that this table adds.
CLIPPED: tuple[Metric, ...] = tuple(convention.metric for convention in TABLE if convention.clip)

"""Which correlations of two slices are leaks: those above an absolute limit that are also outliers here.

Slices of different patients correlate below 0.3 on scans, but far higher where all patients are drawn by one
program, and their likeness has no absolute scale. So two limits hold at once: an absolute one, and a distance
from how alike the same slice is to other patients, in robust standard deviations of Fisher's z = artanh(r)
(Fisher 1921), which is near normal for correlations of any size.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.leaks.compare import NONE

SAME_PLACE = 0.45  # correlation of details where both lie
MOVED = 0.65  # after registration: the best of many poses
SURE, SURE_SPECTRUM = 0.9, 0.7  # after registration, and of the spectra: no two patients have met both
OUTLIER, MOVED_OUTLIER = 9.5, 11.0  # robust standard deviations
FEWEST = 4  # other patients that a slice is judged by; fewer: by all slices together
_SHARPEST = 0.03  # no spread of z is taken to be smaller
_NEAR_ONE = 0.9999

Array = npt.NDArray[np.float32]


def fisher(scores: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return artanh of correlations, those near 1 and below 0 held at 0.9999 and 0."""
    # a perfect copy would be infinite; what correlates below 0 is merely unlike, and how much says nothing
    z: npt.NDArray[np.float64] = np.arctanh(np.clip(np.asarray(scores, np.float64), 0.0, _NEAR_ONE))
    return z


def leaks(
    scores: Array, usual: Array, owners: npt.NDArray[np.int64], least: float, outlier: float
) -> npt.NDArray[np.bool_]:
    """Return which of ``scores`` (R, G), each row's best likeness to each of G groups (patients), are leaks.

    ``usual`` (R, G) is the same with slices of any part. Scores of -2 are none. ``owners`` (R,) is the patient
    of each row; a row of nobody (-1) is judged by the limit ``least`` alone.
    """
    # the other slices of nobody (-1) may be the same patient's: they do not tell how alike two patients are
    known = (usual > NONE) & (owners >= 0)[:, None]
    middle, spread = _usual(np.where(known, fisher(usual), np.nan), owners)
    return (scores >= least) & (fisher(scores) >= middle[:, None] + outlier * spread)


def _usual(
    z: npt.NDArray[np.float64], owners: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float64], float]:
    """Return the middle of each row (R,) of ``z`` (R, G; NaN: none) and the spread of all rows around theirs.

    Rows with fewer than four other patients are judged by the most alike slices of each pair of patients; where
    these are too few to compare with, nothing is usual and every score is out of line.
    """
    # one number a pair of patients, the highest, and not one a pair of slices: a row of few others is then held against
    # what is likest anywhere, so that few patients make the audit careful instead of quick to suspect
    pairs = np.array([np.fmax.reduce(z[owners == owner], axis=0) for owner in np.unique(owners)]).ravel()
    pairs = pairs[np.isfinite(pairs)]
    if len(pairs) < FEWEST:  # -inf: the absolute limit alone decides
        return np.full(len(z), -np.inf), 1.0
    there = np.isfinite(z)
    enough = there.sum(axis=1) >= FEWEST
    middle = np.full(len(z), float(np.median(pairs)))
    middle[enough] = np.nanmedian(z[enough], axis=1)
    middle[~there.any(axis=1)] = -np.inf
    # each row has its own middle, since some slices are alike in everybody; the spread is one for all, since a row
    # alone has too few numbers for one
    away = np.abs(z - middle[:, None])[there & enough[:, None]]
    if not len(away):
        away = np.abs(pairs - np.median(pairs))
    # the median of a few numbers is itself uncertain: the fewer other patients, the wider the spread is taken;
    # 1.4826 makes the median absolute deviation a standard deviation where values are normal
    others = float(np.median(there.sum(axis=1)[there.any(axis=1)]))
    return middle, (1.0 + FEWEST / others) * max(_SHARPEST, 1.4826 * float(np.median(away)))

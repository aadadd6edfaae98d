"""What another program has made of degraded slices: whether it can be what it is given out for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from bench.ct.units import MU_WATER
from bench.errors import BenchError

#: Of the spread (1st to 99th percentile) of the degraded slice: below it an output is in another unit, or empty.
#: Attenuation has 2e-4 of it, a range of 0 to 1 less than 1e-3; the strongest smoothing of phantoms leaves 0.6.
LEAST_SPREAD = 0.02
#: HU that the mean of a slice may move by. Denoising moves it by 10 (a median filter of phantoms), an intercept that
#: was left out by 1000 or 1024, a range of 0 to 255 by the air around the patient.
MOST_SHIFT = 250.0
UNITS = {
    "attenuation in 1/cm": (MU_WATER / 1000, MU_WATER),
    "mu / mu_water": (1e-3, 1.0),
}  # of HU: factor, offset
THUMBNAIL = 64  # rows and columns in which slices are held against each other
#: How far the distance (1 - correlation) to another slice's input must be below that to the own one, as a ratio. Right
#: pairs: 0.9 and more, also where a Gaussian of 3 of 64 pixels has blurred them; one slice off: 0.1 to 0.25, blurred
#: so 0.6 in the median (smoke phantoms).
CLEARLY, ON_THE_WHOLE = 0.6, 0.85
FAR = 0.5  # an output as far as this from all inputs is not said to belong to any
ALIKE = 1e-3  # added to both distances: copies of a slice are nobody's
Images = npt.NDArray[np.float32]


def checked(output: object, degraded: Images, place: str) -> Images:
    """Return an output as float32 in HU, if it has shape and range of its degraded slice (H, W) and is finite.

    Raises:
        BenchError: it does not; ``place`` is named.
    """
    array = np.asarray(output)
    if array.dtype.kind not in "fiu":
        raise BenchError(f"must hold real numbers, not {array.dtype}", file=place)
    if array.shape != degraded.shape:
        raise BenchError(f"has the shape {array.shape}, must have {degraded.shape}", file=place)
    with np.errstate(over="ignore"):
        image = array.astype(np.float32)
    if not np.isfinite(image).all():
        count = int(np.size(image) - np.isfinite(image).sum())
        raise BenchError(f"{count} of its values are NaN, infinite or beyond float32", file=place)
    if fault := _range(image, degraded):
        raise BenchError(fault, file=place, remedy="give HU: air -1000, water 0")
    return image


def _range(image: Images, degraded: Images) -> str:
    """Return why an output is not in HU, by its degraded slice; empty: it may be."""
    spreads = [float(np.subtract(*np.percentile(values, (99, 1)))) for values in (image, degraded)]
    means = [float(np.mean(values, dtype=np.float64)) for values in (image, degraded)]
    span = f"goes from {image.min():.4g} to {image.max():.4g}"
    if spreads[0] < LEAST_SPREAD * spreads[1]:
        for unit, (factor, offset) in UNITS.items():
            if spreads[0] > 0 and abs((means[0] - offset) / factor - means[1]) < MOST_SHIFT:
                return f"{span}: this is {unit}"
        return f"{span}, its degraded slice from {degraded.min():.4g} to {degraded.max():.4g} HU"
    shift = means[0] - means[1]
    return f"has a mean {shift:+.0f} HU from that of its degraded slice" if abs(shift) > MOST_SHIFT else ""


def thumbnail(image: Images) -> Images:
    """Return a slice (H, W) as means over squares, at most about 64 x 64 for a square one."""
    step = max(1, *(side // THUMBNAIL for side in image.shape))
    rows, columns = (side // step for side in image.shape)
    cut = image[: rows * step, : columns * step].reshape(rows, step, columns, step)
    return np.asarray(cut.mean(axis=(1, 3)), np.float32)


def refuse_turned(outputs: Images, degraded: Images, places: Sequence[str]) -> None:
    """Raise a ``BenchError`` where all thumbnails (N, h, h) are turned or mirrored against those of their inputs."""
    turns: dict[str, Callable[[Images], Images]] = {
        "transposed": lambda x: x.transpose(0, 2, 1),
        "mirrored left to right": lambda x: x[:, :, ::-1],
        "mirrored top to bottom": lambda x: x[:, ::-1],
        "turned by 180 degrees": lambda x: x[:, ::-1, ::-1],
        "turned by 90 degrees": lambda x: np.rot90(x, 1, (1, 2)),
        "turned by 270 degrees": lambda x: np.rot90(x, 3, (1, 2)),
        "transposed and turned": lambda x: x.transpose(0, 2, 1)[:, ::-1, ::-1],
    }
    if outputs.shape[1] != outputs.shape[2]:
        return
    own, flat = _distance(outputs, degraded), {}
    for words, turned in turns.items():
        flat[words] = _distance(turned(outputs), degraded)
    best = min(flat, key=lambda words: flat[words])
    if flat[best] + ALIKE < CLEARLY * (own + ALIKE):
        raise BenchError(
            f"is {best}, as are the others",
            file=places[0],
            remedy="rows first, from the top; columns from the left",
        )


def _distance(outputs: Images, degraded: Images) -> float:
    """Return 1 - correlation of all pixels of two stacks."""
    return 1.0 - float(np.sum(_normed(outputs.reshape(1, -1)) * _normed(degraded.reshape(1, -1))))


def refuse_mixed_up(outputs: Images, degraded: Images, places: Sequence[str]) -> None:
    """Raise a ``BenchError`` where an output is clearly that of another slice, or on the whole outputs are.

    Both are thumbnails (N, h, w). What all slices have in common is taken off, so that it is their differences that
    are held against each other.
    """
    count = len(outputs)
    if count < 2:
        return
    flat = [stack.reshape(count, -1) for stack in (outputs, degraded)]
    mine, theirs = (_normed(stack - stack.mean(axis=0)) for stack in flat)
    ratios, others = np.empty(count), np.empty(count, int)
    for start in range(0, count, 512):
        distances = 1.0 - mine[start : start + 512] @ theirs.T + ALIKE
        at = np.arange(len(distances))
        own = distances[at, start + at].copy()
        distances[at, start + at] = np.inf
        others[start + at] = distances.argmin(axis=1)
        nearest = distances.min(axis=1)
        ratios[start + at] = np.where(nearest < FAR, nearest / own, 1.0)
    worst = int(ratios.argmin())
    if ratios[worst] < CLEARLY or np.median(ratios) < ON_THE_WHOLE:
        first = int(np.flatnonzero(ratios < max(CLEARLY, ratios[worst] + ALIKE))[0])
        belongs = int((ratios < ON_THE_WHOLE).sum())
        raise BenchError(
            f"belongs to another slice, to the input {places[others[first]]} ({belongs} of {count} outputs do)",
            file=places[first],
            remedy="give each output the name of its degraded slice",
        )


def _normed(flat: Images) -> Images:
    """Return each line (N, k) with mean 0 and norm 1; a line without differences is 0."""
    centred = flat - flat.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(centred / np.where(norms > 0, norms, 1), np.float32)

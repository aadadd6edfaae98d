"""Speed of the simulator on this machine, beside scikit-image in the same run: processor-seconds per slice.

``python benchmarks/simulator.py`` (about two minutes). The work is that of the six published conditions without
their noise: one projection of 720 views over 360 degrees and six reconstructions (60, 90 and 180 views, and all of
them three times). Opposite views of a parallel beam are mirror images, so both sides project only half of the views
and add opposite ones before they reconstruct. Ours is given objects of twice the side and works on 8 slices at once;
scikit-image gets the slice itself, its own 725 bins instead of our 729, and one slice, as it takes no more. One
thread each; processor time, so that other work on the machine counts little; compiling is left out.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import skimage
from skimage.transform import iradon, radon
from tabulate import tabulate

from bench import environment, phantom
from bench.ct.geometry import FanBeam, Geometry, ParallelBeam
from bench.ct.projector import project, reconstruct
from bench.ct.resample import local_mean
from bench.ct.units import hu_to_mu

SLICES = 8
STRIDES = (12, 8, 4, 1, 1, 1)
SIZES, VIEWS = (128, 256, 512), (180, 360, 720)
PIXEL_CM = 36.0  # of the field; divided by the size


def used(work: Callable[[], object]) -> float:
    """Return the processor-seconds of one call."""
    began = time.process_time()
    work()
    return time.process_time() - began


def objects(size: int) -> np.ndarray:
    """Return slices of one phantom patient, (SLICES, 2 size, 2 size) in 1/cm."""
    heights = (np.arange(SLICES) + 0.5) / SLICES
    return np.stack([hu_to_mu(phantom.render("P000", height, size=2 * size)[0]) for height in heights])


def ours(images: np.ndarray, scan: Geometry) -> tuple[float, float]:
    """Return seconds per slice of one projection and of six reconstructions."""
    widths = np.full(len(images), PIXEL_CM / scan.size)
    sinograms = np.empty((0,))

    def forward() -> None:
        nonlocal sinograms
        sinograms = project(images, scan, widths)

    def backward() -> None:
        for stride in STRIDES:
            reconstruct(sinograms, scan, widths, stride=stride)

    return used(forward) / len(images), used(backward) / len(images)


def theirs(image: np.ndarray, views: int) -> tuple[float, float]:
    """Return seconds of scikit-image for one slice: half of the views, the others being their mirror images."""
    degrees = np.arange(views // 2) * (360.0 / views)
    sinogram = np.empty((0,))

    def forward() -> None:
        nonlocal sinogram
        sinogram = radon(image, theta=degrees, circle=False)

    def backward() -> None:
        for stride in STRIDES:
            few = slice(None, None, stride)
            iradon(sinogram[:, few], theta=degrees[few], circle=False, output_size=len(image))

    return used(forward), used(backward)


def against_scikit_image(images: np.ndarray) -> str:
    """Return the table of the same work by both."""
    scan = ParallelBeam(512)
    we, they = ours(images, scan), theirs(local_mean(images[:1], 2)[0].astype(np.float64), scan.views)
    rows = [
        (name, a, b, b / a)
        for name, a, b in zip(
            ("projection", "six reconstructions", "together"), (*we, sum(we)), (*they, sum(they)), strict=True
        )
    ]
    header = ("512 x 512, 720 views", "ours, CPU-s per slice", "scikit-image", "ratio")
    return tabulate(rows, header, tablefmt="github", floatfmt=("", ".3f", ".2f", ".0f"))


def growth() -> Iterator[tuple[object, ...]]:
    """Yield seconds per slice for each scan, size and number of views: a projection and a reconstruction of all."""
    for size in SIZES:
        images = objects(size)
        widths = np.full(SLICES, PIXEL_CM / size)
        for views in VIEWS:
            for name, scan in (("parallel", ParallelBeam(size, views)), ("fan", FanBeam(size, views))):
                sinograms = project(images, scan, widths)
                forward = used(lambda scan=scan, images=images, widths=widths: project(images, scan, widths))
                backward = used(
                    lambda scan=scan, sinograms=sinograms, widths=widths: reconstruct(sinograms, scan, widths)
                )
                yield name, size, views, 1e3 * forward / SLICES, 1e3 * backward / SLICES


def main() -> None:
    """Measure and print."""
    small = objects(16)
    for scan in (ParallelBeam(16, 24), FanBeam(16, 24)):  # compile
        ours(small, scan)
    found = environment.describe()
    print(
        f"{found['cpu']}, NumPy {found['numpy']}, Numba {found['numba']}, scikit-image {skimage.__version__}"
    )
    print(against_scikit_image(objects(512)))
    header = ("scan", "size", "views", "projection, CPU-ms per slice", "one reconstruction")
    print(tabulate(growth(), header, tablefmt="github", floatfmt=".1f"))


if __name__ == "__main__":
    main()

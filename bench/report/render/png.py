"""Slices in HU as PNG images within a page. Nothing is written to disk."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray

from bench.report.values import Window

Image = NDArray[np.float32]


WINDOWS = (Window("lung", "Lung", -600, 1500, 300), Window("soft", "Soft tissue", 40, 400, 100))

DIFFERENCE_STEPS = 15  # shades each side of zero: as many as an eye tells apart, at a third of the bytes


def slice_png(image: Image, window: Window) -> str:
    """Return an (H, W) image in HU, seen through ``window``, as a PNG data URI."""
    low = window.centre - window.width / 2
    return _png(np.clip((image - low) / window.width, 0.0, 1.0))


def difference_png(output: Image, reference: Image, window: Window) -> str:
    """Return ``output - reference`` (H, W) in HU as a PNG data URI: orange too high, blue too low."""
    share = np.clip((output - reference) / window.error, -1.0, 1.0)
    share = np.rint(share * DIFFERENCE_STEPS) / DIFFERENCE_STEPS
    return _png((share + 1.0) / 2.0, palette=_two_sided())


def _two_sided() -> bytes:
    steps = np.linspace(-1.0, 1.0, 256)[:, None]
    low, high = np.array([[88.0, 176.0, 255.0]]), np.array([[255.0, 158.0, 66.0]])
    colours = np.abs(steps) ** 0.8 * np.where(steps < 0, low, high)
    return np.rint(colours).astype(np.uint8).tobytes()


def _png(share: Image, palette: bytes | None = None) -> str:
    from PIL import Image as Pillow

    picture = Pillow.fromarray(np.rint(share * 255).astype(np.uint8))
    if palette is not None:
        picture.putpalette(palette)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=6)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")

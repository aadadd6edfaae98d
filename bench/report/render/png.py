"""Slices in HU as small 8-bit PNG images within a page. Nothing is written to disk."""

from __future__ import annotations

import base64
import io
import zlib

import numpy as np
from numpy.typing import NDArray

from bench.report.values import Window

Image = NDArray[np.float32]

DIFFERENCE_STEPS = 15  # shades each side of zero: as many as an eye tells apart, at a third of the bytes
GREY_STEPS = 63  # steps of grey between black and white: noise hides the others


def slice_png(image: Image, window: Window, side: int | None = None) -> str:
    """Return an (H, W) image in HU, seen through ``window``, as a PNG data URI of at most ``side`` pixels a side."""
    low = window.centre - window.width / 2
    share = np.clip((_reduced(image, side) - low) / window.width, 0.0, 1.0)
    return _png(share if side is None else np.rint(share * GREY_STEPS) / GREY_STEPS)


def difference_png(output: Image, reference: Image, scale: float, side: int | None = None) -> str:
    """Return ``output - reference`` (H, W) in HU as a PNG data URI: full at ``scale``: orange too high, blue low."""
    share = np.clip(_reduced(output - reference, side) / scale, -1.0, 1.0)
    share = np.rint(share * DIFFERENCE_STEPS) / DIFFERENCE_STEPS
    return _png((share + 1.0) / 2.0, palette=_two_sided())


def _reduced(image: Image, side: int | None) -> Image:
    """Return the image averaged to at most ``side`` pixels a side."""
    from PIL import Image as Pillow

    if side is None or max(image.shape) <= side:
        return image
    rows, columns = (max(1, round(length * side / max(image.shape))) for length in image.shape)
    picture = Pillow.fromarray(np.asarray(image, np.float32))
    return np.asarray(picture.resize((columns, rows), Pillow.Resampling.BOX))


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
    picture.save(
        buffer, "PNG", compress_type=zlib.Z_RLE
    )  # for noise as small as a search for repeats, in a fifth of its time
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")

"""Images in HU as text within a page, exact to 1 HU; ``templates/viewer.js`` reads them back.

Each value is guessed from its left, upper and upper left neighbour (median edge detection, as in JPEG-LS). What is
missing to the value, as 0, -1, 1, -2, 2 ... = 0, 1, 2, 3, 4 ..., is written as a plane of low and a plane of high bytes
and packed by zlib, run lengths and Huffman codes only: noise has no repeats to search for. At 512 px that is 160 to
320 KB, 10 ms, and 4 to 15 % less than with the left neighbour alone. Not a PNG: browsers show 16 bits as 8, and some of
them falsify pixels that a script reads back.
"""

from __future__ import annotations

import base64
import os
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from bench.report.values import HuImage

Whole = NDArray[np.int16]


def rounded(image: NDArray[np.float32]) -> Whole:
    """Return an (H, W) image in whole HU."""
    return np.rint(np.clip(image, -8192, 8191)).astype(np.int16)


def encode(image: Whole) -> HuImage:
    """Return an (H, W) image in whole HU, of -8192 to 8191, as text; within these no sum leaves int16."""
    padded = np.pad(image, ((1, 0), (1, 0)))
    left, up, corner = padded[1:, :-1], padded[:-1, 1:], padded[:-1, :-1]
    guess = np.clip(left + up - corner, np.minimum(left, up), np.maximum(left, up))
    missing = image - guess
    words = ((missing << 1) ^ (missing >> 15)).astype("<u2")
    planes = words.view(np.uint8).reshape(-1, 2).T.tobytes()
    packing = zlib.compressobj(6, zlib.DEFLATED, strategy=zlib.Z_RLE)
    packed = packing.compress(planes) + packing.flush()
    rows, columns = image.shape
    return HuImage(rows, columns, base64.b64encode(packed).decode("ascii"))


def encode_all(images: Iterable[Whole]) -> list[HuImage]:
    """Return each image as text, several at a time: zlib and NumPy let go of the interpreter."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(encode, images))

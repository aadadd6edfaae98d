"""Which tissue each pixel of a phantom slice holds, seen by a canvas that notes what is painted on it."""

from __future__ import annotations

from enum import IntEnum
from functools import cache
from typing import Any

import numpy as np

from bench import phantom
from bench.phantom.anatomy import Anatomy, Tissue
from bench.phantom.canvas import Canvas
from bench.phantom.drawing import paint

Label = IntEnum(
    "Label",
    "AIR FAT MUSCLE LUNG BLOOD LIVER TRABECULAR CORTICAL SOFT GAS COUCH NODULE SPLEEN KIDNEY HEART LESION",
)
MIXED = 0  # more than one tissue in a pixel
ALIKE = {  # of ``Tissues``, where the name is another
    "skin": Label.SOFT, "late_blood": Label.BLOOD, "myocardium": Label.HEART, "fluid": Label.SOFT,
    "bowel": Label.SOFT, "cartilage": Label.SOFT, "endplate": Label.TRABECULAR, "gland": Label.SOFT,
    "plaque": Label.CORTICAL, "foam": Label.COUCH,
}  # fmt: skip


class LabelledCanvas(Canvas):
    """A canvas that keeps the tissue of each fine pixel beside its CT number."""

    def __init__(self, a: Anatomy, z: float, size: int) -> None:
        super().__init__(a, z, size)
        self.label = np.full(self.hu.shape, Label.AIR, np.int8)
        self.liver = a.tissues.liver
        self.known = {
            id(tissue): ALIKE[name] if name in ALIKE else Label[name.upper()]
            for name, tissue in vars(a.tissues).items()
        }

    def paint(self, view: Any, cover: np.ndarray, tissue: Tissue, offset: Any = 0.0) -> None:
        super().paint(view, cover, tissue, offset)
        texture, liver = (tissue.fine, tissue.coarse), (self.liver.fine, self.liver.coarse)
        lesion = Label.LESION if texture == liver else Label.NODULE  # drawn with tissues of their own
        label = self.label[view.rows, view.columns]
        label[cover > 0.02] = MIXED
        label[cover > 0.98] = self.known.get(id(tissue), lesion)


@cache
def slice_and_labels(patient: str, z: float, *, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The slice in HU and the tissue of each pixel whose fine pixels all agree, else ``MIXED``: both (size, size).

    Both come from one painting, and a slice that is asked for again is not painted again: neither may be written to.
    """
    a = phantom.anatomy(patient, 0)
    canvas = LabelledCanvas(a, z * a.length, size)
    paint(a, canvas)
    parts = canvas.label.reshape(size, canvas.factor, size, canvas.factor)
    low, high = parts.min(axis=(1, 3)), parts.max(axis=(1, 3))
    hu, code = canvas.finish(a.blur), np.where(low == high, low, np.int8(MIXED))
    hu.flags.writeable = code.flags.writeable = False
    return hu, code


def labels(patient: str, z: float, *, size: int) -> np.ndarray:
    """The tissue of each pixel, as ``slice_and_labels`` says."""
    return slice_and_labels(patient, z, size=size)[1]

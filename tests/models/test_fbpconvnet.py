"""FBPConvNet's U-Net: parameter counts by hand."""

from __future__ import annotations

import numpy as np

from models import fbpconvnet


def normed(maps_in: int, maps: int) -> int:
    """Parameters of a conv 3x3, transposed or not, with bias, and its normalization."""
    return 9 * maps_in * maps + maps + 4 * maps


def trainable(net: object) -> int:
    return sum(int(np.prod(w.shape)) for w in net.trainable_weights)  # type: ignore[attr-defined]


def test_parameters_by_hand() -> None:
    net = fbpconvnet.build()
    down = normed(1, 64) + normed(64, 64) + normed(64, 64)
    for fine, coarse in ((64, 128), (128, 256), (256, 512), (512, 1024)):
        down += normed(fine, coarse) + normed(coarse, coarse)
    up = 0
    for coarse, fine in ((1024, 512), (512, 256), (256, 128), (128, 64)):
        up += normed(coarse, fine) + normed(2 * fine, fine) + normed(fine, fine)
    last = 64 * 1 + 1
    channels = 3 * 64 + 2 * (128 + 256 + 512 + 1024) + 3 * (512 + 256 + 128 + 64)
    assert net.count_params() == down + up + last == 34_576_769
    assert trainable(net) == 34_576_769 - 2 * channels == 34_562_945


def test_two_levels_by_hand() -> None:
    """With 3 and 5 maps, so that no two widths of a join can be mistaken for each other."""
    net = fbpconvnet.build(filters=[3, 5], first=2)
    down = normed(1, 3) + normed(3, 3) + normed(3, 5) + normed(5, 5)
    assert net.count_params() == down + normed(5, 3) + normed(6, 3) + normed(3, 3) + (3 + 1)

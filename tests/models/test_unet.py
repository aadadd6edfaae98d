"""UNet: parameter counts by hand."""

from __future__ import annotations

import numpy as np

from models import unet


def normed(maps_in: int, maps: int) -> int:
    """Parameters of a conv 3x3 without bias and its normalization."""
    return 9 * maps_in * maps + 4 * maps


def trainable(net: object) -> int:
    return sum(int(np.prod(w.shape)) for w in net.trainable_weights)  # type: ignore[attr-defined]


def test_parameters_by_hand() -> None:
    net = unet.build()
    down = (9 * 1 * 8 + 8) + normed(8, 8)
    down += normed(8, 16) + normed(16, 16) + normed(16, 32) + normed(32, 32)
    down += normed(32, 64) + normed(64, 64) + normed(64, 128) + normed(128, 128)
    up = 0
    for coarse, fine in ((128, 64), (64, 32), (32, 16), (16, 8)):
        up += (4 * coarse * fine + fine) + normed(2 * fine, fine) + normed(fine, fine)
    last = 8 * 1 + 1
    channels = 8 + 2 * (16 + 32 + 64 + 128) + 2 * (64 + 32 + 16 + 8)
    assert net.count_params() == down + up + last == 487_857
    assert trainable(net) == 487_857 - 2 * channels == 486_401


def test_two_levels_by_hand() -> None:
    """With 3 and 5 maps, so that no two widths of a join can be mistaken for each other."""
    net = unet.build(filters=[3, 5])
    down = (9 * 3 + 3) + (9 * 3 * 3 + 12) + (9 * 3 * 5 + 20) + (9 * 5 * 5 + 20)
    up = (4 * 5 * 3 + 3) + (9 * 6 * 3 + 12) + (9 * 3 * 3 + 12) + (3 + 1)
    assert net.count_params() == down + up
    assert net.get_layer("up1_join").output.shape[-1] == 6

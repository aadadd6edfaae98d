"""The three networks of ``models/`` in PyTorch, for comparison of speed only; needs nothing but PyTorch.

Momentum 0.99 of Keras is 0.01 here. Weights start as PyTorch starts them, which no speed depends on.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

Tensor = torch.Tensor


def _conv(maps: int, out: int, side: int, bias: bool = True) -> nn.Module:
    return nn.Conv2d(maps, out, side, padding=side // 2, bias=bias)


def _deconv(maps: int, out: int, side: int) -> nn.Module:
    return nn.ConvTranspose2d(maps, out, side, padding=side // 2)


def _norm(maps: int) -> nn.Module:
    return nn.BatchNorm2d(maps, eps=1e-3, momentum=0.01)


def _conv_norm_relu(maps: int, out: int) -> list[nn.Module]:
    return [_conv(maps, out, 3, bias=False), _norm(out), nn.ReLU()]


class UNet(nn.Module):
    """``models/unet.py`` with its default parameters."""

    def __init__(self, widths: tuple[int, ...] = (8, 16, 32, 64, 128)) -> None:
        super().__init__()
        first, steps = widths[0], list(pairwise(widths))
        self.first = nn.Sequential(_conv(1, first, 3), nn.ReLU(), *_conv_norm_relu(first, first))
        self.down = nn.ModuleList(
            nn.Sequential(nn.MaxPool2d(2), *_conv_norm_relu(a, b), *_conv_norm_relu(b, b)) for a, b in steps
        )
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2) for a, b in reversed(steps))
        self.join = nn.ModuleList(
            nn.Sequential(*_conv_norm_relu(2 * a, a), *_conv_norm_relu(a, a)) for a, _ in reversed(steps)
        )
        self.last = nn.Conv2d(first, 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Return the denoised image (B, 1, H, W)."""
        x = self.first(image)
        skips = []
        for down in self.down:
            skips.append(x)
            x = down(x)
        for up, join in zip(self.up, self.join, strict=True):
            x = join(torch.cat([up(x), skips.pop()], 1))
        return image - self.last(x)


class DnCNN(nn.Module):
    """``models/dncnn.py`` with its default parameters."""

    def __init__(self) -> None:
        super().__init__()
        middle = [layer for _ in range(15) for layer in _conv_norm_relu(64, 64)]
        self.layers = nn.Sequential(_conv(1, 64, 3), nn.ReLU(), *middle, _conv(64, 1, 3))

    def forward(self, image: Tensor) -> Tensor:
        """Return the denoised image (B, 1, H, W)."""
        return image - self.layers(image)


def _norm_relu_conv(maps: int, out: int, side: int) -> list[nn.Module]:
    return [_norm(maps), nn.ReLU(), _conv(maps, out, side)]


class DDNet(nn.Module):
    """``models/ddnet.py`` with its default parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _conv(1, 16, 7)
        self.blocks = nn.ModuleList(
            nn.ModuleList(
                nn.Sequential(*_norm_relu_conv(maps, 64, 1), *_norm_relu_conv(64, 16, 5))
                for maps in (16, 32, 64, 128)
            )
            for _ in range(4)
        )
        self.transitions = nn.ModuleList(nn.Sequential(*_norm_relu_conv(256, 16, 1)) for _ in range(4))
        wide = [[_deconv(32, 32, 5), nn.ReLU()] for _ in range(4)]
        narrow = [[_norm(32), _deconv(32, 16, 1), nn.ReLU(), _norm(16)] for _ in range(3)]
        self.stages = nn.ModuleList(
            nn.Sequential(*a, *b) for a, b in zip(wide, [*narrow, [_deconv(32, 1, 1)]], strict=True)
        )

    def forward(self, image: Tensor) -> Tensor:
        """Return the denoised image (B, 1, H, W)."""
        x = self.stem(image)
        skips = []
        for level, (block, transition) in enumerate(zip(self.blocks, self.transitions, strict=True)):
            skips.append(x)
            x = functional.max_pool2d(x, 3, 2, 1) if level == 0 else functional.max_pool2d(x, 2)
            kept, joined = [x], x
            for layer in block:
                joined = torch.cat([*kept, layer(joined)], 1)
                kept.append(joined)
            x = transition(joined)
        for stage in self.stages:
            x = stage(torch.cat([functional.interpolate(x, scale_factor=2), skips.pop()], 1))
        return image - x


NETWORKS = {"unet": UNet, "dncnn": DnCNN, "ddnet": DDNet}


def parameters(network: nn.Module) -> int:
    """Return how many numbers a training changes."""
    return sum(values.numel() for values in network.parameters())

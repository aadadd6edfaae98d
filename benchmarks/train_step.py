"""Training speed of the three networks on this machine: slices per second and per processor second.

``python benchmarks/train_step.py [SIZE] [PRECISION]`` (64 and float32 unless said). Whole slices for UNet and DD-Net,
crops of 32 for DnCNN, counted by area; random images; the first step, which traces, is left out.
On a GPU hold the figures against the floor in benchmarks/README.md.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from tabulate import tabulate

from bench import devices
from bench.training.networks import load_network

SECONDS = 5.0
CASES = (("unet", 4, None), ("ddnet", 2, None), ("dncnn", 8, 32))


def measure(name: str, batch: int, side: int, precision: str) -> tuple[float, float]:
    """Return steps per second and per processor second."""
    import keras

    network = load_network(f"models.{name}:build", {}, precision)
    network.compile(optimizer=keras.optimizers.Adam(1e-4), loss="mse", jit_compile=devices.has_accelerator())
    images = np.random.default_rng(1).random((batch, side, side, 1), np.float32)
    network.train_on_batch(images, images)
    began, used, steps = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - began < SECONDS:
        network.train_on_batch(images, images)
        steps += 1
    return steps / (time.perf_counter() - began), steps / (time.process_time() - used)


def main() -> None:
    """Measure and print."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 64
    precision = sys.argv[2] if len(sys.argv) > 2 else "float32"
    rows = []
    for name, batch, patch in CASES:
        area = batch * ((patch or size) / size) ** 2
        wall, processor = measure(name, batch, patch or size, precision)
        rows.append((name, size, precision, batch, patch or "whole", wall * area, processor * area))
    header = ("network", "size", "precision", "batch", "crop", "slices/s", "slices/CPU-s")
    print(devices.describe())
    print(tabulate(rows, header, tablefmt="github", floatfmt=".3g"))


if __name__ == "__main__":
    main()

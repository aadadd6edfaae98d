"""Makes the strip of images in README.md: ``python examples/strip/make.py [RUNS] [docs/strip.png]``.

RUNS holds the run of the profile ``strip`` beside this file (``bench run strip --experiments
examples/strip/experiments.yaml --runs RUNS``). Upper line: input, networks, reference; lower line: what is left of the
error, from -200 to 200 HU.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
import numpy as np

from bench.records.store import RunStore

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from PIL import Image

LABELS = {"unet": "UNet", "dncnn": "DnCNN", "ddnet": "DD-Net"}
WINDOW = (-160, 240)  # HU, soft tissue
ERROR = (-200, 200)  # HU
BODY = np.s_[96:416, 40:472]  # the part of the slice that is shown


def main() -> None:
    """Draw the first kept slice of the test patients."""
    runs, target = Path(sys.argv[1]), Path(sys.argv[2])
    store = RunStore(runs / "strip")
    results = store.read_all(store.read_plan())
    shown: dict[str, tuple[np.ndarray, float]] = {}
    for result in results:
        cell = result.planned.spec
        samples = result.folder.read_samples()
        if samples is None:
            raise SystemExit(f"{result.folder.folder}: no samples; run the profile first")
        row = next(row for row in result.scores if f"{row['patient']}/{row['slice']}" == samples.names[0])
        label = "60 views" if cell.build is None else LABELS[cell.model]
        shown[label] = (samples.images["output"][0], float(row["psnr.slice_max"]))
        reference = samples.images["reference"][0]
    figure, axes = plt.subplots(
        2, len(shown) + 1, figsize=(2.4 * (len(shown) + 1), 3.7), dpi=100, layout="constrained"
    )
    for column, (label, (image, psnr)) in enumerate(shown.items()):
        axes[0, column].set_title(f"{label}, {psnr:.1f} dB", fontsize=10)
        axes[0, column].imshow(image[BODY], cmap="gray", vmin=WINDOW[0], vmax=WINDOW[1])
        bar = axes[1, column].imshow((image - reference)[BODY], cmap="gray", vmin=ERROR[0], vmax=ERROR[1])
    axes[0, -1].set_title("Reference", fontsize=10)
    axes[0, -1].imshow(reference[BODY], cmap="gray", vmin=WINDOW[0], vmax=WINDOW[1])
    scale = axes[1, -1].inset_axes((0.1, 0.05, 0.08, 0.9))
    figure.colorbar(bar, cax=scale, label="error in HU")
    for axis in axes.flat:
        axis.axis("off")
    figure.canvas.draw()
    Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("L").quantize(32).save(
        target, optimize=True
    )


if __name__ == "__main__":
    main()

"""Training curves for TensorBoard, written from the events of a run: no backend is asked."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.events import EpochEnded, Event


def written(events: Generator[Event, None, None], folder: Path) -> Generator[Event, None, None]:
    """Yield the events of a run, and write those of epochs to ``folder``, a folder in it for each cell.

    A step is an epoch: the loss of training, and the PSNR in dB of the validation slices beside that of their
    untreated input.

    Raises:
        BenchError: tensorboardX is not installed, or the folder cannot be written.
    """
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise BenchError(
            "--tensorboard needs tensorboardX", remedy="pip install 'ldct-denoising-benchmark[tensorboard]'"
        ) from None
    writers: dict[str, Any] = {}
    with ExitStack() as stack, closing(events):
        for event in events:
            if isinstance(event, EpochEnded):
                if event.cell not in writers:
                    writers[event.cell] = stack.enter_context(
                        closing(SummaryWriter(str(folder / event.cell)))
                    )
                writer = writers[event.cell]
                writer.add_scalar("loss", event.loss, event.epoch)
                writer.add_scalar("PSNR/validation", event.psnr, event.epoch)
                writer.add_scalar("PSNR/untreated", event.psnr_input, event.epoch)
                writer.flush()
            yield event

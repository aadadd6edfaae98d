"""Whether a training learns nothing or has lost what it had learnt, seen between two checks.

Every half of N updates the network is given a few validation images. What it makes of them and where its weights are
shows each kind of ruin: numbers that are none, an output without an image in it, weights that stand still, an output
that is the input, and a fall far below the best that was reached. All but the first must show twice in a row, as a
healthy training has bad moments too; so each is noticed within N updates of its beginning. That the output is the input
counts from update ``SETTLED`` on; a shorter training is not judged by it, and the table marks such a cell.

The level is the PSNR gained on the untreated input. The training loss is not asked: its unit depends on the recipe, and
moving statistics that are off do not show in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.ct.units import relative
from bench.data.pairs.pairs import PairSet
from bench.plan.cells import Training
from bench.training import random_layers
from bench.training.divergence import Divergence
from bench.training.networks import values

LONGEST = 200  # updates until a ruin is noticed, where the budget is no less than ten times as long
SHORTEST = 10  # two looks a few updates apart would take one bad moment for a ruin
SLICES = 4  # of validation at most: a look costs up to a hundredth of the updates since the last one
SHARE = 0.01  # of the time; on long trainings, where a batch outweighs the start of a look
WORTH = 3.0  # forward passes that an update takes for each image: one forward, two backward
SETTLED = 200  # updates: a residual network may first unlearn its random start, and is its input for a while
TINY = 1e-3  # of the spread of the input, or of its noise: nothing to be seen
LEARNT_DB = 1.0  # above the untreated input: there is something to lose
FALL_DB = 6.0  # below the best: an error of twice the size
FALL_BELOW_INPUT_DB = 3.0  # below the best, where the output is worse than the untreated input too
LEAST = 1e-6  # mu/mu_water: no spread is less
SAMPLED = 16  # numbers of each weight array that are compared: an update moves them all

Images = npt.NDArray[np.float32]


class GivenUp(Exception):
    """A training is ruined, as ``divergence`` says."""

    def __init__(self, divergence: Divergence) -> None:
        super().__init__(divergence.message)
        self.divergence = divergence


@dataclass(frozen=True)
class Look:
    """What a network makes of some images.

    ``gain`` on the untreated input in dB; ``spread`` of the output's pixels as a share of the input's; ``change`` of
    the input, but for a constant, as a share of its noise; ``weights``: some of them.
    """

    updates: int
    gain: float
    spread: float
    change: float
    weights: bytes = b""


#: Before the first look: nothing is wrong.
NOTHING = Look(0, np.inf, np.inf, np.inf)


def noticed_within(updates: int) -> int:
    """Return N, within how many updates a ruin is noticed: a tenth of the training of ``updates``, 10 to 200."""
    return max(SHORTEST, min(LONGEST, updates // 10))


def interval(updates: int) -> int:
    """Return the updates between two looks: the second one after a ruin is within N."""
    return noticed_within(updates) // 2


def ruin(last: Look, now: Look, best: float) -> str:
    """Return what is wrong with a training by two looks in a row; empty where it is sound.

    ``best`` is the largest gain so far, in dB.
    """
    if not np.isfinite([now.spread, now.change]).all():
        return "the output is not finite"
    if last.weights and last.weights == now.weights:
        return "dead: no weight has moved"
    if max(last.spread, now.spread) < TINY:
        return "dead: the output is constant"
    if last.updates >= SETTLED and max(last.change, now.change) < TINY:
        return "the output is still the input"
    highest = max(last.gain, now.gain)
    fall = FALL_BELOW_INPUT_DB if highest < 0 else FALL_DB
    if best >= LEARNT_DB and highest <= best - fall:
        return f"collapsed: PSNR fell from {best:+.2f} to {now.gain:+.2f} dB against the untreated input"
    return ""


class Watchdog:
    """The looks at one training of ``updates`` updates, ``per_epoch`` in an epoch, on images (n, h, w) and references.

    It remembers the last look and the best gain. After an interruption it knows the gain of the best check alone, and
    a ruin is noticed within N updates of the resumed ones.
    """

    def __init__(self, images: Images, references: Images, updates: int, per_epoch: int) -> None:
        self.images, self.references = images, references
        self.interval, self.per_epoch = interval(updates), per_epoch
        self.best, self.last = -np.inf, NOTHING

    def begin(self, network: Any, best: bool) -> None:
        """Take the gain of the network as it stands for the best so far, where it holds the weights of a check."""
        self.best, self.last = (self._look(network, 0).gain if best else -np.inf), NOTHING

    def look(self, step: Any, before: int, updates: int) -> None:
        """Look at the network of a step after ``updates`` updates, ``before`` at the last call, where it is due.

        Raises:
            GivenUp: it is ruined.
        """
        if before // self.interval == updates // self.interval:
            return
        if hasattr(step, "jax_state_sync"):
            step.jax_state_sync()  # Keras on JAX keeps the values outside the variables while it trains
        now = self._look(step.network, updates)
        reason = ruin(self.last, now, self.best)
        if reason:
            epoch = (updates - 1) // self.per_epoch + 1
            raise GivenUp(Divergence(epoch, f"{reason}, at epoch {epoch}, update {updates}"))
        self.best, self.last = max(self.best, now.gain), now

    def _look(self, network: Any, updates: int) -> Look:
        """Return what the network makes of the images, by its compiled prediction."""
        kept = [
            *network.non_trainable_weights,
            *random_layers.states(network),
        ]  # a layer may change them on its own
        before = values(kept)
        output = np.asarray(network.predict_on_batch(self.images[..., None]), np.float32)[..., 0]
        for variable, value in zip(kept, before, strict=True):
            variable.assign(value)
        weights = b"".join(_sample(variable) for variable in network.trainable_variables)
        return seen(updates, self.images, self.references, output, weights)


def seen(updates: int, images: Images, references: Images, output: Images, weights: bytes = b"") -> Look:
    """Return what a network has made of images (n, h, w)."""
    pixels = (1, 2)
    before, after = (
        np.mean((one - references) ** 2, axis=pixels, dtype=np.float64) for one in (images, output)
    )
    spread = output.std(axis=pixels) / images.std(axis=pixels).clip(LEAST)
    change = (output - images).std(axis=pixels) / (images - references).std(axis=pixels).clip(LEAST)
    gain = 10 * np.log10((before + LEAST**2) / (after + LEAST**2))
    return Look(updates, float(gain.mean()), float(spread.max()), float(change.max()), weights)


def watchdog_of(training: Training, pairs: PairSet) -> Watchdog:
    """Return the watchdog of a training: it looks at crops from the middle of slices spread over the validation."""
    rows, side = pairs.parts["validation"], training.patch or int(pairs.reference.shape[-1])
    count = min(SLICES, len(rows), max(1, int(SHARE * WORTH * training.batch * interval(training.updates))))
    chosen = rows[np.linspace(0, len(rows) - 1, count).round().astype(int)]
    top, left = ((length - side) // 2 for length in pairs.reference.shape[-2:])
    degraded, reference = (
        relative(part[chosen, top : top + side, left : left + side])
        for part in (pairs.degraded, pairs.reference)
    )
    return Watchdog(degraded, reference, training.updates, training.updates_per_epoch)


def _sample(variable: Any) -> bytes:
    """Return the first numbers of a weight array along its last axis."""
    line = variable.value[(0,) * (len(variable.shape) - 1)] if variable.shape else variable.value
    return np.asarray(line[:SAMPLED] if variable.shape else line).tobytes()

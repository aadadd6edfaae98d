"""A trained network as a file for other programs, ``.keras`` or ``.onnx``, held against the network that was scored.

The file stands alone: layers of this program are written as the Keras layers that they are (they differ in how they
compute on a GPU), and a fresh process that has loaded nothing of this program must give the same images.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import warnings
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from bench import atomic, devices, words
from bench.errors import BenchError
from bench.trained.network import Trained
from bench.training.evaluate import HU_PER_UNIT

#: How far the file's images may lie from the network's. Sums in another order move them by 1e-3 HU; in bfloat16, which
#: rounds to 8 bits inside the network, by some HU.
BOUND_HU = {"float32": 0.1, "bfloat16": 5.0}
_KERAS = """
import sys
import numpy as np
import keras
network = keras.saving.load_model(sys.argv[1], compile=False)
outputs = [np.asarray(network.predict_on_batch(image[None])) for image in np.load(sys.argv[2])]
"""
_ONNX = """
import sys
import numpy as np
import onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
(given,) = session.get_inputs()
outputs = [session.run(None, {given.name: image[None]})[0] for image in np.load(sys.argv[2])]
"""
_END = """
own = {name for name in sys.modules if name.partition(".")[0] in sys.argv[4:]}
if own:
    sys.exit("it needs the module " + min(own))
np.save(sys.argv[3], np.concatenate(outputs))
"""
PROGRAMS = {".keras": _KERAS + _END, ".onnx": _ONNX + _END}
_SECONDS = 1800.0


@dataclass(frozen=True)
class Exported:
    """A file that was written, and how far its images lie from the network's on so many test slices, at most."""

    path: Path
    slices: int
    largest_hu: float

    @property
    def words(self) -> str:
        """The file in a line."""
        size, slices = atomic.in_words(self.path.stat().st_size), words.count(self.slices, "test slice")
        return (
            f"{self.path} ({size}): {slices}, at most {self.largest_hu:.2g} HU from the network's own output"
        )


def export(trained: Trained, path: Path) -> Exported:
    """Write a trained network into a file whose suffix says the format, and return how near it is.

    It takes images (B, H, W, 1) in mu/mu_water, 1 + HU / 1000. Nothing is left where the file is refused.

    Raises:
        BenchError: no such format, what it needs is not installed, or the file gives other images.
    """
    if path.suffix not in PROGRAMS:
        raise BenchError(f"no format {path.suffix!r}", file=path, remedy=f"name it {' or '.join(PROGRAMS)}")
    if path.suffix == ".onnx" and not all(map(find_spec, ("tf2onnx", "onnxruntime"))):
        message = "writing and checking .onnx needs tf2onnx and onnxruntime"
        raise BenchError(message, remedy="pip install 'ldct-denoising-benchmark[onnx]'")
    if trained.record.spec.params.get("batch_norm") == "batch":
        message = (
            "normalizes by the images beside a slice (batch_norm: batch): no function of one, and no file"
        )
        raise BenchError(f"{trained.record.spec.model} {message}", file=trained.store.folder)
    samples = trained.store.read_samples(("input",))
    if samples is None:
        message, remedy = "not there: no slices to check the file on", "run the cell again with --force"
        raise BenchError(message, file=trained.store.folder / "samples.npz", remedy=remedy)
    images = (1.0 + samples.images["input"].astype(np.float64) / HU_PER_UNIT).astype(np.float32)
    with atomic.replace_with(path) as temporary:
        _write(trained, temporary, images.shape[1:])
        expected = np.concatenate([trained.predict(image[None]) for image in images])
        apart = HU_PER_UNIT * np.abs(
            _predicted(temporary, path, images, trained).astype(np.float64) - expected
        )
        largest = float(apart.max())
        bound = BOUND_HU[_precision(trained)]
        if not largest <= bound:  # nor where it is no number
            message = (
                f"not written: its images lie up to {largest:.3g} HU from the network's, more than {bound:g}"
            )
            raise BenchError(message, file=path)
    return Exported(path, len(images), largest)


def _precision(trained: Trained) -> str:
    training = trained.record.spec.training
    assert training is not None
    return training.precision


def _write(trained: Trained, path: Path, shape: tuple[int, ...]) -> None:
    """Write the network in the format of the suffix."""
    network = of_keras(trained.network, "float32" if path.suffix == ".onnx" else None)
    network(np.zeros((1, *shape, 1), np.float32))  # an exporter wants it called
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")  # of the exporters
        try:
            if path.suffix == ".keras":
                network.save(path)
            else:
                network.export(path, format="onnx", verbose=False)
        except BenchError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise BenchError(
                f"{trained.record.spec.model} cannot be written as {path.suffix}: {reason}"
            ) from error


def of_keras(network: Any, precision: str | None = None) -> Any:
    """Return a copy of a network whose layers are those of Keras, also where a class of ours or the user's changes one.

    A layer without such an origin, and a network that is a class of its own, stay what they are. ``precision``: instead
    of each layer's.
    """
    import keras

    def plain(layer: Any) -> Any:
        own = next(kind for kind in type(layer).__mro__ if kind.__module__.partition(".")[0] == "keras")
        config = layer.get_config() | ({"dtype": precision} if precision else {})
        try:
            kind: Any = type(layer) if own is keras.Layer else own
            return kind.from_config(config)
        except (TypeError, ValueError):
            return type(layer).from_config(config)

    try:
        copy = keras.models.clone_model(network, clone_function=plain)
    except ValueError:  # neither functional nor sequential
        return network
    copy.set_weights([np.asarray(variable.value) for variable in network.weights])
    # The copy is compiled as the network is, and an optimizer has a state as large as the weights.
    return keras.Model(copy.inputs[0], copy.outputs[0], name=network.name)


def _predicted(path: Path, name: Path, images: np.ndarray, trained: Trained) -> np.ndarray:
    """Return what the file makes of images (N, H, W), alone in a fresh process."""
    import keras

    build = trained.record.spec.build
    assert build is not None
    with tempfile.TemporaryDirectory(prefix="bench-export-") as folder:
        given, output = Path(folder, "images.npy"), Path(folder, "output.npy")
        np.save(given, images[..., None])
        own = {"bench", "models", build.partition(":")[0].partition(".")[0]}
        program = [sys.executable, "-c", PROGRAMS[path.suffix]]
        environment = os.environ | {"KERAS_BACKEND": keras.backend.backend()}
        environment |= {"PYTHONWARNINGS": "ignore", "TF_CPP_MIN_LOG_LEVEL": "2"}
        if not devices.has_accelerator():
            environment["CUDA_VISIBLE_DEVICES"] = "-1"
        done = subprocess.run(
            [*program, str(path.resolve()), str(given), str(output), *own],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False,
        )  # fmt: skip
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.strip()] or ["without a word"]
            message = f"not written: it cannot be used without this program ({lines[-1].strip()[:300]})"
            raise BenchError(message, file=name)
        return np.asarray(np.load(output))[..., 0]

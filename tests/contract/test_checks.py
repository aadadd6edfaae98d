"""The contract of a network: a good one keeps it, and each planted fault breaks the check that is for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.contract import CHECKS, checks
from bench.contract.subject import Subject
from tests import tiny
from tests.contract.networks import GOOD, HEAD


def subject(folder: Path, code: str, **given: object) -> Subject:
    """Return the network that ``build`` of ``code`` makes."""
    (folder / "mine.py").write_text(HEAD + code, encoding="utf-8")
    return Subject("mine:build", {}, folder, 16, **given)  # type: ignore[arg-type]


def plain(layers: str, output: str = "x") -> str:
    """Return a network of some lines between ``image`` and its output."""
    lines = "\n".join(f"    {line}" for line in layers.strip().splitlines())
    head = "def build() -> keras.Model:\n    image = x = keras.Input((None, None, 1))\n"
    return f"{head}{lines}\n    return keras.Model(image, {output})\n"


def test_a_good_network_passes_every_check(tmp_path: Path) -> None:
    ended = list(checks.run_all(subject(tmp_path, GOOD)))
    assert [verdict.name for verdict in ended] == list(CHECKS)
    assert [verdict for verdict in ended if not verdict.passed] == []
    words = {verdict.name: verdict.words for verdict in ended}
    # two 3 x 3 kernels of 2 filters, 1 to 2 and 2 to 1, and their biases: 18 + 2 + 18 + 1
    assert words["parameters"] == "39, of which 39 trainable"
    assert words["sizes"] == "17 x 19 pixels too: any size will do"
    assert words["learns"].startswith("one update lowers the loss, ")


def test_the_cost_is_that_of_its_kernels(tmp_path: Path) -> None:
    assert checks.gflop(subject(tmp_path, GOOD), 100) == pytest.approx(2 * 36 * 100**2 / 1e9)


def test_networks_of_this_program_pass(tmp_path: Path) -> None:
    unet = Subject("models.unet:build", {"filters": [2, 4]}, tiny.ROOT, 16)
    ended = {verdict.name: verdict for verdict in checks.run_all(unet)}
    assert all(verdict.passed for verdict in ended.values()), ended
    assert (
        ended["sizes"].words == "16 x 48 pixels too; sides must be multiples of 16 (MULTIPLE of its module)"
    )


CONV = 'x = keras.layers.Conv2D(1, 3, padding="same")(x)'
HALVED = """
x = keras.layers.Conv2D(4, 3, strides=2, padding="same")(x)
x = keras.layers.Conv2DTranspose(1, 2, strides=2)(x)
"""
CUSTOM = """
class Mine(keras.layers.Layer):
    def build(self, shape):
        self.gain = self.add_weight(shape=(), initializer="ones")

    def call(self, x):
        return x * self.gain * 0.5


"""
FORGETFUL = """
@keras.saving.register_keras_serializable(package="tests")
class Other(keras.layers.Layer):
    def __init__(self, factor=1.0, **rest):
        super().__init__(**rest)
        self.factor = factor

    def call(self, x):
        return x * self.factor

    def get_config(self):
        return {"name": self.name}


"""
NUMPY = """
import numpy

class Noisy(keras.layers.Layer):
    def call(self, x):
        return x + float(numpy.random.normal()) * 0.01


"""
UNOWNED = """
class Dropped(keras.layers.Layer):
    def call(self, x, training=False):
        return keras.random.dropout(x, 0.5) if training else x


"""
ALWAYS = """
class Always(keras.layers.Layer):
    def __init__(self, **rest):
        super().__init__(**rest)
        self.seeds = keras.random.SeedGenerator(1)

    def call(self, x):
        return x + keras.random.normal(ops.shape(x), seed=self.seeds)


"""
FAULTS = [
    (
        "builds",
        "def build():\n    raise ValueError('no such depth')\n",
        "mine:build cannot be built: no such depth",
    ),
    ("builds", "def build():\n    return 3\n", "returns int, not a keras.Model"),
    (
        "shape",
        plain("x = keras.layers.Conv2D(1, 3)(x)"),
        "16 x 16 pixels: the output has shape (2, 14, 14, 1)",
    ),
    ("shape", plain('x = keras.layers.Conv2D(2, 3, padding="same")(x)'), "has shape (2, 16, 16, 2)"),
    ("shape", plain(CONV, "[x, x]"), "the output is a list, not one image"),
    (
        "shape",
        plain('x = keras.layers.Conv2D(1, 3, padding="same", dtype="float16")(x)'),
        "is float16, not float32",
    ),
    ("sizes", plain(HALVED), "multiples of 2 work: write MULTIPLE = 2 in its module"),
    (
        "sizes",
        plain(CONV).replace("(None, None, 1)", "(16, 16, 1)"),
        "let it begin with keras.Input((None, None, 1))",
    ),
    (
        "parameters",
        plain("x = keras.layers.AveragePooling2D(3, 1, 'same')(x)"),
        "0 parameters, none of them trainable",
    ),
    (
        "finite",
        plain(f"{CONV}\nx = x / (image - image)"),
        "values of the output are not finite for an image of",
    ),
    ("saves", CUSTOM + plain("x = Mine()(x)"), "Mine cannot be found again in another process"),
    ("saves", FORGETFUL + plain("x = Other(0.5)(x)"), "gives another output: get_config lacks something"),
    ("saves", plain(f"{CONV}\nx = keras.layers.Lambda(lambda y: 2 * y)(x)"), "ambda"),
    ("learns", plain(f"{CONV}\nx = x * ops.log(image - image - 1)"), "the loss is nan"),
    ("learns", plain(f"{CONV}\nx = image + 0 * x"), "no gradient reaches them"),
    ("not the identity", plain(f"{CONV}\nx = image + 0 * x"), "the output is the input"),
    ("no global randomness", NUMPY + plain(f"{CONV}\nx = Noisy()(x)"), "global generator of NumPy"),
    (
        "no global randomness",
        UNOWNED + plain(f"{CONV}\nx = Dropped()(x)"),
        "from a generator that belongs to no layer",
    ),
    (
        "no global randomness",
        ALWAYS + plain(f"{CONV}\nx = Always()(x)"),
        "equal images give other outputs each time",
    ),
]


@pytest.mark.parametrize(("name", "code", "words"), FAULTS)
def test_each_fault_breaks_its_check(tmp_path: Path, name: str, code: str, words: str) -> None:
    verdict = checks.check(name, subject(tmp_path, code))
    assert not verdict.passed
    assert words in verdict.words
    assert "\n" not in verdict.words


def test_what_cannot_be_built_is_checked_no_further(tmp_path: Path) -> None:
    ended = list(checks.run_all(subject(tmp_path, "def build():\n    raise ValueError('no')\n")))
    assert [verdict.name for verdict in ended] == ["builds"]


def test_dropout_of_keras_is_no_fault(tmp_path: Path) -> None:
    dropped = subject(tmp_path, plain(f"{CONV}\nx = keras.layers.Dropout(0.5)(x)"))
    assert checks.check("no global randomness", dropped).passed
    assert checks.check("learns", dropped).passed

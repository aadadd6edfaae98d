"""An own network: a small residual one that works at once, and an experiment that compares it with UNet."""

from __future__ import annotations

import keyword

from bench.config import load
from bench.config.crosschecks import RESERVED
from bench.scaffold.files import HEAD, SMALL_PHANTOM, UNET, Scaffold, new_name, packaged_config

NETWORK = '''\
"""What this network is, in one sentence; what it is made from (paper, program) and how it differs."""

import keras


def build(filters: int = 32, depth: int = 5) -> keras.Model:
    """Return the network: (batch, H, W, 1) to the same shape, in mu/mu_water (air 0, water 1)."""
    image = keras.Input((None, None, 1))
    x = image
    for _ in range(depth - 1):
        x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
    noise = keras.layers.Conv2D(1, 3, padding="same", kernel_initializer="zeros")(x)  # starts as the untreated slice
    return keras.Model(image, keras.layers.Subtract(dtype="float32")([image, noise]))
'''
EXPERIMENTS = """\
{head}
models:
  {name}:
    label: {name}
    build: models.{module}:build
    params: {{filters: 32, depth: 5}} # of build
    recipes:
      study: {{learning_rate: {{from: 1e-3, to: 1e-4}}, epochs: 40, batch: 4, chosen: [learning_rate, epochs, batch]}}

experiments:
  {name}: {{models: [unet, {name}], conditions: [sparseview_60, ldct_1e5]}}

profiles:
  {name}: # chosen: all of it; a phantom's decibels are never those of patients
    description: {name} beside UNet on a small phantom, a minute or two on a CPU
    experiment: {name}
{phantom}\
    budget: {{slices_seen: 400, checks: 2}} # both networks see as many
    training:
{unet}\
      {name}: {{batch: 1}}
"""


def of(name: str) -> Scaffold:
    """Return the files of a network called ``name``; ``BenchError`` where it cannot be called so."""
    known = packaged_config().experiments
    new_name(name, "model", {*known.models, *known.profiles, *known.experiments, *RESERVED["models"]})
    module = name.replace("-", "_")
    if module[0].isdigit() or keyword.iskeyword(module):
        module = f"net_{module}"
    text = EXPERIMENTS.format(head=HEAD, name=name, module=module, phantom=SMALL_PHANTOM, unet=UNET)
    return Scaffold(
        {f"models/{module}.py": NETWORK, load.EXPERIMENTS: text},
        (f"network {name}: replace what build in models/{module}.py returns by your own; it works as it is",),
        (f"bench check-model {name} --profile {name}", f"bench run --all --profile {name}"),
    )

"""A small network that keeps the contract, as the text of its module."""

from __future__ import annotations

HEAD = "import keras\nfrom keras import ops\n"
GOOD = """
def build(filters: int = 2) -> keras.Model:
    image = keras.Input((None, None, 1))
    x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(image)
    x = keras.layers.Conv2D(1, 3, padding="same")(x)
    return keras.Model(image, keras.layers.Subtract(dtype="float32")([image, x]))
"""

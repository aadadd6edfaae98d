"""A trained network of a results folder, used outside a run: HU in, HU out; exported, and published with a card."""

from bench.trained.network import Trained, load
from bench.trained.opening import cell_store

__all__ = ["Trained", "cell_store", "load"]

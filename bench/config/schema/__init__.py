"""The schema: frozen classes of ``datasets.yaml``, ``experiments.yaml`` and of one resolved cell.

The classes only describe and check single values. ``config`` reads the files into them, ``plan`` resolves
them into cells. Nothing here knows Keras. Field names are the keys that a user writes. What the modules define is
found under this name.
"""

from bench.config.schema.base import *
from bench.config.schema.datasets import *
from bench.config.schema.experiments import *
from bench.config.schema.source import *

"""Draw, scan and degrade slices of the phantom; write them to a file: ``python -m tests.ct.building FILE``.

Run by ``test_instructions.py`` in processes of different instruction sets.
"""

from __future__ import annotations

import json
import sys

import numpy as np

from bench import phantom
from bench.ct.conditions import Condition, Reference
from bench.ct.dose import scan
from bench.ct.geometry import FanBeam, Geometry, ParallelBeam
from bench.ct.noise import Quanta
from bench.ct.resample import local_mean
from bench.ct.units import hu_to_mu
from bench.environment import instructions

SIZE, SLICES = 64, (("P001", 0.2), ("P005", 0.5))
LOW = Condition("ldct_7e4", noise=Quanta(photons=7e4))
CONDITIONS = (Condition("sv60", 60), LOW, Condition("electronics", noise=Quanta(photons=2e4, electronic=5.0)))


def made() -> dict[str, np.ndarray]:
    """Return references, line integrals, and every condition under two scans and a noisy reference."""
    drawn = [phantom.render(patient, z, size=2 * SIZE) for patient, z in SLICES]
    objects = np.stack([hu_to_mu(hu) for hu, _ in drawn])
    widths = np.array([pixel_mm / 5.0 for _, pixel_mm in drawn])
    keys = [(1, patient, f"{z:g}") for patient, z in SLICES]
    found = {"reference": local_mean(objects, 2), "widths": widths}
    scans: dict[str, Geometry] = {"parallel": ParallelBeam(SIZE), "fan": FanBeam(SIZE, 360)}
    for name, geometry in scans.items():
        plain = scan(objects, widths, geometry, keys)
        full = scan(objects, widths, geometry, keys, Reference(photons=1e6))
        found[f"{name} rays"], found[f"{name} counts"] = plain.clean, full.counts
        found |= {f"{name} {key}": value for key, value in plain.degraded(CONDITIONS).items()}
        found[f"{name} thinned"] = full.degraded([LOW])[LOW.name]
    return found


if __name__ == "__main__":
    np.savez(sys.argv[1], instructions=json.dumps(instructions()), **made())

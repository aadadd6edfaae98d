"""What is drawn once per patient: body measures, landmarks and tissue values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import pi, sin

import numpy as np

from bench.seeds import generator


@dataclass(frozen=True)
class Tissue:
    """Mean in HU and the standard deviations in HU of its fine and its coarse texture."""

    hu: float
    fine: float = 0.0
    coarse: float = 0.0


@dataclass(frozen=True)
class Tissues:
    """The tissue values of one patient."""

    skin: Tissue
    fat: Tissue
    muscle: Tissue
    lung: Tissue
    blood: Tissue
    late_blood: Tissue
    myocardium: Tissue
    soft: Tissue
    liver: Tissue
    spleen: Tissue
    kidney: Tissue
    fluid: Tissue
    bowel: Tissue
    gas: Tissue
    trabecular: Tissue
    cortical: Tissue
    cartilage: Tissue
    endplate: Tissue
    gland: Tissue
    plaque: Tissue
    couch: Tissue
    foam: Tissue


@dataclass(frozen=True)
class Anatomy:
    """Measures of one patient in mm; heights (``_t``) as fractions of ``length``.

    Everything is described in the patient's own frame; ``shift`` tells where that lies in the field.
    """

    patient: str
    seed: int
    fov: float
    length: float
    blur: float
    contrast: bool
    disease: str
    grade: float
    breasts: float
    arms: bool
    half_width: float
    half_depth: float
    body_y: float
    powers: tuple[float, float]
    lumps: tuple[tuple[float, float], ...]
    fat: float
    cage_width: float
    cage_depth: float
    cage_y: float
    cage_power: float
    scale: float
    pitch: float
    first_rib: float
    rib_drop: float
    dome_right: float
    dome_left: float
    dome_fall: float
    heart_t: float
    heart_x: float
    heart_size: float
    carina_t: float
    arch_t: float
    vessel: float
    lean: float
    bends: tuple[tuple[float, float, float], ...]
    tissues: Tissues

    def at(self, x: float, y: float, t: float) -> tuple[float, float, float]:
        """Point in mm from x in scaled mm, y in half depths of the rib cage, t as fraction of the length."""
        return x * self.scale, self.cage_y + y * self.cage_depth, t * self.length

    def rng(self, what: str) -> np.random.Generator:
        """The generator of this patient for one named purpose."""
        return generator("phantom", self.seed, self.patient, what)

    def shift(self, z: float) -> tuple[float, float]:
        """Where the patient's frame lies at height z: x and y in mm from the centre of the field."""
        x, y = (offset + swing * sin(2.0 * pi * z / 420.0 + phase) for offset, swing, phase in self.bends)
        return x, y


WIDEST = 498.0  # mm; what lies farther out, a clinical fan beam does not see


@lru_cache(maxsize=256)
def anatomy(patient: str, seed: int) -> Anatomy:
    """Draw the measures of ``patient``; equal arguments give equal patients in any order of calls."""
    rng = generator("phantom", seed, patient, "body")
    u = rng.uniform
    cage_width = u(112.0, 144.0)
    cage_depth = cage_width * u(0.60, 0.75)
    scale = cage_width / 130.0
    fat = float(5.0 + 36.0 * u(0.0, 1.0) ** 2.2)
    wall_front, wall_back, wall_side = u(13.0, 17.0), u(31.0, 37.0), u(15.0, 21.0)
    width = cage_width + wall_side + fat
    depth = cage_depth + 0.5 * (wall_front + wall_back) + 0.65 * fat
    arms = bool(u(0.0, 1.0) < 0.6) and width < 150.0
    bends = (
        (u(-5.0, 5.0), u(-4.0, 4.0), u(0.0, 6.283)),
        (u(-8.0, 8.0), u(0.0, 7.0), u(-0.8, 0.8)),
    )
    lean = u(-6.0, 6.0)
    reach = max(width + (84.0 if arms else 6.0), 168.0 * scale + 0.5 * fat + 18.0 + abs(lean))
    reach += abs(bends[0][0]) + abs(bends[0][1])
    fov = 2.0 * reach + float(6.0 + 70.0 * u(0.0, 1.0) ** 2.5)
    length = u(300.0, 350.0)
    right = u(0.56, 0.62)
    arch = u(0.185, 0.215)
    contrast = bool(generator("phantom", seed, patient, "contrast").random() < 0.5)
    disease, grade = _disease(patient, seed)
    body_y = -u(0.0, 14.0)
    return Anatomy(
        patient=patient,
        seed=seed,
        fov=min(WIDEST, round(fov, 3)),
        length=length,
        blur=u(0.5, 0.9),
        contrast=contrast,
        disease=disease,
        grade=grade,
        breasts=float(max(0.0, u(-1.0, 1.0))),
        arms=arms,
        half_width=width,
        half_depth=depth,
        body_y=body_y,
        powers=(u(2.05, 2.35), u(2.5, 2.9)),
        lumps=tuple((float(rng.normal(0.0, 0.010)), float(u(0.0, 6.283))) for _ in range(4)),
        fat=fat,
        cage_width=cage_width,
        cage_depth=cage_depth,
        cage_y=body_y + 0.5 * (wall_front - wall_back) + 0.15 * fat,
        cage_power=u(2.1, 2.35),
        scale=scale,
        pitch=length * u(0.074, 0.082),
        first_rib=-length * u(0.19, 0.26),
        rib_drop=length * u(0.32, 0.39),
        dome_right=right,
        dome_left=right + u(0.02, 0.06),
        dome_fall=length * u(0.13, 0.18),
        heart_t=right - u(0.06, 0.09),
        heart_x=u(4.0, 16.0),
        heart_size=u(0.95, 1.15) * (cage_depth / cage_width / 0.675) ** 0.5,
        carina_t=arch + u(0.10, 0.13),
        arch_t=arch,
        vessel=u(1.0, 1.28),
        lean=lean,
        bends=bends,
        tissues=_tissues(patient, seed, contrast),
    )


def _disease(patient: str, seed: int) -> tuple[str, float]:
    """The disease of the lungs ("": none) and its extent, 0 to 1."""
    rng = generator("phantom", seed, patient, "disease")
    kind, grade = float(rng.random()), float(rng.uniform(0.3, 1.0))
    kinds = ((0.22, "emphysema"), (0.38, "fibrosis"), (0.54, "infiltrates"), (0.64, "effusion"))
    return next((name for limit, name in kinds if kind < limit), ""), grade


def _tissues(patient: str, seed: int, contrast: bool) -> Tissues:
    u = generator("phantom", seed, patient, "tissues").uniform
    blood = u(155.0, 295.0) if contrast else u(37.0, 48.0)
    return Tissues(
        skin=Tissue(u(10.0, 40.0), 5.0),
        fat=Tissue(u(-113.0, -97.0), 4.0, 5.0),
        muscle=Tissue(u(47.0, 63.0), 5.0, 5.0),
        lung=Tissue(u(-875.0, -815.0), 22.0, 14.0),
        blood=Tissue(blood, 3.0, 2.0),
        late_blood=Tissue(max(152.0, blood * u(0.7, 0.9)) if contrast else blood, 3.0, 3.0),
        myocardium=Tissue(u(90.0, 120.0) if contrast else u(46.0, 54.0), 4.0, 4.0),
        soft=Tissue(u(35.0, 55.0), 5.0, 4.0),
        liver=Tissue(u(92.0, 128.0) if contrast else u(47.0, 68.0), 4.0, 3.5),
        spleen=Tissue(u(100.0, 140.0) if contrast else u(45.0, 55.0), 4.0, 3.0),
        kidney=Tissue(u(140.0, 200.0) if contrast else u(30.0, 38.0), 5.0, 4.0),
        fluid=Tissue(u(5.0, 25.0), 3.0, 3.0),
        bowel=Tissue(u(-40.0, 30.0), 60.0, 60.0),
        gas=Tissue(-985.0),
        trabecular=Tissue(u(135.0, 235.0), 32.0, 9.0),
        cortical=Tissue(u(950.0, 1600.0), 60.0, 40.0),
        cartilage=Tissue(u(75.0, 120.0), 10.0, 10.0),
        endplate=Tissue(u(230.0, 300.0), 40.0, 10.0),
        gland=Tissue(u(5.0, 35.0), 8.0, 5.0),
        plaque=Tissue(u(450.0, 900.0), 60.0),
        couch=Tissue(u(0.0, 400.0)),
        foam=Tissue(u(-960.0, -920.0)),
    )

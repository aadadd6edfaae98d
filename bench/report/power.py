"""The smallest difference between two networks that the patients of a split could show."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from functools import lru_cache
from itertools import combinations

from bench.config.schema import INPUT
from bench.metrics import PSNR
from bench.records.store import Result
from bench.report.statistics import SIGNIFICANT, deviation, mean

POWER = 0.8
#: dB from patient to patient of the difference between two networks, where no cell has finished: an assumption, the one
#: of the simulations in docs/statistics.md.
ASSUMED_DB = 0.1


def smallest_difference(patients: int, sd: float, level: float = SIGNIFICANT) -> float:
    """Return the mean difference that a two-sided paired t test at ``level`` finds in 80 % of samples of ``patients``.

    ``sd`` is the standard deviation of the paired differences over patients, in the unit of the result. The power is
    that of the noncentral t distribution (Cohen 1988, Statistical Power Analysis, chapter 2). At 0.05 it is that of one
    comparison alone; for one of several, ``level`` is 0.05 by their number.

    Raises:
        ValueError: fewer than two patients.
    """
    if patients < 2:
        raise ValueError("a paired test needs two patients")
    return _shift(patients, level) * sd / math.sqrt(patients)


@lru_cache
def _shift(patients: int, level: float) -> float:
    """Return the noncentrality at which the test has its power: the mean in standard errors."""
    from scipy import special

    # A difference found on the wrong side is below one in a million there. Not scipy.optimize: a second to import.
    critical = special.stdtrit(patients - 1, 1 - level / 2)
    return float(special.nctdtrinc(patients - 1, 1 - POWER, critical))


def paired_deviation(results: Iterable[Result]) -> tuple[float, int] | None:
    """Return the median standard deviation of paired PSNR differences over patients, in dB, and of how many pairs.

    A pair is two finished networks of one condition and seed, with the patients of all their folds; None where there is
    none with two patients.
    """
    means: dict[tuple[str, int], dict[str, dict[str, float]]] = {}
    for result in results:
        spec = result.planned.spec
        if spec.model == INPUT or not result.scores:
            continue
        by_patient: dict[str, list[float]] = {}
        for row in result.scores:
            by_patient.setdefault(str(row["patient"]), []).append(float(row[PSNR]))
        network = means.setdefault((result.planned.condition, spec.seed), {}).setdefault(spec.model, {})
        network |= {patient: mean(values) for patient, values in by_patient.items()}
    deviations = []
    for networks in means.values():
        for one, other in combinations(networks.values(), 2):
            gaps = [one[patient] - other[patient] for patient in one.keys() & other.keys()]
            sd = deviation(gaps) if all(map(math.isfinite, gaps)) else None
            deviations += [sd] if sd else []
    return (statistics.median(deviations), len(deviations)) if deviations else None

"""The compiled loops that count photons: Poisson, thinned and electronic noise, a stream of draws for every ray.

Ray r of a scan draws from the counter-based generator Philox4x64-10 (Salmon et al. 2011,
doi 10.1145/2063384.2063405) with the scan's key and the counter (block, r, 0, 0), block = 1, 2, ...: the 64-bit
words are those of ``numpy.random.Philox(key=key, counter=r << 64)``. So what one ray draws, and how often, changes
nothing for another.

Counts below a mean of 10 come from inversion of one uniform number, others from transformed rejection with squeeze
(Poisson: PTRS, Hoermann 1993, doi 10.1016/0167-6687(93)90997-4; binomial: BTRS, Hoermann 1993,
doi 10.1080/00949659308811496), whose probabilities are Loader's saddle-point forms: exact for 1e15 photons too.
Normal draws are Box and Muller's. No fastmath: the compiler fuses and reorders nothing. Exponentials and logarithms
are the C library's, whose last bit may depend on the processor: a count then changes with a probability of about 1e-16
per photon.

All that is compiled is in this one file because Numba's cache looks at the calling function's only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from bench.compiled import compiled

Array = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint64]

_compiled = compiled(nogil=True, error_model="numpy")
_FEW = 10.0  # mean count below which one uniform number is inverted
_SHIFT = np.uint64(11)
_FACTORS = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)  # Philox4x64: multipliers
_STEPS = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)  # and what is added to the key


def _high_word(_: Any, a: Any, b: Any) -> tuple[Any, Callable[..., Any]]:
    """Return the upper 64 bits of the product of two 64-bit numbers."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.IntType(128)
        left, right = (builder.zext(value, wide) for value in arguments)
        product = builder.lshr(builder.mul(left, right), ir.Constant(wide, 64))
        return builder.trunc(product, ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), generate


_high: Any = intrinsic(_high_word)


@_compiled
def philox(block: int, ray: int, key: Words) -> tuple[Any, Any, Any, Any]:
    """Return the four words of the counter (``block``, ``ray``, 0, 0)."""
    a, b, c, d = np.uint64(block), np.uint64(ray), np.uint64(0), np.uint64(0)
    k, m = key[0], key[1]
    for _ in range(10):
        high, low = _high(_FACTORS[0], a), _FACTORS[0] * a
        a, b = _high(_FACTORS[1], c) ^ b ^ k, _FACTORS[1] * c
        c, d = high ^ d ^ m, low
        k, m = k + _STEPS[0], m + _STEPS[1]
    return a, b, c, d


@_compiled
def _uniform(word: Any) -> float:
    """Return a word as a number of [0, 1), in steps of 2^-53."""
    return np.float64(word >> _SHIFT) * 2.0**-53


@_compiled
def normal(ray: int, key: Words) -> float:
    """Return a ray's draw of the standard normal distribution."""
    first, second, _, _ = philox(1, ray, key)
    far = math.sqrt(-2.0 * math.log(1.0 - _uniform(first)))
    return far * math.cos(2.0 * math.pi * _uniform(second))


@_compiled
def poisson(mean: float, ray: int, key: Words) -> float:
    """Return a ray's draw of the Poisson distribution of ``mean``."""
    if mean < _FEW:
        share = math.exp(-mean)
        left, count = _uniform(philox(1, ray, key)[0]) - share, 0.0
        while left >= 0.0 and count < 200.0:  # beyond 200 the shares are 0
            count += 1.0
            share *= mean / count
            left -= share
        return count
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    scale, inside = 1.1239 + 1.1328 / (b - 3.4), 0.9277 - 3.6224 / (b - 2.0)
    block = 0
    while True:
        block += 1
        one, two, three, four = philox(block, ray, key)
        for half in range(2):
            u, v = _uniform(one if half == 0 else three) - 0.5, _uniform(two if half == 0 else four)
            edge = 0.5 - abs(u)
            if edge <= 0.0:
                continue
            count = math.floor((2.0 * a / edge + b) * u + mean + 0.43)
            if edge >= 0.07 and v <= inside:
                return count
            if count < 0.0 or (edge < 0.013 and v > edge) or v <= 0.0:
                continue
            if math.log(v * scale / (a / (edge * edge) + b)) <= _log_poisson(count, mean):
                return count


@_compiled
def binomial(trials: float, chance: float, ray: int, key: Words) -> float:
    """Return how many of so many ``trials`` of a ray succeed, each with the same ``chance``."""
    if trials <= 0.0 or chance >= 1.0:
        return trials
    if chance > 0.5:
        return trials - _binomial(trials, 1.0 - chance, ray, key)
    return _binomial(trials, chance, ray, key)


@_compiled
def _binomial(n: float, p: float, ray: int, key: Words) -> float:
    if n * p < _FEW:
        share = math.exp(n * math.log1p(-p))
        left, count = _uniform(philox(1, ray, key)[0]) - share, 0.0
        while left >= 0.0 and count < min(n, 200.0):
            count += 1.0
            share *= (n - count + 1.0) / count * (p / (1.0 - p))
            left -= share
        return count
    spread = math.sqrt(n * p * (1.0 - p))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    scale, inside = (2.83 + 5.1 / b) * spread, 0.92 - 4.2 / b
    top = _log_binomial(math.floor((n + 1.0) * p), n, p)
    block = 0
    while True:
        block += 1
        one, two, three, four = philox(block, ray, key)
        for half in range(2):
            u, v = _uniform(one if half == 0 else three) - 0.5, _uniform(two if half == 0 else four)
            edge = 0.5 - abs(u)
            if edge <= 0.0:
                continue
            count = math.floor((2.0 * a / edge + b) * u + n * p + 0.5)
            if count < 0.0 or count > n:
                continue
            if edge >= 0.07 and v <= inside:
                return count
            if v > 0.0 and math.log(v * scale / (a / (edge * edge) + b)) <= _log_binomial(count, n, p) - top:
                return count


@_compiled
def _log_poisson(k: float, mean: float) -> float:
    """Return the logarithm of the probability of ``k`` (Loader 2000, "Fast and accurate computation of ...")."""
    if k == 0.0:
        return -mean
    return -0.5 * math.log(2.0 * math.pi * k) - _stirling_error(k) - _deviance(k, mean)


@_compiled
def _log_binomial(k: float, n: float, p: float) -> float:
    if k == 0.0:
        return n * math.log1p(-p)
    if k == n:
        return n * math.log(p)
    errors = _stirling_error(n) - _stirling_error(k) - _stirling_error(n - k)
    apart = _deviance(k, n * p) + _deviance(n - k, n * (1.0 - p))
    return errors - apart - 0.5 * math.log(2.0 * math.pi * k * ((n - k) / n))


@_compiled
def _stirling_error(k: float) -> float:
    """Return ln k! minus Stirling's formula, k at least 1."""
    if k < 16.0:
        return math.lgamma(k + 1.0) - (k + 0.5) * math.log(k) + k - 0.5 * math.log(2.0 * math.pi)
    s = 1.0 / (k * k)
    return (1.0 / 12.0 - s * (1.0 / 360.0 - s * (1.0 / 1260.0 - s / 1680.0))) / k


@_compiled
def _deviance(k: float, mean: float) -> float:
    """Return k ln(k / mean) + mean - k without cancellation."""
    ratio = (k - mean) / (k + mean)
    if abs(ratio) >= 0.1:
        return k * math.log(k / mean) + mean - k
    total, power, square, step = (k - mean) * ratio, 2.0 * k * ratio, ratio * ratio, 1.0
    while True:
        power *= square
        step += 2.0
        following = total + power / step
        if following == total:
            return total
        total = following


@_compiled
def _line_integral(count: float, photons: float, integral: float, factor: float) -> float:
    return integral + factor * (math.log(photons / max(count, 1.0)) - integral)


@_compiled
def count(integrals: Array, photons: float, key: Words, step: int, counts: Doubles) -> None:
    """Fill ``counts`` (views, bins) with the photons that arrive behind the line integrals ``integrals``.

    Every ``step``-th view of the scan is given: that numbers the rays.
    """
    views, bins = integrals.shape
    for v in range(views):
        for b in range(bins):
            counts[v, b] = poisson(photons * math.exp(-np.float64(integrals[v, b])), v * step * bins + b, key)


@_compiled
def thin(full: Doubles, chance: float, key: Words, step: int, counts: Doubles) -> None:
    """Fill ``counts`` with those of the photons ``full`` (views, bins) that a dose lower by ``chance`` would leave."""
    views, bins = full.shape
    for v in range(views):
        for b in range(bins):
            counts[v, b] = binomial(full[v, b], chance, v * step * bins + b, key)


@_compiled
def add_electronic(counts: Doubles, deviation: float, key: Words, step: int) -> None:
    """Add normal noise of the standard ``deviation`` to ``counts`` (views, bins)."""
    views, bins = counts.shape
    for v in range(views):
        for b in range(bins):
            counts[v, b] += deviation * normal(v * step * bins + b, key)


@_compiled
def measure(counts: Doubles, integrals: Array, photons: float, factor: float, out: Array) -> None:
    """Fill ``out`` with p + ``factor`` (-ln(max(N, 1) / I0) - p): what ``counts`` N say of the integrals p."""
    views, bins = integrals.shape
    for v in range(views):
        for b in range(bins):
            integral = np.float64(integrals[v, b])
            out[v, b] = np.float32(_line_integral(counts[v, b], photons, integral, factor))


@_compiled
def sample(kind: int, mean: float, chance: float, key: Words, out: Doubles) -> None:
    """Fill ``out`` with Poisson (0), binomial (1, ``mean`` trials) or normal (2) draws, one ray each; for tests."""
    for ray in range(out.size):
        if kind == 0:
            out[ray] = poisson(mean, ray, key)
        elif kind == 1:
            out[ray] = binomial(mean, chance, ray, key)
        else:
            out[ray] = normal(ray, key)

"""A given number of slices out of many, spread evenly."""

from __future__ import annotations

from collections.abc import Sequence

from bench.data.sources.catalogue import SliceRef, order


def thin(refs: Sequence[SliceRef], most: int | None) -> tuple[SliceRef, ...]:
    """Return at most ``most`` slices, spread evenly over patients and along z; the order is kept."""
    if most is None or len(refs) <= most:
        return tuple(refs)
    groups: dict[str, list[SliceRef]] = {}
    for ref in refs:
        groups.setdefault(ref.patient, []).append(ref)
    shares = _shares([len(group) for group in groups.values()], most)
    kept = [
        group[place]
        for group, share in zip(groups.values(), shares, strict=True)
        for place in _even(len(group), share)
    ]
    return tuple(sorted(kept, key=order))


def _even(count: int, number: int) -> list[int]:
    """Return ``number`` of the places 0 to ``count`` - 1, each in the middle of an equal stretch."""
    return [(2 * i + 1) * count // (2 * number) for i in range(number)]


def _shares(sizes: list[int], most: int) -> list[int]:
    """Share ``most`` out among groups of these sizes as equally as they allow."""
    shares = [0] * len(sizes)
    while True:
        open_groups = [i for i, size in enumerate(sizes) if shares[i] < size]
        left = most - sum(shares)
        if not left or not open_groups:
            return shares
        each = left // len(open_groups)
        if each == 0:
            for place in _even(len(open_groups), left):
                shares[open_groups[place]] += 1
            return shares
        for i in open_groups:
            shares[i] = min(sizes[i], shares[i] + each)

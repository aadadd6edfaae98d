"""Check of the pair cache: arrays whose bytes have changed since they were built are removed, to be built anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from bench.data.pairs import manifest, proofs
from bench.data.pairs.manifest import Manifest
from bench.data.pairs.pairs import PairFiles, arrays, cache_turn
from bench.events import Message, Progress


def verify(subject: str, files: Mapping[str, PairFiles], *, threads: int) -> Iterator[Progress | Message]:
    """Read every array of ``files`` that is there, known or not; one of other bytes than its manifest's is removed.

    What is removed is missing from then on and built anew. ``subject`` is the name of the source, for display.
    """
    by_folder: dict[Path, list[Path]] = {}
    for path in arrays(files):
        by_folder.setdefault(path.parent, []).append(path)
    for folder, paths in by_folder.items():
        described = manifest.read(folder)
        if described is None:
            continue
        known = [path for path in paths if path.name in described.arrays]
        proofs.forget(known)
        with ThreadPoolExecutor(max(1, threads), thread_name_prefix="verify") as pool:
            sound = []
            for ok in pool.map(manifest.is_sound, known, [described] * len(known)):
                sound.append(ok)
                yield Progress("verify", subject, len(sound), len(known))
        if all(sound):
            continue
        with ExitStack() as stack:
            yield from cache_turn(folder, stack)
            described = manifest.read(folder) or described  # another job may have built them anew meanwhile
            suspects = [path for path, ok in zip(known, sound, strict=True) if not ok]
            broken = [path.name for path in suspects if not _is_sound(path, described)]
            manifest.forget(folder, broken)
        if broken:
            yield Message(f"{folder}: the bytes of {', '.join(broken)} have changed; built anew")


def _is_sound(path: Path, described: Manifest) -> bool:
    return path.name in described.arrays and manifest.is_sound(path, described)

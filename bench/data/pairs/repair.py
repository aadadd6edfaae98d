"""Check of the pair cache: arrays whose bytes have changed since they were built are removed, to be built anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.data.pairs import manifest, proofs
from bench.data.pairs.pairs import PairFiles, arrays, cache_lock
from bench.events import Message, Progress


def verify(subject: str, files: Mapping[str, PairFiles], *, threads: int) -> Iterator[Progress | Message]:
    """Read every array of ``files`` that is there, known or not; one of other bytes than its manifest's is removed.

    What is removed is missing from then on and built anew. ``subject`` is the name of the source, for display.

    Raises:
        BenchError: another process is at work in the folder.
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
        broken = [path.name for path, ok in zip(known, sound, strict=True) if not ok]
        if broken:
            with cache_lock(folder):
                manifest.forget(folder, broken)
            yield Message(f"{folder}: the bytes of {', '.join(broken)} have changed; built anew")

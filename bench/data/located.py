"""The sources of ``datasets.yaml`` with their paths filled in, or one line on how to get what is not there."""

from __future__ import annotations

from bench import config, spec
from bench.errors import BenchError

TRY_SMOKE = "or try --profile smoke, which needs no data"


def located(settings: config.Config, name: str) -> spec.AnySource:
    """Return the source ``name`` with variables in its paths filled in and its folder seen to exist.

    Raises:
        BenchError: a variable is not set or the folder is not there; the remedy says how to get the slices.
    """
    source = settings.datasets.sources[name]
    if isinstance(source, spec.PhantomSource):
        return source
    file, key = settings.datasets_file, f"sources.{name}.path"
    try:
        folder = (file.parent / config.resolve_path(source.path, file, key=key)).absolute()
    except BenchError as error:
        remedy = "; ".join(filter(None, (source.obtain or error.remedy, TRY_SMOKE)))
        raise BenchError(error.message, file=file, key=key, remedy=remedy) from None
    if not folder.is_dir():
        remedy = "; ".join(filter(None, (source.obtain, TRY_SMOKE)))
        raise BenchError(f"{folder} is no folder", file=file, key=key, remedy=remedy)
    changes = {"path": str(folder)}
    if source.patients is not None:
        changes["patients"] = str(config.resolve_path(source.patients, file, key=f"sources.{name}.patients"))
    return source.model_copy(update=changes)

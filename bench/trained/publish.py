"""A trained network as a folder to pass on: the weights as one file, and a model card made from the record."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from bench import atomic, environment, metrics, words
from bench.errors import BenchError
from bench.metrics import PSNR, RMSE, SSIM
from bench.plan.cells import PlannedCell
from bench.records.store import Result, sha256_of
from bench.report import format
from bench.report.long_form import of_cells
from bench.report.slices import slice_scores
from bench.trained.export import Exported, export
from bench.trained.network import Trained

CARD = "README.md"
_STATED = {"title": "title", "licence": "licence", "citation": "citation"}


@dataclass(frozen=True)
class Score:
    """One line of the card's scores, as printed; ``interval`` is empty where fewer than two patients are known."""

    metric: str
    mean: str
    interval: str


def publish(trained: Trained, folder: Path, *, restricted: bool = False) -> Exported:
    """Write ``model.keras`` and ``README.md`` into a new folder; nothing is left there on an error.

    Raises:
        BenchError: the folder holds files; the record does not say whose data it was trained on, or they are
            ``restricted`` and nobody has said that the weights may be passed on; the network cannot be exported.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BenchError("already there, and not empty", file=folder, remedy="name a new folder")
    source, record = trained.record.source, trained.store.folder / "record.json"
    for key, name in _STATED.items():
        text = str(source.get(key) or "").strip()
        if not text or "FILL IN" in text:
            raise BenchError(f"the {name} of the data is not stated", file=record, key=f"source.{key}",
                             remedy="state it in datasets.yaml and run the cell again")  # fmt: skip
    if source.get("restricted") and not restricted:
        raise BenchError("trained on data that are marked as restricted", file=record, key="source.restricted",
                         remedy="where their licence lets weights be passed on, say --restricted")  # fmt: skip
    with atomic.replace_folder(folder) as temporary:
        written = export(trained, temporary / "model.keras")
        (temporary / CARD).write_text(card(trained, written), encoding="utf-8")
    return Exported(folder / "model.keras", written.slices, written.largest_hu)


def card(trained: Trained, weights: Exported) -> str:
    """Return the model card in Markdown: what it is, trained on what, how, how well, for what, under which licence."""
    import jinja2

    record = trained.record
    texts = jinja2.Environment(
        loader=jinja2.PackageLoader("bench.trained"), undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    texts.filters["cell"] = lambda text: " ".join(str(text).split()).replace("|", r"\|")
    training, dose = record.spec.training, record.spec.dataset.dose.model_dump(mode="json", exclude_none=True)
    assert training is not None
    return texts.get_template("card.md").render(
        record=record,
        spec=record.spec,
        data=record.spec.dataset.data,
        training=training,
        dose=", ".join(f"{name} {value}" for name, value in dose.items() if value)
        or "nothing lowers the dose",
        slices_seen=training.slices_seen(record.spec.dataset.size),
        settings=json.dumps(training.model_dump(mode="json", by_alias=True), indent=2),
        params=json.dumps(record.spec.params, sort_keys=True),
        scores=scores(trained),
        weights=weights,
        sha256=sha256_of(weights.path),
        program=environment.PROGRAM,
        counted=words.count,
        patients_known=record.spec.dataset.data.patients_known,
    )


def scores(trained: Trained) -> list[Score]:
    """Return PSNR, SSIM and RMSE of the test slices, with the 95 % t interval over patients."""
    record = trained.record
    planned = PlannedCell(id=record.id, spec=record.spec, scaled=record.scaled)
    result = Result(planned, record, trained.store.read_scores(record), [], trained.store)
    of_cell = of_cells(slice_scores([result]), record.spec.dataset.data.patients_known)
    lines = []
    for metric in (PSNR, SSIM, RMSE):
        if fields := of_cell.get((record.id, metric)):
            definition = metrics.definition(metric, record.metrics.get(metric))
            mean, low, high = (
                "" if fields[key] is None else format.score(fields[key], metric, definition)
                for key in ("mean", "low", "high")
            )
            name = format.metric_name(metric, definition)
            lines.append(Score(f"{name} ({metric})", mean, f"{low} to {high}" if low else ""))
    return lines

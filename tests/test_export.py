"""Files of a trained network: they stand alone, give its images, and are refused where they do not."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from bench import trained
from bench.errors import BenchError
from bench.records.store import CellStore
from bench.trained import export, publish
from bench.training.evaluate import predictor
from tests import tiny


@pytest.fixture(scope="module")
def network(trained_folder: Path) -> trained.Trained:
    return trained.load(trained_folder / "runs" / "tiny", "unet", "noisy")


class Doubled(keras.layers.Layer):
    """A layer that is no variant of one of Keras."""

    def call(self, inputs: Any) -> Any:
        return 2 * inputs


class Swapped(keras.layers.Activation):
    """A layer that computes something else than the one of Keras whose name it bears."""

    def call(self, inputs: Any) -> Any:
        return inputs + 0.01


def of_layer(network: trained.Trained, layer: keras.layers.Layer) -> trained.Trained:
    image = keras.Input((None, None, 1))
    model = keras.Model(image, layer(image))
    return trained.Trained(network.record, model, network.store, predictor(model))


def at_once(path: Path, name: Path, images: np.ndarray, network: trained.Trained) -> np.ndarray:
    """In place of the fresh process: the file's images, here."""
    model = keras.saving.load_model(path, compile=False)
    return np.asarray(model.predict_on_batch(images[..., None]))[..., 0]


@pytest.mark.integration
@pytest.mark.parametrize("format", [".keras", ".onnx"])
def test_a_file_gives_the_images_in_a_process_that_knows_nothing_of_this_program(
    network: trained.Trained, tmp_path: Path, format: str
) -> None:
    if format == ".onnx":
        pytest.importorskip("tf2onnx")
        pytest.importorskip("onnxruntime")
    written = network.save(tmp_path / f"unet{format}")
    assert written.path.is_file()
    assert written.slices >= 3
    assert written.largest_hu < 0.01
    assert f"unet{format} (" in written.words


def test_all_layers_of_the_copy_are_those_of_keras(network: trained.Trained) -> None:
    assert not all(type(layer).__module__.startswith("keras.") for layer in network.network.layers)
    copy = export.of_keras(network.network)
    assert getattr(copy, "optimizer", None) is None  # its state would double the file
    assert all(type(layer).__module__.startswith("keras.") for layer in copy.layers)
    images = np.random.default_rng(1).normal(1, 0.3, (2, 16, 16, 1)).astype(np.float32)
    np.testing.assert_allclose(
        copy.predict_on_batch(images), network.network.predict_on_batch(images), atol=1e-6
    )


@pytest.mark.integration
def test_a_layer_that_only_this_session_knows_is_named(network: trained.Trained, tmp_path: Path) -> None:
    with pytest.raises(
        BenchError, match=r"x\.keras: not written: it cannot be used without this program \(.*Doubled"
    ):
        of_layer(network, Doubled()).save(tmp_path / "x.keras")
    assert not [*tmp_path.iterdir()]


def test_a_file_with_other_images_is_refused(
    network: trained.Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "_predicted", at_once)
    with pytest.raises(BenchError, match=r"images lie up to 10 HU from the network's, more than 0\.1"):
        of_layer(network, Swapped("linear")).save(tmp_path / "x.keras")
    assert not [*tmp_path.iterdir()]


def test_what_cannot_be_a_file_is_said_before_it_is_tried(
    network: trained.Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BenchError, match=r"no format '\.pt'; name it \.keras or \.onnx"):
        network.save(tmp_path / "x.pt")
    spec = network.record.spec.model_copy(update={"params": {"batch_norm": "batch"}})
    by_batch = replace(network, record=network.record.model_copy(update={"spec": spec}))
    with pytest.raises(BenchError, match="normalizes by the images beside a slice"):
        by_batch.save(tmp_path / "x.keras")
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    with pytest.raises(
        BenchError, match=r"needs tf2onnx and onnxruntime; pip install 'ldct-denoising-benchmark\[onnx\]'"
    ):
        network.save(tmp_path / "x.onnx")
    empty = replace(network, store=CellStore(tmp_path / "nothing"))
    with pytest.raises(BenchError, match=r"samples\.npz: not there"):
        empty.save(tmp_path / "x.keras")


def test_a_published_folder_holds_the_weights_and_a_card_made_from_the_record(
    network: trained.Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "_predicted", at_once)
    publish.publish(network, tmp_path / "a" / "out")
    assert sorted(path.name for path in (tmp_path / "a" / "out").iterdir()) == ["README.md", "model.keras"]
    card = (tmp_path / "a" / "out" / "README.md").read_text(encoding="utf-8")
    content, record = (tmp_path / "a" / "out" / "model.keras").read_bytes(), network.record
    psnr = np.mean([row["psnr.slice_max"] for row in network.store.read_scores(record)])
    for text in (
        hashlib.sha256(content).hexdigest(), record.weights_sha256, record.id, record.spec.code, "Research only",
        record.spec.dataset.data.split_sha256, "| Citation | none |", "| Licence of the data | none |",
        "photons 70000", "| test | 4 slices of 1 patient |", "96 slices seen, 24 updates of batch 4",
        f"| PSNR (dB) (psnr.slice_max) | {psnr:.2f} | fewer than two patients are known |",
    ):  # fmt: skip
        assert text in card
    assert "P001" not in card  # no name of a patient


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"licence": ""}, r"source\.licence: the licence of the data is not stated"),
        ({"citation": "FILL IN"}, r"source\.citation: the citation of the data is not stated"),
        ({"restricted": True}, r"trained on data that are marked as restricted.*say --restricted"),
    ],
)
def test_weights_are_not_published_without_a_word_on_the_data(
    network: trained.Trained, tmp_path: Path, source: dict[str, Any], message: str
) -> None:
    record = network.record.model_copy(update={"source": {**network.record.source, **source}})
    with pytest.raises(BenchError, match=message):
        publish.publish(replace(network, record=record), tmp_path / "out")
    assert not [*tmp_path.iterdir()]


def test_nothing_is_left_where_publishing_fails_and_nothing_is_overwritten(
    network: trained.Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "_predicted", lambda path, name, images, network: images + 1)
    with pytest.raises(BenchError, match="not written"):
        publish.publish(network, tmp_path / "out")
    assert not [*tmp_path.iterdir()]
    (tmp_path / "mine").write_text("mine", encoding="utf-8")
    with pytest.raises(BenchError, match="already there, and not empty; name a new folder"):
        publish.publish(network, tmp_path)


def test_the_commands_end_in_one_line(trained_folder: Path) -> None:
    done = tiny.bench(trained_folder, "export", "unet:nosy", "x.keras", "--profile", "tiny")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("bench: no cell 'unet:nosy'")
    done = tiny.bench(trained_folder, "publish", "input:noisy", "out", "--profile", "tiny")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("record.json: the untreated input has no network\n")

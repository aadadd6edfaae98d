"""A trained network outside a run: what it returns is what was scored, and nothing that is unsound is loaded."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from bench import trained
from bench.errors import BenchError
from bench.execution import resolve
from bench.records.store import RunStore
from bench.training import evaluate
from bench.training.evaluate import predictor
from tests import tiny


@pytest.fixture(scope="module")
def network(trained_folder: Path) -> trained.Trained:
    return trained.load(trained_folder / "runs" / "tiny", "unet", "noisy")


@pytest.fixture
def run(tmp_path: Path, trained_folder: Path) -> RunStore:
    """A copy of the run, to be damaged."""
    shutil.copytree(trained_folder, tmp_path / "copy", ignore=shutil.ignore_patterns("cache"))
    return RunStore(tmp_path / "copy" / "runs" / "tiny")


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 300, shape).astype(np.float32)


def test_it_returns_the_images_that_were_scored(network: trained.Trained) -> None:
    samples = network.store.read_samples()
    assert samples is not None
    output = network.denoise(samples.images["input"])
    assert output.dtype == np.float32
    np.testing.assert_allclose(output, samples.images["output"], atol=0.2)  # both were rounded to 0.1 HU
    assert np.abs(output - samples.images["input"]).max() > 5


def test_a_slice_of_any_size_is_reflected_at_its_lower_and_right_edge(network: trained.Trained) -> None:
    hu = noise(21, 34)
    reflected = np.concatenate([hu, hu[:-2:-1]])  # the small UNet halves once: multiples of 2
    by_hand = network.network.predict_on_batch((1 + reflected / 1000)[None, ..., None])[0, :21, :, 0]
    np.testing.assert_allclose(network.denoise(hu), 1000 * (by_hand - 1), atol=0.01)


def test_a_volume_is_its_slices_in_batches_of_bounded_size(
    network: trained.Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []

    def counting(images: np.ndarray) -> np.ndarray:
        sizes.append(images.shape)
        return network.predict(images)

    monkeypatch.setattr(evaluate, "PIXELS_PER_BATCH", 2 * 22 * 20)
    hu = noise(5, 21, 20)
    output = replace(network, predict=counting).denoise(hu)
    assert sizes == [(2, 22, 20)] * 3
    for one, of_volume in zip(hu, output, strict=True):
        np.testing.assert_allclose(network.denoise(one), of_volume, atol=0.01)


@pytest.mark.parametrize("kind", [np.int16, np.uint16, np.float64])
def test_the_identity_gives_every_ct_number_back(network: trained.Trained, kind: Any) -> None:
    image = keras.Input((None, None, 1))
    model = keras.Model(image, keras.layers.Activation("linear")(image))
    identity = trained.Trained(network.record, model, network.store, predictor(model))
    hu = np.linspace(-1024 if kind is np.int16 else 0, 30000, 35).reshape(5, 7).astype(kind)
    np.testing.assert_array_equal(np.rint(identity.denoise(hu)), np.rint(hu))


def test_a_network_of_one_size_takes_smaller_slices_and_refuses_larger_ones(network: trained.Trained) -> None:
    image = keras.Input((32, 32, 1))
    model = keras.Model(image, keras.layers.Activation("linear")(image))
    fixed = trained.Trained(network.record, model, network.store, predictor(model))
    assert fixed.denoise(noise(9, 30)).shape == (9, 30)
    with pytest.raises(
        BenchError, match=r"unet takes no image of 40 x 30 pixels.*trained on slices of 32 x 32"
    ):
        fixed.denoise(noise(40, 30))


@pytest.mark.parametrize(
    ("hu", "message"),
    [
        (np.zeros(5), r"not of shape \(5,\)"),
        (np.zeros((0, 4, 4)), r"not of shape \(0, 4, 4\)"),
        (np.array([[1.0, np.nan]]), "found NaN or infinity"),
        (np.array([["1", "2"]]), "must be real numbers"),
    ],
)
def test_what_is_no_slice_is_refused(network: trained.Trained, hu: np.ndarray, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        network.denoise(hu)


def test_a_cell_is_named_by_its_folder_too(network: trained.Trained) -> None:
    assert trained.cell_store(network.store.folder, None, None) == network.store


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("unet", "nosy"), "no condition 'nosy' is trained in this run; did you mean noisy\\?"),
        (("input", "noisy"), "no model 'input' is trained in this run"),
        (("unet", None), "no condition is named"),
        (("unet", "sparse"), "not run: there is no record"),
    ],
)
def test_a_cell_that_is_not_there_is_one_clear_line(trained_folder: Path, names: Any, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        trained.load(trained_folder / "runs" / "tiny", *names)


def test_several_seeds_or_folds_are_not_guessed(tmp_path: Path) -> None:
    text = tiny.EXPERIMENTS.replace("conditions: [sparse, noisy]}", "conditions: [noisy], seeds: [1, 2]}")
    folder = tiny.write(tmp_path, experiments=text)
    resolved = resolve.resolve(tiny.request(folder, "folds"))
    resolved.store.write_plan(resolved.plan)
    root = resolved.store.root
    with pytest.raises(
        BenchError, match=r"4 cells are unet on noisy: unet-noisy-f1-s1.*say which seed and fold"
    ):
        trained.cell_store(root, "unet", "noisy")
    with pytest.raises(BenchError, match="2 cells are unet on noisy"):
        trained.cell_store(root, "unet", "noisy", seed=2)
    assert trained.cell_store(root, "unet", "noisy", seed=2, fold=1).folder.name.startswith(
        "unet-noisy-f1-s2-"
    )
    with pytest.raises(BenchError, match="no cell of unet on noisy has this seed and fold"):
        trained.cell_store(root, "unet", "noisy", seed=3)


def test_a_changed_byte_of_weights_or_record_is_refused(run: RunStore) -> None:
    store = run.cell(run.find("unet:noisy"))
    tiny.flip(store.weights, 200)
    with pytest.raises(BenchError, match=r"weights\.npz: SHA-256 \w+, recorded \w+; run the cell again"):
        trained.load(run.root, "unet", "noisy")
    text = (store.folder / "record.json").read_text(encoding="utf-8")
    (store.folder / "record.json").write_text(
        text.replace('"best_epoch": ', '"best_epoch":  '), encoding="utf-8"
    )
    with pytest.raises(BenchError, match=r"record\.json: its bytes are not those"):
        trained.load(run.root, "unet", "noisy")


def test_a_cell_that_has_not_finished_or_has_no_network_is_refused(run: RunStore) -> None:
    store = run.cell(run.find("unet:noisy"))
    record = store.read_record()
    assert record is not None
    store.write_record(record.model_copy(update={"status": "diverged"}))
    with pytest.raises(BenchError, match=r"has not finished \(diverged\)"):
        trained.load(run.root, "unet", "noisy")
    store.write_record(record.model_copy(update={"spec": record.spec.model_copy(update={"build": None})}))
    with pytest.raises(BenchError, match="the untreated input has no network"):
        trained.load(store.folder)


def test_changed_code_counts_where_it_still_gives_the_images_that_were_kept(run: RunStore) -> None:
    store = run.cell(run.find("unet:noisy"))
    record, samples = store.read_record(), store.read_samples()
    assert record is not None and samples is not None
    store.write_record(record.model_copy(update={"spec": record.spec.model_copy(update={"code": "0" * 64})}))
    assert trained.load(run.root, "unet", "noisy").denoise(noise(8, 8)).shape == (8, 8)
    store.write_samples(samples.names, {**samples.images, "output": samples.images["output"] + 20})
    with pytest.raises(BenchError, match=r"no longer gives its images \(up to 2\d(\.\d)? HU apart\)"):
        trained.load(run.root, "unet", "noisy")
    (store.folder / "samples.npz").unlink()
    with pytest.raises(BenchError, match="code has changed; give the folder"):
        trained.load(run.root, "unet", "noisy")

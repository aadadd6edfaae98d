"""What all networks promise: sizes, residual, names, weights, refusals and cost."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
import pytest

from models import ddnet, dncnn, fbpconvnet, nafnet, redcnn, unet

NETWORKS: dict[str, tuple[ModuleType, str]] = {  # And the name of the last convolution.
    "ddnet": (ddnet, "stage4_narrow_deconv"),
    "unet": (unet, "last_conv"),
    "dncnn": (dncnn, "conv17"),
    "redcnn": (redcnn, "deconv5"),
    "fbpconvnet": (fbpconvnet, "last_conv"),
    "nafnet": (nafnet, "last_conv"),
}
NORMALIZED = [name for name, (module, _) in NETWORKS.items() if hasattr(module, "normalization")]
SMALL: dict[str, dict[str, Any]] = {  # of wide networks a narrow one, where the width is not what is tested
    "redcnn": {"filters": 4},
    "fbpconvnet": {"filters": [2, 3, 4, 5, 6]},
    "nafnet": {"width": 4, "encoder": [1] * 4, "middle": 1, "decoder": [1] * 4},
}
FILES = sorted(Path(ddnet.__file__).parent.glob("*.py"))


@pytest.fixture(scope="module", params=NETWORKS)
def network(request: pytest.FixtureRequest) -> tuple[keras.Model, ModuleType]:
    """One network, narrow where the default is wide, for tests that leave its weights alone, and its module."""
    return small(request.param), NETWORKS[request.param][0]


def small(name: str, **params: Any) -> keras.Model:
    """Return a network of the given name, narrow where the default is wide."""
    return NETWORKS[name][0].build(**SMALL.get(name, {}) | params)


@pytest.fixture(scope="module")
def spare(network: tuple[keras.Model, ModuleType]) -> keras.Model:
    """Another network of the same kind, whose weights a test may change and so sets itself."""
    return small(network[0].name)


@pytest.fixture(params=NETWORKS)
def module(request: pytest.FixtureRequest) -> ModuleType:
    return NETWORKS[request.param][0]


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).random((*shape, 1), dtype=np.float32)


def run(net: keras.Model, x: np.ndarray, training: bool = False) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(net(x, training=training)))


def test_any_multiple_keeps_its_shape(network: tuple[keras.Model, ModuleType]) -> None:
    net, module = network
    assert net.input_shape == net.output_shape == (None, None, None, 1)
    least = (
        21 if module is redcnn else module.MULTIPLE
    )  # 21: no padding, 4 pixels less at each of five layers
    for rows, columns in ((0, 0), (0, 2)):
        x = images(2, least + rows * module.MULTIPLE, least + columns * module.MULTIPLE)
        assert run(net, x).shape == x.shape


@pytest.mark.parametrize("network", ("ddnet", "unet", "fbpconvnet", "nafnet"), indirect=True)
def test_another_size_fails_instead_of_being_cropped(network: tuple[keras.Model, ModuleType]) -> None:
    net = network[0]
    for size in ((24, 32), (16, 17)):
        with pytest.raises(Exception, match=r"(?i)concat|shape|dimension|incompatible"):
            net(images(1, *size))


def test_without_prediction_the_output_is_the_input(
    network: tuple[keras.Model, ModuleType], spare: keras.Model
) -> None:
    spare.set_weights(network[0].get_weights())
    check_identity(spare, images(1, 32, 32) + 3 * np.float32(np.pi))


def test_under_mixed_precision_the_input_passes_in_float32() -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        net = unet.build()
    finally:
        keras.config.set_dtype_policy(before)
    assert net.get_layer("last_conv").compute_dtype == "bfloat16"
    check_identity(net, images(1, 16, 16) + 3 * np.float32(np.pi))


def check_identity(net: keras.Model, x: np.ndarray) -> None:
    """With the last convolution at zero, and only then, the output is the input to the last bit."""
    assert not np.array_equal(run(net, x), x)
    layer = net.get_layer(NETWORKS[net.name][1])
    layer.set_weights([np.zeros(weight.shape, np.float32) for weight in layer.weights])
    got = run(net, x)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, x)


@pytest.mark.integration
def test_a_prediction_is_subtracted_not_added(network: tuple[keras.Model, ModuleType]) -> None:
    more = {"final_relu": False} if network[1] is redcnn else {}
    net, plain = (small(network[0].name, residual=residual, **more) for residual in (True, False))
    for one in (net, plain):
        one.set_weights(network[0].get_weights())
    x = images(1, 32, 48)
    np.testing.assert_array_equal(run(net, x), x - run(plain, x))


def test_weights_have_the_same_paths_whatever_was_built_before(
    network: tuple[keras.Model, ModuleType],
) -> None:
    net = network[0]
    keras.layers.Conv2D(1, 1)
    for more in [{"batch_norm": "moving"}, {"batch_norm": "affine"}] if net.name in NORMALIZED else [{}]:
        again = small(net.name, **more)
        assert [weight.path for weight in again.weights] == [weight.path for weight in net.weights]
        assert [layer.name for layer in again.layers] == [layer.name for layer in net.layers]
        assert again.count_params() == net.count_params()
        assert len(again.trainable_weights) == len(net.trainable_weights)
    paths = [weight.path for weight in net.weights]
    assert len(set(paths)) == len(paths)


@pytest.mark.integration
def test_weights_carry_everything_from_one_network_to_the_next(
    network: tuple[keras.Model, ModuleType], spare: keras.Model
) -> None:
    net, x = network[0], images(1, 32, 32)
    draw = np.random.default_rng(3)
    spare.set_weights([weight + draw.uniform(0.01, 0.02, weight.shape) for weight in net.get_weights()])
    run(spare, x, training=True)  # Moves the averages, which must be carried too.
    wanted = run(spare, x)
    before = net.get_weights()
    assert not np.array_equal(run(net, x), wanted)
    net.set_weights(spare.get_weights())
    np.testing.assert_array_equal(run(net, x), wanted)
    net.set_weights(before)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras on NumPy 2.
@pytest.mark.parametrize("kind", ("moving", "batch", "affine"))
def test_a_saved_network_returns_with_its_normalization(kind: str, tmp_path: Path) -> None:
    net = unet.build(filters=[2, 3], batch_norm=kind, momentum=0.5)
    x = images(3, 16, 16)
    run(net, x, training=True)
    net.save(tmp_path / "net.keras")
    again = keras.saving.load_model(tmp_path / "net.keras", compile=False)
    np.testing.assert_array_equal(run(again, x), run(net, x))
    np.testing.assert_array_equal(run(again, x, training=True), run(net, x, training=True))
    for ours, theirs in zip(net.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


SHARED_FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"batch_norm": "frozen"}, "batch_norm must be one of moving, batch, affine, not 'frozen'"),
    ({"momentum": 1.0}, r"momentum must be a number in \[0, 1\), not 1.0"),
    ({"momentum": float("nan")}, "momentum"),
    ({"momentum": "1e-4"}, "momentum"),
    ({"initial": "zeros"}, "initial must be one of normal_0.01, glorot_uniform, he_normal, orthogonal"),
    ({"residual": "no"}, "residual must be true or false, not 'no'"),
]
NORM_FAULTS = [fault for fault in SHARED_FAULTS if fault[0].keys() & {"batch_norm", "momentum"}]
OWN_FAULTS: list[tuple[ModuleType, dict[str, Any], str]] = [
    (ddnet, {"joins": "dense"}, "joins must be one of nested, flat, not 'dense'"),
    (ddnet, {"upsampling": "cubic"}, "upsampling must be one of nearest, bilinear, not 'cubic'"),
    (ddnet, {"final_relu": True}, "final_relu must be true or false, and false with residual"),
    (ddnet, {"final_relu": 1, "residual": False}, "final_relu"),
    (unet, {"filters": (8,)}, "filters must be a list of 2 to 5 positive whole numbers"),
    (unet, {"filters": (8, 16, 32, 64, 128, 256)}, "2 to 5"),
    (unet, {"filters": (8, 0)}, "filters"),
    (unet, {"filters": (8, 16.0)}, "filters"),
    (unet, {"filters": (True, 8)}, "filters"),
    (unet, {"filters": 64}, "filters"),
    (dncnn, {"depth": 2}, "depth must be a whole number, 3 or more, not 2"),
    (dncnn, {"depth": 17.0}, "depth"),
    (dncnn, {"filters": 0}, "filters must be a whole number, 1 or more, not 0"),
    (dncnn, {"filters": True}, "filters"),
    (redcnn, {"filters": 0}, "filters must be a whole number, 1 or more, not 0"),
    (redcnn, {"final_relu": 1}, "final_relu must be true or false, not 1"),
    (fbpconvnet, {"filters": (8,)}, "filters must be a list of 2 to 5 positive whole numbers"),
    (fbpconvnet, {"first": 0}, "first must be a whole number, 1 or more, not 0"),
    (nafnet, {"width": 0}, "width must be a whole number, 1 or more, not 0"),
    (nafnet, {"middle": True}, "middle"),
    (nafnet, {"encoder": [1, 1, 1, 1, 1]}, "encoder must be a list of 1 to 4 positive whole numbers"),
    (nafnet, {"decoder": 2}, "decoder must be a list of 1 to 4"),
    (nafnet, {"decoder": [1]}, "encoder and decoder must have as many levels, not 4 and 1"),
]


@pytest.mark.integration
@pytest.mark.parametrize(
    ("module", "params", "message"),
    [
        (module, *fault)
        for name, (module, _) in NETWORKS.items()
        for fault in SHARED_FAULTS
        if name in NORMALIZED or fault not in NORM_FAULTS
    ]
    + OWN_FAULTS,
)
def test_impossible_parameters_are_named(module: ModuleType, params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        module.build(**params)


def test_parameters_are_keywords_with_literal_defaults(module: ModuleType) -> None:
    """The plan reads them from the source without importing Keras."""
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    build = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "build")
    assert not build.args.args
    read = {
        argument.arg: ast.literal_eval(default)
        for argument, default in zip(build.args.kwonlyargs, build.args.kw_defaults, strict=True)
        if default is not None
    }
    assert read == {key: value.default for key, value in inspect.signature(module.build).parameters.items()}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_files_import_keras_and_nothing_else(file: Path) -> None:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module).split(".")[0])
    fused = (
        {"tensorflow"} if file.stem == "normalization" else set()
    )  # Keras has no word for it; never needed
    assert found <= {"__future__", "collections", "typing", "keras", "models"} | fused


@pytest.mark.integration
def test_cost_at_512_is_the_published_one(module: ModuleType) -> None:
    """Two operations per kernel weight and pixel: this fails when a layer works at the wrong resolution.

    The NAFNet paper states 16 billion multiplications at 256 x 256; those of RED-CNN are counted by hand.
    """
    net = module.build()
    layers = [layer for layer in net.layers if hasattr(layer, "kernel")]
    probe = keras.Model(net.input, [layer.output for layer in layers])
    outputs = probe.compute_output_spec(keras.KerasTensor((1, 512, 512, 1)))
    total = 0.0
    for layer, tensor in zip(layers, outputs, strict=True):
        _, rows, columns, _ = tensor.shape
        # Of a transposed convolution the kernel acts on input pixels.
        stride = layer.strides[0] if isinstance(layer, keras.layers.Conv2DTranspose) else 1
        total += 2 * np.prod(layer.kernel.shape) * rows * columns / stride**2
    inner = sum((512 - 4 * layer) ** 2 for layer in (2, 3, 4, 5, 4, 3, 2, 1))
    redcnn_hand = 50 * (96 * 508**2 + 96**2 * inner + 96 * 512**2) / 1e9
    wanted = {
        "ddnet": 39.6, "unet": 6.05, "dncnn": 290.5, "redcnn": redcnn_hand, "nafnet": 2 * 4 * 16.0,
        "fbpconvnet": 425.5,
    }  # fmt: skip
    assert total / 1e9 == pytest.approx(wanted[net.name], rel=0.01)

"""The three networks of ``models/`` as a program of 2019 would write them: a graph with fused batch norm.

For comparison of speed only. Momentum 0.99 as in Keras; weights start small, which no speed depends on.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
Tensor = Any
MOMENTUM, EPSILON = 0.99, 1e-3


def _variable(shape: tuple[int, ...], value: float | None = None, trainable: bool = True) -> Tensor:
    start = v1.random_normal_initializer(0, 0.05) if value is None else v1.constant_initializer(value)
    name = f"v{len(v1.global_variables())}"
    return v1.get_variable(name, shape, tf.float32, start, trainable=trainable)


def _conv(x: Tensor, maps: int, side: int, bias: bool = True) -> Tensor:
    y = tf.nn.conv2d(x, _variable((side, side, x.shape[-1], maps)), strides=1, padding="SAME")
    return tf.nn.bias_add(y, _variable((maps,), 0.0)) if bias else y


def _deconv(x: Tensor, maps: int, side: int, stride: int = 1) -> Tensor:
    batch, height, width, old = x.shape
    y = tf.nn.conv2d_transpose(
        x, _variable((side, side, maps, old)), (batch, height * stride, width * stride, maps), stride
    )
    return tf.nn.bias_add(y, _variable((maps,), 0.0))


def _norm(x: Tensor) -> Tensor:
    shape = (x.shape[-1],)
    scale, offset = _variable(shape, 1.0), _variable(shape, 0.0)
    moving = _variable(shape, 0.0, trainable=False), _variable(shape, 1.0, trainable=False)
    y, *batch = v1.nn.fused_batch_norm(x, scale, offset, epsilon=EPSILON, is_training=True)
    for old, new in zip(moving, batch, strict=True):
        v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, v1.assign_sub(old, (1 - MOMENTUM) * (old - new)))
    return y


def _conv_norm_relu(x: Tensor, maps: int) -> Tensor:
    return tf.nn.relu(_norm(_conv(x, maps, 3, bias=False)))


def _norm_relu_conv(x: Tensor, maps: int, side: int) -> Tensor:
    return _conv(tf.nn.relu(_norm(x)), maps, side)


def unet(image: Tensor) -> Tensor:
    """Return the denoised image (B, H, W, 1) of ``models/unet.py`` with its default parameters."""
    widths = (8, 16, 32, 64, 128)
    x = _conv_norm_relu(tf.nn.relu(_conv(image, widths[0], 3)), widths[0])
    skips = []
    for maps in widths[1:]:
        skips.append(x)
        x = _conv_norm_relu(_conv_norm_relu(tf.nn.max_pool2d(x, 2, 2, "SAME"), maps), maps)
    for maps in widths[-2::-1]:
        x = tf.concat([_deconv(x, maps, 2, stride=2), skips.pop()], -1)
        x = _conv_norm_relu(_conv_norm_relu(x, maps), maps)
    return image - _conv(x, 1, 1)


def dncnn(image: Tensor) -> Tensor:
    """Return the denoised image (B, H, W, 1) of ``models/dncnn.py`` with its default parameters."""
    x = tf.nn.relu(_conv(image, 64, 3))
    for _ in range(15):
        x = _conv_norm_relu(x, 64)
    return image - _conv(x, 1, 3)


def ddnet(image: Tensor) -> Tensor:
    """Return the denoised image (B, H, W, 1) of ``models/ddnet.py`` with its default parameters."""
    x = _conv(image, 16, 7)
    skips = []
    for level in range(4):
        skips.append(x)
        x = tf.nn.max_pool2d(x, 3 if level == 0 else 2, 2, "SAME")
        kept, joined = [x], x
        for _ in range(4):
            new = _norm_relu_conv(_norm_relu_conv(joined, 64, 1), 16, 5)
            joined = tf.concat([*kept, new], -1)
            kept.append(joined)
        x = _norm_relu_conv(joined, 16, 1)
    for stage in range(4):
        x = v1.image.resize_nearest_neighbor(x, (2 * x.shape[1], 2 * x.shape[2]))
        x = tf.nn.relu(_deconv(tf.concat([x, skips.pop()], -1), 32, 5))
        if stage < 3:
            x = _norm(tf.nn.relu(_deconv(_norm(x), 16, 1)))
    return image - _deconv(x, 1, 1)


NETWORKS = {"unet": unet, "dncnn": dncnn, "ddnet": ddnet}


class Session:
    """A network with Adam and the mean squared error, trained by ``feed_dict``."""

    def __init__(self, network: str, batch: int, side: int, threads: int) -> None:
        v1.disable_eager_execution()
        self.images = [v1.placeholder(tf.float32, (batch, side, side, 1)) for _ in range(2)]
        self.loss = tf.reduce_mean(tf.square(NETWORKS[network](self.images[0]) - self.images[1]))
        with tf.control_dependencies(v1.get_collection(v1.GraphKeys.UPDATE_OPS)):
            self.update = v1.train.AdamOptimizer(1e-4).minimize(self.loss)
        self.parameters = sum(int(np.prod(v.shape)) for v in v1.trainable_variables())
        config = v1.ConfigProto(
            intra_op_parallelism_threads=threads,
            inter_op_parallelism_threads=int(os.environ.get("TF_NUM_INTEROP_THREADS", threads)),
        )
        self.session = v1.Session(config=config)
        self.session.run(v1.global_variables_initializer())

    def step(self, x: np.ndarray, y: np.ndarray) -> float:
        """Make one update with a batch (B, H, W, 1) and return its loss."""
        feed = dict(zip(self.images, (x, y), strict=True))
        return float(self.session.run([self.update, self.loss], feed)[1])

"""The array functions of the formulas in TensorFlow: every penalty takes TensorFlow tensors.

They work eagerly and inside ``tf.function``, with gradients by ``tf.GradientTape``:

>>> loss = js.TotalVariation()(tf.transpose(images, (0, 3, 1, 2)))   # penalties take (B, C, *spatial)
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import tensorflow as tf


def _sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return tf.reduce_sum(x, axis=axis, keepdims=keepdims)


def _max(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return tf.reduce_max(x, axis=axis, keepdims=keepdims)


NAMESPACE = SimpleNamespace(
    float32=tf.float32,
    abs=tf.abs,
    sqrt=tf.sqrt,
    exp=tf.exp,
    log=tf.math.log,
    log1p=tf.math.log1p,
    expm1=tf.math.expm1,
    sign=tf.sign,
    where=tf.where,
    maximum=tf.maximum,
    minimum=tf.minimum,
    zeros_like=tf.zeros_like,
    ones_like=tf.ones_like,
    broadcast_to=tf.broadcast_to,
    reshape=tf.reshape,
    permute_dims=lambda x, axes: tf.transpose(x, axes),
    cumulative_sum=lambda x, axis: tf.cumsum(x, axis=axis),
    sum=_sum,
    max=_max,
    mean=lambda x, axis=None, keepdims=False: tf.reduce_mean(x, axis=axis, keepdims=keepdims),
    concat=lambda arrays, axis: tf.concat(arrays, axis=axis),
    stack=lambda arrays, axis: tf.stack(arrays, axis=axis),
    astype=tf.cast,
    asarray=tf.convert_to_tensor,
    shape=tf.shape,
)

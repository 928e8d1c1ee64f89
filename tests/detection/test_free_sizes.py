"""One graph for feature maps of any size, as images of several scales need it."""

import numpy as np
import pytest
import tensorflow as tf

from ssl_tf.detection import anchors, rpn
from ssl_tf.detection.roi_align import roi_align

SIZES = [[50, 60], [64, 48]]
TRUTH = np.float32([[[4, 4, 30, 40]], [[10, 0, 40, 20]]])
THERE = np.ones((2, 1), bool)
FREE = [tf.TensorSpec((2, None, None, channels)) for channels in (3, 3, 12, 3)]


def step(features, logits, deltas, uniform):
    height, width = tf.shape(features)[1], tf.shape(features)[2]
    cells = anchors.grid_anchors(height, width, 16, (32,))
    rows = [
        tf.reshape(x, (2, height * width * 3, -1)) for x in (logits, deltas, uniform)
    ]
    logits, deltas, uniform = rows[0][..., 0], rows[1], rows[2][..., 0]
    found = rpn.proposals(logits, deltas, cells, SIZES, 12, 6)
    targets = rpn.targets(cells, TRUTH, THERE, uniform, total=8)
    with tf.GradientTape() as tape:
        tape.watch(features)
        pooled = roi_align(features, found.boxes, 2, chunk=2)
    return *found, *targets, pooled, tape.gradient(pooled, features)


@pytest.mark.slow
def test_one_trace_gives_what_static_shapes_give(rng):
    free = tf.function(step, input_signature=FREE)
    for height, width in ((3, 6), (4, 5)):
        shape = (2, height, width)
        given = [rng.random((*shape, n), np.float32) for n in (3, 3, 12, 3)]
        found = free(*given)
        assert found[-1].shape == (*shape, 3)
    assert free.experimental_get_tracing_count() == 1
    for ours, theirs in zip(found, step(*map(tf.constant, given))):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)

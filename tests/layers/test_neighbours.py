"""The queue of embeddings: the authors' run, replicas, wrap-around."""

import numpy as np
import tensorflow as tf
from given import golden

from ssl_tf.layers.neighbours import Neighbours


def test_look_ups_and_contents_are_the_authors_step_by_step():
    with golden("selfclassifier", "nn_queue") as arrays:
        arrays = {name: arrays[name] for name in arrays.files}
    queue = Neighbours(int(arrays["queue_len"]), 4)
    for t in range(5):
        x, index, label = (arrays[f"t{t}_{n}"] for n in ("x", "indices", "labels"))
        assert bool(queue.full) == bool(arrays[f"t{t}_full_before"])
        if queue.full:
            found, labels = queue.nearest(x, index)
            np.testing.assert_array_equal(found, arrays[f"t{t}_nn"])
            np.testing.assert_array_equal(labels, arrays[f"t{t}_nn_labels"])
        queue.push(x, label, index)
        np.testing.assert_array_equal(queue.embeddings, arrays[f"t{t}_queue"])
        np.testing.assert_array_equal(queue.indices, arrays[f"t{t}_queue_indices"])
        assert int(queue.place) == arrays[f"t{t}_ptr"]
        assert bool(queue.full) == bool(arrays[f"t{t}_full_after"])


def test_an_images_own_embedding_is_not_its_neighbour():
    queue = Neighbours(3, 2)
    queue.push(
        tf.constant([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]), [4, 5, 6], [10, 11, 12]
    )
    z = tf.constant([[1.0, 0.0]])
    found, label = queue.nearest(z, tf.constant([10]))
    np.testing.assert_allclose(found, [[0.8, 0.6]])
    assert label.numpy().tolist() == [5]
    assert queue.nearest(z, tf.constant([99]))[1].numpy().tolist() == [4]


def test_every_replica_remembers_the_embeddings_of_all(two_replicas):
    with two_replicas.scope():
        queue = Neighbours(8, 2)

    def push():
        here = tf.distribute.get_replica_context().replica_id_in_sync_group
        first = 10 * tf.cast(here, tf.float32)
        z = tf.reshape(first + tf.range(4, dtype=tf.float32), [2, 2])
        index = 100 * here + tf.range(2)
        queue.push(z, index, index)

    tf.function(lambda: two_replicas.run(push))()
    for copy in two_replicas.experimental_local_results(queue.indices.value):
        assert copy.numpy().tolist() == [0, 1, 100, 101, 0, 0, 0, 0]
    np.testing.assert_array_equal(queue.embeddings[2], [10.0, 11.0])
    assert np.asarray(queue.place) == 4 and not bool(queue.full)

"""NT-Xent against the authors' arrays, its equation in loops, and known values."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from ssl_tf.losses.contrastive import nt_xent, spread, unit

GOLDEN = Path(__file__).parents[1] / "golden"
GUIDED = np.load(GOLDEN / "gsimclr" / "ntxent.npz")
SCATTERED = np.load(GOLDEN / "scatsimclr" / "ntxent.npz")
GUIDED_CASES = sorted({n.split("_")[0] for n in GUIDED.files if n.endswith("tau")})
SCATTERED_CASES = sorted({n.split("_")[0] for n in SCATTERED.files})
TINY_LOSS = ("case00", "case01", "case04", "case08")


def with_gradients(a, b, temperature, normalise=unit):
    a, b = tf.constant(a), tf.constant(b)
    with tf.GradientTape() as tape:
        tape.watch([a, b])
        loss, _ = nt_xent([normalise(a), normalise(b)], float(temperature))
        loss = tf.reduce_mean(loss)
    return float(loss), [g.numpy() for g in tape.gradient(loss, [a, b])]


@pytest.mark.parametrize("case", GUIDED_CASES)
def test_it_is_the_loss_of_gsimclr(case):
    get = lambda name: GUIDED[f"{case}_{name}"]
    loss, gradients = with_gradients(get("zi"), get("zj"), get("tau"))
    assert abs(loss - get("loss64")) < 1e-5
    for ours, name in zip(gradients, ("grad_zi", "grad_zj")):
        relative = 0.0 if case in TINY_LOSS else 1e-4
        atol = relative * np.abs(get(name)).max() + 1e-6
        np.testing.assert_allclose(ours, get(name), atol=atol, rtol=0)


@pytest.mark.parametrize("case", SCATTERED_CASES)
def test_it_is_the_loss_of_scatsimclr(case):
    get = lambda name: SCATTERED[f"{case}_{name}"]
    plain = unit if get("cosine") else lambda z: z
    for kind, normalise in (("norm", unit), ("raw", plain)):
        loss, gradients = with_gradients(
            get("zi"), get("zj"), get("temperature"), normalise
        )
        np.testing.assert_allclose(loss, get(f"loss_{kind}"), rtol=1e-5)
        for ours, name in zip(gradients, ("dzi", "dzj")):
            np.testing.assert_allclose(ours, get(f"{name}_{kind}"), atol=1e-6)


def test_negatives_are_all_images_but_ones_own_in_either_view():
    """A column that looks like the anchor is taken for it, if it is a negative."""
    kept = GUIDED["negative_mask_B3"]
    for image in range(3):
        for column in range(6):
            z = np.eye(6, dtype=np.float32)
            z[image + 3] = np.sqrt(0.5) * (z[image] + z[image + 3])
            z[column] = z[image]
            _, match = nt_xent([z[:3], z[3:]], 0.5)
            assert (match.numpy()[image] < 1) == kept[image, column]


def by_hand(views, temperature):
    """The equation, one anchor and one positive at a time, in float64."""
    vectors = [[np.asarray(z, np.float64) for z in view] for view in views]
    losses = np.zeros(len(views[0]))
    matches = np.zeros(len(views[0]))
    for v, view in enumerate(vectors):
        for i, anchor in enumerate(view):
            score = lambda w, k, anchor=anchor: anchor @ vectors[w][k] / temperature
            others = [
                score(w, k)
                for w in range(len(views))
                for k in range(len(view))
                if (w, k) != (v, i)
            ]
            negatives = [
                score(w, k)
                for w in range(len(views))
                for k in range(len(view))
                if k != i
            ]
            positives = [score(w, i) for w in range(len(views)) if w != v]
            losses[i] += np.log(np.exp(others).sum()) - np.mean(positives)
            matches[i] += min(positives) > max(negatives)
    return losses / len(views), matches / len(views)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_any_number_of_views_follows_the_equation(rng, count):
    views = [unit(rng.normal(size=(6, 4)).astype("f4")) for _ in range(count)]
    loss, match = nt_xent(views, 0.2)
    expected, matched = by_hand(views, 0.2)
    np.testing.assert_allclose(loss, expected, atol=1e-5)
    np.testing.assert_allclose(match, matched, atol=1e-6)


def test_identical_vectors_give_the_logarithm_of_their_number():
    same = unit(np.ones((8, 5), "f4"))
    loss, match = nt_xent([same, same], 0.1)
    np.testing.assert_allclose(loss, np.log(15), rtol=1e-6)
    np.testing.assert_array_equal(match, 0)


def test_the_order_of_a_batch_changes_nothing(rng):
    a, b = (unit(rng.normal(size=(7, 3)).astype("f4")) for _ in range(2))
    turn = rng.permutation(7)
    loss, _ = nt_xent([a, b], 0.5)
    turned, _ = nt_xent([tf.gather(a, turn), tf.gather(b, turn)], 0.5)
    np.testing.assert_allclose(turned, tf.gather(loss, turn), rtol=1e-5)


def test_it_is_computed_in_float32_whatever_it_gets(rng):
    z = [tf.cast(rng.normal(size=(4, 3)), tf.bfloat16) for _ in range(2)]
    loss, _ = nt_xent([unit(x) for x in z], 0.1)
    assert loss.dtype == tf.float32


def test_a_zero_vector_has_a_finite_gradient():
    zero = np.zeros((2, 3), "f4")
    loss, gradients = with_gradients(zero, np.eye(2, 3, dtype="f4"), 0.5)
    assert np.isfinite(loss) and all(np.isfinite(g).all() for g in gradients)


def test_spread_is_one_for_axes_in_both_directions_and_zero_when_collapsed():
    axes = np.concatenate([np.eye(4), -np.eye(4)]).astype("f4")
    np.testing.assert_allclose(spread(3 * axes), 1.0, rtol=1e-6)
    np.testing.assert_allclose(spread(np.ones((8, 4), "f4")), 0.0, atol=1e-6)


def test_two_replicas_have_the_loss_of_the_whole_batch(rng, two_replicas):
    views = [rng.normal(size=(8, 3)).astype("f4") for _ in range(2)]
    whole, matches = nt_xent([unit(z) for z in views], 0.3)

    def step():
        place = tf.distribute.get_replica_context().replica_id_in_sync_group
        mine = [unit(tf.constant(z)[4 * place : 4 * place + 4]) for z in views]
        loss, match = nt_xent([tf.ensure_shape(z, [4, 3]) for z in mine], 0.3)
        return loss, match, spread(tf.ensure_shape(mine[0], [4, 3]))

    per_replica = tf.function(lambda: two_replicas.run(step))()
    local = two_replicas.experimental_local_results
    join = lambda x: np.concatenate([part.numpy() for part in local(x)])
    np.testing.assert_allclose(join(per_replica[0]), whole, atol=1e-6)
    np.testing.assert_array_equal(join(per_replica[1]), matches)
    for value in local(per_replica[2]):
        np.testing.assert_allclose(value, spread(unit(views[0])), rtol=1e-5)

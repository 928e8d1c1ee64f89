"""k-means on features: what is found, on which images it is fitted, what is kept."""

import re
import sys

import given
import heads
import numpy as np
import pytest

from ssl_tf.errors import BadInput
from ssl_tf.evaluation import centres, clusters, store
from ssl_tf.evaluation.kmeans import kmeans, together


def splits(counts=(90, 60), levels=8):
    """Images whose features are points near (40, 40), (120, 40), ...; four classes."""
    made = []
    for split, count in zip(("train", "test"), counts):
        draw = np.random.default_rng(count)
        label = np.arange(count) % 4
        first = 40 + 80 * (label % 2) + draw.integers(0, levels, count)
        second = 40 + 80 * (label // 2) + draw.integers(0, levels, count)
        made.append(heads.told(first, second, label, "abcd", split))
    return made


def test_four_groups_are_four_clusters():
    train, test = splits()
    found = kmeans(heads.Told(), train, test)
    for name in ("nmi", "ami", "ari", "acc"):
        assert found[name] == pytest.approx(1)
    assert found["clusters"] == 4 and found["predictions"].shape == (1, 60)
    assert found["predictions"].dtype == np.int32
    assert 0 < found["distance"] < 2 * 7**2
    assert found["table"]["images"].tolist() == [15] * 4


def test_several_seeds_give_their_mean_and_deviation():
    train, test = splits(levels=80)
    one = [kmeans(heads.Told(), train, test, clusters=9, seeds=[s]) for s in (1, 2)]
    both = kmeans(heads.Told(), train, test, clusters=9, seeds=[1, 2])
    values = [found["nmi"] for found in one]
    assert both["nmi"] == pytest.approx(np.mean(values))
    assert both["nmi_deviation"] == pytest.approx(np.std(values, ddof=1))
    assert "nmi_deviation" not in one[0]
    for seed in (0, 1):
        np.testing.assert_array_equal(
            both["predictions"][seed], one[seed]["predictions"][0]
        )


def test_counts_of_images_have_no_deviation():
    runs = [{"a.images": 5, "acc": 0.25}, {"a.images": 5, "acc": 0.75}]
    found = together(runs)
    assert found.keys() == {"a.images", "acc", "acc_deviation"}
    assert found["a.images"] == 5 and found["acc"] == 0.5


def test_centres_are_fitted_on_a_share_of_the_training_images_only(tmp_path):
    (tmp_path / "last.weights.h5").write_bytes(b"the weights")
    train, test = splits()
    kept = store.Store(heads.Told(), tmp_path / "f", tmp_path / "last.weights.h5")
    kept(train)
    kmeans(heads.Told(), train, test, kept, share=0.5)
    names = sorted(p.name.rpartition("_")[0] for p in (tmp_path / "f").iterdir())
    assert [name.partition("kmeans")[0] for name in names] == [
        "made_share_last_features",
        "made_share_last_features_",
        "made_test_last_features",
        "made_train_last_features",
    ]
    (share,) = (tmp_path / "f").glob("made_share_last_features_[!k]*")
    assert len(np.load(share)) == 46  # 12 + 12 + 11 + 11


def test_centres_are_kept_for_the_next_evaluation(tmp_path):
    weights = tmp_path / "last.weights.h5"
    weights.write_bytes(b"the weights")
    train, test = splits()

    def evaluated(**more):
        kept = store.Store(heads.Told(), tmp_path / "f", weights)
        found = kmeans(heads.Told(), train, test, kept, **more)
        files = (tmp_path / "f").glob("made_train_last_features_kmeans*")
        return found["distance"], {p: p.stat().st_mtime_ns for p in files}

    distance, files = evaluated()
    assert len(files) == 1 and evaluated() == (distance, files)
    for i, more in enumerate(({"clusters": 3}, {"normalise": True}, {"seeds": [1]})):
        _, more_files = evaluated(**more)
        assert len(more_files) == 2 + i and files.items() <= more_files.items()
    weights.write_bytes(b"other weights")
    _, again = evaluated()
    assert len(again) == 4 and not files.keys() & again.keys()
    next(iter(again)).write_bytes(b"damaged")
    assert evaluated()[0] == distance


def test_length_is_left_out_where_features_are_normalised():
    label = np.arange(40) % 2
    far = np.where(np.arange(40) % 4 < 2, 20, 120)  # two lengths of two directions
    made = lambda split: heads.told(far, far * label, label, "ab", split)
    raw = kmeans(heads.Told(), made("train"), made("test"))
    unit = kmeans(heads.Told(), made("train"), made("test"), normalise=True)
    assert raw["acc"] < 1 and unit["acc"] == 1 and unit["distance"] < 1e-9


def test_several_levels_and_mini_batches():
    train, test = splits()
    method = heads.Told((256, 4))  # logits that differ
    found = kmeans(method, train, test, level=["features", "logits0"], batch=32)
    assert found["features.acc"] == pytest.approx(1)
    assert found["logits0.predictions"].shape == (1, 60)


def test_the_nearest_centre_is_the_nearest(rng, monkeypatch):
    x, y = rng.normal(size=(50, 5)), rng.normal(size=(7, 5)).astype(np.float32)
    apart = ((x[:, None] - y[None]) ** 2).sum(axis=2)
    monkeypatch.setattr(centres, "CHUNK", 8)
    cluster, distance = centres.nearest(x, y)
    np.testing.assert_array_equal(cluster, apart.argmin(axis=1))
    np.testing.assert_allclose(distance, apart.min(axis=1), rtol=1e-5)


@pytest.mark.parametrize("more", [{}, {"batch": 64}, {"faiss": True}])
def test_every_way_to_fit_finds_separate_blobs(more):
    if "faiss" in more:
        pytest.importorskip("faiss")
    x, label = given.blobs(400, 6, apart=9.0)
    found, cluster, inertia = centres.fit(x, 6, algorithm="elkan", **more)
    assert clusters.information(cluster, label)["ari"] == pytest.approx(1)
    again, distance = centres.nearest(x, found)
    np.testing.assert_array_equal(again, cluster)
    np.testing.assert_allclose(distance.sum(), inertia, rtol=1e-3)


def test_one_cluster_is_the_mean_without_a_word(rng):
    x = rng.normal(size=(30, 3)).astype(np.float32)
    found, _, _ = centres.fit(x, 1, algorithm="elkan")
    np.testing.assert_allclose(found[0], x.mean(axis=0), atol=1e-6)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"clusters": 91}, "kmeans.clusters: is 91; there are only 90 images."),
        ({"batch": 8, "faiss": True}, "kmeans: batch and faiss exclude each other"),
        ({"level": "p1"}, "level: told has no 'p1'. Have: features, logits0, logits1"),
        ({"share": 2.0}, "data.share: is 2.0; must be > 0 and <= 1."),
        ({"tasks": ["living17"]}, "kmeans.tasks: superclasses are those of ImageNet"),
    ],
)
def test_what_cannot_be_fitted_is_refused_in_one_line(more, message):
    with pytest.raises(BadInput, match=re.escape(message)) as error:
        kmeans(heads.Told(), *splits(), **more)
    assert "\n" not in str(error.value)


def test_faiss_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(BadInput, match="faiss is not here; pip install faiss-cpu"):
        kmeans(heads.Told(), *splits(), faiss=True)


def test_training_images_need_no_labels_but_then_a_number_of_clusters():
    train, test = splits()
    bare = train.source._replace(label=np.full(90, -1, np.int32), classes=())
    bare = train._replace(source=bare)
    with pytest.raises(BadInput, match="kmeans.clusters: say how many; these images"):
        kmeans(heads.Told(), bare, test)
    assert kmeans(heads.Told(), bare, test, clusters=4)["acc"] == pytest.approx(1)


@pytest.mark.parametrize("kind", given.UGLY)
def test_the_nearest_centre_is_that_of_float64_on_ugly_features(kind, monkeypatch):
    x, y = given.ugly(kind, 200), given.ugly(kind, 9, seed=5)
    apart = ((x[:, None].astype(np.float64) - y[None]) ** 2).sum(axis=2)
    monkeypatch.setattr(centres, "CHUNK", 64)
    cluster, distance = centres.nearest(x, y)
    np.testing.assert_array_equal(cluster, apart.argmin(axis=1))
    np.testing.assert_allclose(distance, apart.min(axis=1), rtol=1e-12)


@pytest.mark.parametrize("kind", ["dominating", "duplicates", "tiny", "huge"])
def test_a_fit_is_as_close_as_that_of_float64_on_ugly_features(kind):
    from sklearn.cluster import KMeans

    x = given.ugly(kind, 200)
    wanted = KMeans(4, n_init=2, random_state=0).fit(x.astype(np.float64)).inertia_
    _, cluster, inertia = centres.fit(x, 4, restarts=2)
    np.testing.assert_allclose(inertia, wanted, rtol=1e-6, atol=1e-20)
    if kind == "duplicates":
        assert inertia < 1e-20 and len(np.unique(cluster)) == 4

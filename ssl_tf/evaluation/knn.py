"""k nearest neighbours among the training images, votes weighted by similarity."""

import numpy as np
import tensorflow as tf

from ssl_tf.errors import BadInput
from ssl_tf.evaluation import scoring
from ssl_tf.evaluation import store as stores
from ssl_tf.schema import Count, Positive

TINY = 1e-12  # length of a vector that counts as zero


def knn(
    method,
    train,
    test,
    store=None,
    level: str | list[str] = "features",
    k: list[Count] = (10, 20, 100, 200),
    temperature: Positive = 0.1,
    memory_mib: Count = 512,
):
    """k nearest neighbours: cosine similarity, votes weighted by exp(sim / t).

    Args:
        method: `Method`, trained; it stays as it is.
        train: `pipeline.Images` with labels: the bank.
        test: `pipeline.Images` with labels of the same classes.
        store: `Store` of the method's features; `None` computes them anew.
        level: of `method.representations`; several in a list.
        k: neighbours that vote, several in a list.
        temperature: t.
        memory_mib: what the search may hold at a time, in MiB, features on disk aside.

    Returns:
        `{"k<k>.accuracy", "k<k>.top5", "k<k>.per_class" [C], ...}`, with the level's
        name before each for several levels.

    Raises:
        BadInput: images without labels, a k larger than the bank, or no such level.

    Source:
        Wu et al., arXiv:1805.01978, section 3.4 (t = 0.07); DINO, arXiv:2104.14294;
        Self-Classifier and SimSiam's monitor take 0.1.
    """
    store = store or stores.Store(method)
    label, truth = scoring.labels(train, "knn"), scoring.labels(test, "knn")
    ks = sorted(set(k))
    if ks[-1] > train.source.size:
        raise BadInput(
            f"knn.k: is {ks[-1]}; there are only {train.source.size} training images."
        )
    classes = scoring.classes_of(train, test)

    def vote(one):
        bank, queries = store(train, one), store(test, one)
        similarity, places = nearest(queries, bank, ks[-1], memory_mib)
        found = {}
        for count in ks:
            near = label[places[:, :count]]
            scores = votes(similarity[:, :count], near, classes, temperature)
            summary = scoring.summary(scores, truth)
            found |= {f"k{count}.{name}": value for name, value in summary.items()}
        return found

    return scoring.by_level(level, vote)


def nearest(queries, bank, k, memory_mib=512):
    """The k rows of a bank most similar to each query, exactly.

    Both are read in chunks, so either may be a map of a file. Equal similarities go to
    the smaller place.

    Args:
        queries: `[Q, F]`.
        bank: `[N, F]`, N >= k.
        k: int.
        memory_mib: int, bound on the float32 chunks and their similarities.

    Returns:
        `(similarity float32 [Q, k], places int64 [Q, k])`, most similar first.
    """
    rows, columns = chunks(len(queries), *bank.shape, k, memory_mib)
    best = np.full((len(queries), k), -np.inf, np.float32)
    places = np.zeros((len(queries), k), np.int64)
    for first in range(0, len(bank), columns):
        part = unit(bank[first : first + columns])
        for start in range(0, len(queries), rows):
            here = slice(start, start + rows)
            near = closest(unit(queries[here]), part, min(k, len(part)))
            near = near[0], near[1] + first
            best[here], places[here] = merged((best[here], places[here]), near, k)
    return best, places


def chunks(queries, bank, width, k, memory_mib):
    """Rows of queries and of the bank that are worked on at a time.

    A bank chunk b and a query chunk q take 4 (b F + q F + b q) bytes and 24 q k for the
    lists; the bank gets up to half of it.
    """
    budget = memory_mib * 2**20 // 4
    columns = min(bank, max(1, budget // 2 // width))
    left = max(0, budget - columns * width)
    return min(queries, max(1, left // (width + columns + 6 * k))), columns


def closest(queries, bank, k):
    """`top_k` of the products, as arrays; the lower place first on ties."""
    with tf.device("CPU:0" if not tf.config.list_physical_devices("GPU") else "GPU:0"):
        products = tf.matmul(queries, bank, transpose_b=True)
        values, places = tf.math.top_k(products, k)
    return values.numpy(), places.numpy().astype(np.int64)


def merged(old, new, k):
    """The k best of two lists of `(similarity, places)`, the old one first on ties."""
    values = np.concatenate([old[0], new[0]], axis=1)
    places = np.concatenate([old[1], new[1]], axis=1)
    order = np.argsort(-values, axis=1, kind="stable")[:, :k]
    pick = lambda x: np.take_along_axis(x, order, axis=1)
    return pick(values), pick(places)


def unit(rows):
    """float32 rows of length 1; a zero row stays zero."""
    rows = np.asarray(rows, np.float32)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(length, TINY)


def votes(similarity, label, classes, temperature):
    """Sums of exp((s - s_1) / t) over the neighbours of each class.

    s_1 is a query's largest similarity: no temperature overflows, and only a factor
    common to the query's classes is lost.

    Args:
        similarity: `[Q, k]`, largest first.
        label: int `[Q, k]` of the neighbours.
        classes: int.
        temperature: float > 0.

    Returns:
        float64 `[Q, C]`.
    """
    gap = (similarity - similarity[:, :1]).astype(np.float64)
    weight = np.exp(gap / temperature)
    rows = np.arange(len(label))[:, None] * classes
    flat = (rows + label).ravel()
    total = np.bincount(flat, weights=weight.ravel(), minlength=len(label) * classes)
    return total.reshape(len(label), classes)

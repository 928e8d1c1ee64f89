"""k nearest neighbours among the training images, votes weighted by similarity."""

import numpy as np
import tensorflow as tf

from ssl_tf.errors import BadInput
from ssl_tf.evaluation import scoring
from ssl_tf.evaluation import store as stores
from ssl_tf.schema import Count, Positive

SPARE = 16  # candidates beyond the k
SMALLEST = np.finfo(np.float64).smallest_subnormal
BLOCK = 4096  # rows that are worked on in float64
ROWS = 256  # queries that are compared in float64 with such a block


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

    Both are read in chunks, so either may be a map of a file. Candidates are found in
    float32, around the bank's mean direction, so that what all rows have in common
    costs no digits; what this leaves undecided is decided in float64. Similarities
    equal to its rounding go to the smaller place.

    Args:
        queries: `[Q, F]`.
        bank: `[N, F]`, N >= k.
        k: int.
        memory_mib: int, bound on the float32 chunks and their similarities.

    Returns:
        `(similarity float64 [Q, k], places int64 [Q, k])`, most similar first.
    """
    wide = min(k + SPARE, len(bank))
    rows, columns = chunks(len(queries), *bank.shape, wide, memory_mib)
    mean = unit(bank[:: -(-len(bank) // BLOCK)], np.float64).mean(axis=0)
    best = np.full((len(queries), wide), -np.inf)
    places = np.zeros((len(queries), wide), np.int64)
    longest = largest = 0.0
    for first in range(0, len(bank), columns):
        part, along = around(bank[first : first + columns], mean)
        longest = max(longest, float(np.linalg.norm(part, axis=1).max()))
        largest = max(largest, float(np.abs(along).max()))
        for start in range(0, len(queries), rows):
            here = slice(start, start + rows)
            own, _ = around(queries[here], mean)
            near = closest(own, part, along, min(wide, len(part)))
            near = near[0], near[1] + first
            best[here], places[here] = merged((best[here], places[here]), near, wide)
    for start in range(0, len(queries), rows):
        here = slice(start, start + rows)
        own, along = around(queries[here], mean)
        best[here] += along[:, None] + mean @ mean
        error = np.sqrt(bank.shape[1]) * np.linalg.norm(own, axis=1) * longest
        error = np.finfo(np.float32).eps * (error + 2 * largest)
        found = best[here], places[here]
        best[here], places[here] = decided(queries[here], bank, mean, found, k, error)
    return best[:, :k], places[:, :k]


def around(rows, mean):
    """Unit vectors less a mean, and how far they go along it.

    Args:
        rows: `[n, F]`, of any length.
        mean: float64 `[F]`.

    Returns:
        `(d float32 [n, F], d @ mean float64 [n])`.
    """
    found, along = np.empty(rows.shape, np.float32), np.empty(len(rows))
    for start in range(0, len(rows), BLOCK):
        here = slice(start, start + BLOCK)
        apart = unit(rows[here], np.float64) - mean
        found[here], along[here] = apart, apart @ mean
    return found, along


def decided(queries, bank, mean, found, k, error):
    """Candidates in the order of their similarities in float64.

    Args:
        queries: `[q, F]`.
        bank: `[N, F]`.
        mean: float64 `[F]`.
        found: `(similarity float64 [q, w], places int64 [q, w])`, w >= k candidates in
            float32's order.
        k: int.
        error: float64 `[q]`, of these similarities.

    Returns:
        the same; the first k are those that `nearest` wants.
    """
    values, places = found
    near = values[:, :-1] - values[:, 1:] <= 2 * error[:, None]
    close = np.zeros(values.shape, bool)
    close[:, :-1] |= near
    close[:, 1:] |= near
    if values.shape[1] < len(bank):
        # No clear step behind the k-th: the right ones may not be among them.
        rest = np.flatnonzero(near[:, k - 1 :].all(axis=1))
        close[rest] = True
        for start in range(0, len(rest), ROWS):
            here = rest[start : start + ROWS]
            places[here] = searched(queries[here], bank, mean, values.shape[1])
    query, column = np.nonzero(close)
    for start in range(0, len(query), BLOCK):
        q, c = query[start : start + BLOCK], column[start : start + BLOCK]
        pair = (unit(x, np.float64) for x in (queries[q], bank[places[q, c]]))
        values[q, c] = np.multiply(*pair).sum(axis=1)  # equal rows: equal sums
    order = np.lexsort((places, -values), axis=1)
    pick = lambda x: np.take_along_axis(x, order, axis=1)
    return pick(values), pick(places)


def searched(queries, bank, mean, k):
    """int64 `[q, k]`: places of the nearest by float64 alone, in any order."""
    own = unit(queries, np.float64) - mean
    values = np.zeros((len(own), 0))
    places = np.zeros((len(own), 0), np.int64)
    rounding = 4 * np.finfo(np.float64).eps * np.sqrt(bank.shape[1])
    for first in range(0, len(bank), BLOCK):
        part = unit(bank[first : first + BLOCK], np.float64) - mean
        numbers = np.arange(first, first + len(part))
        values = np.concatenate([values, own @ part.T + part @ mean], axis=1)
        places = np.concatenate([places, np.tile(numbers, (len(own), 1))], axis=1)
        if values.shape[1] > k:
            least = -np.partition(-values, k - 1, axis=1)[:, k - 1 : k]
            rank = (values > least + rounding) * 1 + (values >= least - rounding)
            key = places - rank * len(bank)  # those of one rank by their places
            pick = np.argpartition(key, k - 1, axis=1)[:, :k]
            values, places = (
                np.take_along_axis(x, pick, axis=1) for x in (values, places)
            )
    return places


def chunks(queries, bank, width, k, memory_mib):
    """Rows of queries and of the bank that are worked on at a time.

    A bank chunk b and a query chunk q take 4 (b F + q F + b q) bytes and 24 q k for the
    lists; the bank gets up to half of it.
    """
    budget = memory_mib * 2**20 // 4
    columns = min(bank, max(1, budget // 2 // width))
    left = max(0, budget - columns * width)
    return min(queries, max(1, left // (width + columns + 6 * k))), columns


def closest(queries, bank, along, k):
    """`top_k` of the products plus `along`, as arrays; the lower place first on ties.

    In full float32: a GPU's TF32 would round the factors to 10 bits.
    """
    coarse = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    gpu = tf.config.list_physical_devices("GPU")
    try:
        with tf.device("GPU:0" if gpu else "CPU:0"):
            products = tf.matmul(queries, bank, transpose_b=True)
            values, places = tf.math.top_k(products + tf.cast(along, tf.float32), k)
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(coarse)
    return values.numpy(), places.numpy().astype(np.int64)


def merged(old, new, k):
    """The k best of two lists of `(similarity, places)`, the old one first on ties."""
    values = np.concatenate([old[0], new[0]], axis=1)
    places = np.concatenate([old[1], new[1]], axis=1)
    order = np.argsort(-values, axis=1, kind="stable")[:, :k]
    pick = lambda x: np.take_along_axis(x, order, axis=1)
    return pick(values), pick(places)


def unit(rows, kind=np.float32):
    """Rows of length 1, whatever their scale; a zero row stays zero.

    Args:
        rows: `[n, F]`.
        kind: NumPy type of the result; lengths are float64's.
    """
    found = np.empty(rows.shape, kind)
    for start in range(0, len(rows), BLOCK):
        some = np.asarray(rows[start : start + BLOCK], np.float64)
        length = np.linalg.norm(some, axis=1, keepdims=True)
        found[start : start + BLOCK] = some / np.where(length > 0, length, 1)
    return found


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
        float64 `[Q, C]`; 0 for a class without a neighbour and for no other: where a
        sum is too small, classes have the smallest numbers, the one with the nearer
        neighbour the larger.
    """
    gap = (similarity - similarity[:, :1]).astype(np.float64)
    weight = np.exp(gap / temperature)
    rows = np.arange(len(label))[:, None] * classes
    flat = (rows + label).ravel()
    total = np.bincount(flat, weights=weight.ravel(), minlength=len(label) * classes)
    total = total.reshape(len(label), classes)
    for row in np.flatnonzero((weight == 0).any(axis=1)):
        faint = [c for c in dict.fromkeys(label[row].tolist()) if not total[row, c]]
        total[row, faint] = SMALLEST * np.arange(len(faint), 0, -1)
    return total

"""k nearest neighbours at ImageNet's size, on a bank that stays on disk.

Time and memory of the search of `evaluate RUN knn` in random float16 features; with a
bank that fits into memory, too, beside scikit-learn's brute force and Faiss.
"""

import tempfile
import time
from pathlib import Path

from ssl_tf import cli
from ssl_tf.errors import BadInput
from ssl_tf.measure import timing

K = 200  # neighbours asked for, the largest of `knn`
ALL_QUERIES = 50_000  # ImageNet's validation set
COMPARED = 2**30  # bytes of float32 up to which other programs are measured, too
ROWS = 16_384  # drawn at a time


def measure(options):
    """Search time and memory; ratios of other programs where the bank is small."""
    cli.import_tensorflow()
    from ssl_tf.measure.memory import Anonymous

    images, width = options.images or 1_281_167, options.width
    if min(images, options.queries) < K:
        raise BadInput(f"benchmark knn: --images and --queries must be at least {K}.")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        bank = drawn(Path(folder) / "bank.npy", images, width, 0)
        queries = drawn(Path(folder) / "queries.npy", options.queries, width, 1)
        with Anonymous() as memory:
            began = time.perf_counter()
            ours(bank, queries)
            seconds = time.perf_counter() - began
        values = {
            "bank": f"{images:,} x {width:,} float16, {bank.nbytes / 2**30:.2f} GiB",
            "queries": f"{options.queries:,}, k = {K}",
            "search": f"{seconds:.1f} s",
            f"{ALL_QUERIES:,} queries, extrapolated": (
                f"{seconds * ALL_QUERIES / options.queries / 60:.1f} min"
            ),
            "memory beyond the bank, peak": memory.described,
        }
        if 4 * images * width <= COMPARED:
            values |= compared(bank, queries, options.rounds)
    return values


def drawn(path, rows, width, seed):
    """Normal float16 features in a file, mapped."""
    import numpy as np

    draw = np.random.default_rng(seed)
    out = np.lib.format.open_memmap(path, "w+", np.float16, (rows, width))
    for first in range(0, rows, ROWS):
        part = out[first : first + ROWS]
        part[:] = draw.standard_normal(part.shape, np.float32)
    out.flush()
    return np.load(path, mmap_mode="r")


def ours(bank, queries):
    from ssl_tf.evaluation.knn import nearest

    return nearest(queries, bank, K)


def compared(bank, queries, rounds):
    """Times over ours of programs that take float32 in memory, index and search."""
    from ssl_tf.evaluation.knn import unit

    rows, asked = unit(bank), unit(queries)
    programs = {"ours": lambda: ours(bank, queries)}
    programs["scikit-learn, brute force"] = lambda: sklearn_search(rows, asked)
    try:
        import faiss
    except ImportError:
        pass
    else:
        programs["Faiss, flat index"] = lambda: faiss_search(faiss, rows, asked)
    times = timing.in_turn(programs, rounds)
    base = times.pop("ours")
    values = {"ours": f"{timing.median(base):.2f} s"}
    for name, found in times.items():
        values[name] = timing.compared(found, base)
    return values


def sklearn_search(rows, asked):
    from sklearn.neighbors import NearestNeighbors

    found = NearestNeighbors(n_neighbors=K, algorithm="brute", metric="cosine")
    return found.fit(rows).kneighbors(asked)


def faiss_search(faiss, rows, asked):
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    return index.search(asked, K)

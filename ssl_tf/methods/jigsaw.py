"""Permutations of nine tiles: the authors' 35, and sets of any other size."""

import numpy as np
from keras import ops

from ssl_tf.errors import BadInput

TILES = 9
# Digit t of a word is the tile at place t. data/permutations_35.npy of ScatSimCLR (MIT
# licence), row by row; the second is the identity.
OFFICIAL = """
246058713 012345678 103264587 320176845 431587026
567801234 658713402 784620351 875432160 012473658
103528467 234705186 325167804 450836721 576084312
648210573 781642035 867351240 012635874 103824567
230157648 321048756 456271083 547386120 678403215
865710432 784562301 012657438 103762584 230146857
321408675 457081263 564813702 678325041 786534120
"""


def official():
    """int32 `[35, 9]`, the table of ScatSimCLR's authors.

    They take, one after the other, the permutation with the largest mean Hamming
    distance to those taken before; 3 to 9 tiles differ between any two.
    """
    return np.array([list(map(int, word)) for word in OFFICIAL.split()], np.int32)


def generated(count, seed=0, candidates=4000):
    """int32 `[count, 9]` permutations far apart, a function of the seed.

    One after the other, of `candidates` random ones (and all turns of those taken, at
    distance 9) the one whose *smallest* Hamming distance to those taken is largest;
    among equals the largest mean distance.

    Source:
        Noroozi and Favaro, arXiv:1603.09246, sec. 4.2, with the minimum put first.
    """
    draw = np.random.Generator(np.random.Philox(seed))
    pool = draw.permuted(np.tile(np.arange(TILES), (candidates, 1)), axis=1)
    turns = [np.roll(pool[: candidates // TILES], k, axis=1) for k in range(1, TILES)]
    pool = np.unique(np.concatenate([pool, *turns]), axis=0)
    if count > len(pool):
        raise BadInput(
            f"method.permutations: is {count}; at most {len(pool)} are generated."
        )
    taken = [pool[draw.integers(len(pool))]]
    nearest = np.full(len(pool), TILES)
    total = np.zeros(len(pool))
    while len(taken) < count:
        distance = (pool != taken[-1]).sum(axis=1)
        nearest = np.minimum(nearest, distance)
        total += distance
        best = np.lexsort((total, nearest))[-1]
        taken.append(pool[best])
    return np.array(taken, np.int32)


def table(wanted):
    """int32 `[P, 9]` from a number, a `.npy` file or rows.

    Raises:
        BadInput: no such file, or anything but rows that each hold 0 to 8 once.
    """
    if wanted == 35:
        return official()
    if isinstance(wanted, int):
        return generated(wanted)
    where = "method.permutations"
    if isinstance(wanted, str):
        where = f"{where}: {wanted}"
        try:
            wanted = np.load(wanted, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            why = " ".join(str(error).split())[:100]
            raise BadInput(f"{where}: cannot be read ({why}); give a .npy.") from None
    rows = np.asarray(wanted)
    if rows.ndim != 2 or rows.shape[1] != TILES or len(rows) < 2:
        raise BadInput(f"{where}: has shape {list(rows.shape)}; must be [P >= 2, 9].")
    if rows.dtype.kind not in "iu":
        raise BadInput(f"{where}: holds {rows.dtype}; must be whole numbers.")
    rows = rows - (1 if rows.min() == 1 else 0)  # some tables count from one
    if (np.sort(rows, axis=1) != np.arange(TILES)).any():
        raise BadInput(f"{where}: each row must hold 0 to 8 once.")
    return rows.astype(np.int32)


def shuffled(tiles, order):
    """`tiles` `[B, 9, ...]` with tile `order[b, t]` at place t."""
    size, shape = ops.shape(tiles)[0], tiles.shape[2:]
    first = ops.expand_dims(ops.arange(size, dtype="int32") * TILES, 1)
    places = ops.reshape(first + ops.cast(order, "int32"), (-1,))
    flat = ops.reshape(tiles, (-1, *shape))
    return ops.reshape(ops.take(flat, places, axis=0), (-1, TILES, *shape))

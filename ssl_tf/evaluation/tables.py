"""Columns as one array with named fields, which is also written as CSV."""

import numpy as np


def structured(columns):
    """Structured array `[n]`.

    Args:
        columns: `{field: sequence of n numbers or texts}`.
    """
    columns = {name: np.asarray(column) for name, column in columns.items()}
    kinds = [(name, column.dtype) for name, column in columns.items()]
    table = np.empty(len(next(iter(columns.values()))), kinds)
    for name, column in columns.items():
        table[name] = column
    return table

"""Checkpoints laid out as Self-Classifier writes them: names, shapes, a queue."""

import numpy as np
import resnet50_files
import simsiam_files
from torch_containers import group, named, ordered, plain, storage, tensor, write_state

HEADS = (1000, 2000, 4000, 8000)


def layout(width=64, hidden=4096, dim=128, heads=HEADS, *, depth=2, norm=True):
    """`{name: shape}` of a state dict."""
    rows = resnet50_files.layout(width, "module.backbone.")
    start, incoming = "module.mlp_head.mlp", 32 * width
    for i in range(depth):
        outgoing = dim if i == depth - 1 else hidden
        place = (3 if norm else 2) * i
        name = start if depth == 1 else f"{start}.{place}"
        rows |= resnet50_files.linear(name, incoming, outgoing)
        if norm and i < depth - 1:
            rows |= resnet50_files.norm(f"{start}.{place + 1}", hidden)
        incoming = outgoing
    for i, classes in enumerate(heads):
        rows |= {f"module.cls_{i}.weight_g": [classes, 1]}
        rows |= {f"module.cls_{i}.weight_v": [classes, dim]}
    return rows


def state(**more):
    return simsiam_files.state(layout(**more))


def queue(marker):
    """A pickled `utils.NNQueue` whose construction would create the file `marker`."""
    code = f"open({str(marker)!r}, 'w')"
    made = named("utils", "NNQueue") + group(plain(code)) + b"R"
    embeddings = tensor(storage("0", 6), (2, 3))
    attributes = ordered(
        ("queue", embeddings), ("ptr", plain(0)), ("full", plain(True))
    )
    run = named("builtins", "exec") + group(plain(code)) + b"R"
    return made + attributes + b"b", run


def write(path, arrays, marker):
    """What training saves each epoch: weights, a queue, an optimizer's state."""
    held, run = queue(marker)
    more = [
        ("arch", plain("resnet50")),
        ("best_loss", plain(1)),
        ("nn_queue", held),
        ("optimizer", ordered(("state", run))),
    ]
    write_state(path, arrays, key="state_dict", more=more)


def kernel(array):
    """A PyTorch kernel as ours."""
    return np.transpose(array, (2, 3, 1, 0) if array.ndim == 4 else (1, 0))

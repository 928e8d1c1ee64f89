"""torchvision's ResNet-50 by its names, and the files that other methods make of it."""

BLOCKS = (3, 4, 6, 3)
NORM = ("weight", "bias", "running_mean", "running_var")


def norm(name, width):
    """Layout of a PyTorch batch norm."""
    rows = {f"{name}.{part}": [width] for part in NORM}
    return rows | {f"{name}.num_batches_tracked": []}


def layout(width=64, prefix=""):
    """`{name: shape}` of the network without classifier, in torchvision's order."""
    rows = {"conv1.weight": [width, 3, 7, 7]} | norm("bn1", width)
    incoming = width
    for i, count in enumerate(BLOCKS):
        inner, outer = width * 2**i, 4 * width * 2**i
        for j in range(count):
            block = f"layer{i + 1}.{j}"
            sizes = (
                [inner, incoming, 1, 1],
                [inner, inner, 3, 3],
                [outer, inner, 1, 1],
            )
            for k, size in enumerate(sizes, start=1):
                rows[f"{block}.conv{k}.weight"] = size
                rows |= norm(f"{block}.bn{k}", size[0])
            if j == 0:
                rows[f"{block}.downsample.0.weight"] = [outer, incoming, 1, 1]
                rows |= norm(f"{block}.downsample.1", outer)
            incoming = outer
    return {prefix + name: shape for name, shape in rows.items()}


def linear(name, incoming, outgoing):
    return {f"{name}.weight": [outgoing, incoming], f"{name}.bias": [outgoing]}


def moco_v2(width):
    """Query encoder, its slow copy, and a queue of keys."""
    rows = {}
    for encoder in ("module.encoder_q.", "module.encoder_k."):
        rows |= layout(width, encoder)
        rows |= linear(f"{encoder}fc.0", 32 * width, 32 * width)
        rows |= linear(f"{encoder}fc.2", 32 * width, 16)
    return rows | {"module.queue": [16, 40], "module.queue_ptr": [1]}


def swav(width):
    """A projection beside the network, and prototypes."""
    head = linear("module.projection_head.0", 32 * width, 32 * width)
    head |= norm("module.projection_head.1", 32 * width)
    head |= linear("module.projection_head.3", 32 * width, 16)
    return layout(width, "module.") | head | {"module.prototypes.weight": [30, 16]}


def simsiam(width):
    """An encoder that ends in its projection, and a predictor."""
    rows = layout(width, "module.encoder.")
    for place, part in (("encoder.fc", 0), ("encoder.fc", 3), ("predictor", 0)):
        bare = f"module.{place}.{part}.weight"
        rows |= {bare: [32 * width, 32 * width]}
        rows |= norm(f"module.{place}.{part + 1}", 32 * width)
    return rows | linear("module.predictor.3", 32 * width, 32 * width)


def obow(width):
    """A classifier that nobody uses."""
    return layout(width) | linear("fc", 32 * width, 7)


FILES = {  # method -> (layout, entry of the checkpoint)
    "moco_v2": (moco_v2, "state_dict"),
    "swav": (swav, None),
    "simsiam": (simsiam, "state_dict"),
    "obow": (obow, "network"),
    "dino": (layout, None),
    "barlow_twins": (layout, None),
}

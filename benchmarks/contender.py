"""One contender of compare.py: gets numbers of steps, answers with seconds a step."""

import json
import resource
import sys
import time

import numpy as np

BATCH = 64
DRAW = np.random.default_rng(0)
IMAGES = DRAW.random((BATCH, 32, 32, 3), np.float32)
LABELS = DRAW.integers(0, 100, BATCH).astype(np.int32)
RATE, MOMENTUM, L2 = 0.01, 0.9, 5e-4
WORK = 6 * 392.6e6 * BATCH  # FLOP of one step: WRN-16-4


def method():
    from ssl_tf.backbones.wide_resnet import wide_resnet
    from ssl_tf.methods.supervised import Supervised

    return Supervised(wide_resnet((32, 32, 3), 16, 4), 100)


def batch():
    import tensorflow as tf

    return {
        "views": (tf.constant(IMAGES),),
        "label": tf.constant(LABELS),
        "index": tf.range(BATCH, dtype=tf.int64),
    }


def ours(xla=False):
    """Our loop with all it does: schedule, terms, waiting time."""
    import tensorflow as tf

    from ssl_tf.loop import Loop
    from ssl_tf.optim import SGD

    sgd = SGD(0.0, MOMENTUM, weight_decay=L2)
    loop = Loop(method(), sgd, tf.distribute.get_strategy(), xla=xla)
    loop.feed(lambda part: tf.data.Dataset.from_tensors(batch()).repeat())
    return lambda steps: loop.run([RATE] * steps)


def bare():
    """What one writes by hand: one tf.function around the same model and update."""
    import tensorflow as tf

    from ssl_tf.optim import SGD

    model, sgd, data = method(), SGD(RATE, MOMENTUM, weight_decay=L2), batch()
    sgd.build(model.trainable_variables)

    @tf.function
    def step(images, labels):
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            )
        gradients = tape.gradient(loss, model.trainable_variables)
        sgd.apply(gradients, model.trainable_variables)
        return loss

    def run(steps):
        for _ in range(steps):
            loss = step(data["views"][0], data["label"])
        loss.numpy()

    return run


def fit():
    """Plain Keras: its own layers, its SGD, `compile` and `fit` with their defaults."""
    import keras
    from keras import layers, regularizers

    decay = {"kernel_regularizer": regularizers.L2(L2 / 2)}

    def unit(x, filters):
        x = layers.Conv2D(filters, 3, padding="same", **decay)(x)
        return layers.ReLU()(layers.BatchNormalization()(x))

    images = keras.Input((32, 32, 3))
    x = unit(images, 16)
    for stage, filters in enumerate((64, 128, 256)):
        x = layers.MaxPooling2D(2)(x) if stage else x
        for block in range(2):
            shortcut = x if block else layers.Conv2D(filters, 1, **decay)(x)
            x = layers.Add()([shortcut, unit(unit(x, filters), filters)])
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(images, layers.Dense(100, **decay)(x))
    model.compile(
        keras.optimizers.SGD(RATE, MOMENTUM),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )

    def run(steps):
        repeated = np.tile(IMAGES, (steps, 1, 1, 1)), np.tile(LABELS, steps)
        model.fit(*repeated, batch_size=BATCH, shuffle=False, verbose=0)

    return run


def torch_(channels_last=False):
    """Eager PyTorch on as many threads as there are cores."""
    import torch
    from torch import nn
    from torch.nn import functional

    class Block(nn.Module):
        def __init__(self, before, after):
            super().__init__()
            self.conv1 = nn.Conv2d(before, after, 3, padding=1)
            self.norm1 = nn.BatchNorm2d(after)
            self.conv2 = nn.Conv2d(after, after, 3, padding=1)
            self.norm2 = nn.BatchNorm2d(after)
            wider = before != after
            self.shortcut = nn.Conv2d(before, after, 1) if wider else nn.Identity()

        def forward(self, x):
            y = functional.relu(self.norm1(self.conv1(x)))
            return self.shortcut(x) + functional.relu(self.norm2(self.conv2(y)))

    stages, before = [nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()], 16
    for i, after in enumerate((64, 128, 256)):
        stages += [nn.MaxPool2d(2)] if i else []
        stages += [Block(before, after), Block(after, after)]
        before = after
    stages += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 100)]
    model = nn.Sequential(*stages)
    images = torch.from_numpy(IMAGES.transpose(0, 3, 1, 2).copy())
    labels = torch.from_numpy(LABELS.astype(np.int64))
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    sgd = torch.optim.SGD(model.parameters(), RATE, MOMENTUM, weight_decay=L2)

    def run(steps):
        for _ in range(steps):
            sgd.zero_grad()
            loss = functional.cross_entropy(model(images), labels)
            loss.backward()
            sgd.step()
        loss.item()

    return run


def peak():
    """FLOP/s of a large matrix product, the best of five."""
    size = 2048
    a, b = DRAW.random((2, size, size), np.float32)
    if "torch" in sys.modules:
        import torch

        a, b = torch.from_numpy(a), torch.from_numpy(b)
        product = lambda: a @ b
    else:
        import tensorflow as tf

        a, b = tf.constant(a), tf.constant(b)
        product = lambda: tf.matmul(a, b).numpy()
    times = []
    for _ in range(6):
        began = time.perf_counter()
        product()
        times.append(time.perf_counter() - began)
    return 2 * size**3 / min(times[1:])


MAKERS = {
    "ours": ours,
    "ours_xla": lambda: ours(xla=True),
    "bare": bare,
    "fit": fit,
    "torch": torch_,
    "torch_channels_last": lambda: torch_(channels_last=True),
}


def serve(run, batch, work):
    """Warms up, says what a step is, then times as many steps as each line asks for.

    Besides, what it says is the peak memory of the process so far.

    Args:
        run: `steps -> None`.
        batch: int, images a step.
        work: FLOP of a step, or `None`.
    """
    run(3)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    facts = {"peak": peak(), "batch": batch, "work": work, "memory": memory}
    print(json.dumps(facts), flush=True)
    for line in sys.stdin:
        steps = int(line)
        began = time.perf_counter()
        run(steps)
        print((time.perf_counter() - began) / steps, flush=True)


if __name__ == "__main__":
    serve(MAKERS[sys.argv[1]](), BATCH, WORK)

"""Two-view SimSiam steps for compare.py: ours, and eager PyTorch on the same network.

python benchmarks/compare.py --program siamese.py --model pit_tiny --size 224 --batch 4
"""

import sys

import contender
import numpy as np

DIM, HIDDEN, PREDICTOR, RATE, DECAY = 1024, 1024, 256, 0.01, 1e-4
OPTIONS = {"resnet18": {"stem": "small_pool"}}  # at 32 pixels


def views(size, batch):
    draw = np.random.default_rng(0)
    return [draw.normal(size=(batch, size, size, 3)).astype(np.float32) for _ in "12"]


def ours(model, size, batch, xla):
    import tensorflow as tf

    from ssl_tf import cost
    from ssl_tf.backbones import BACKBONES
    from ssl_tf.loop import Loop
    from ssl_tf.methods.simsiam import SimSiam
    from ssl_tf.optim import SGD

    options = OPTIONS.get(model, {}) if size == 32 else {}
    backbone = BACKBONES[model]((size, size, 3), **options)
    head = {"dim": DIM, "hidden": HIDDEN, "predictor": PREDICTOR}
    method = SimSiam(backbone, head="ablation", **head)
    images = {
        "views": tuple(map(tf.constant, views(size, batch))),
        "label": tf.fill([batch], -1),
        "index": tf.range(batch, dtype=tf.int64),
        "key": tf.range(batch),
    }
    sgd = SGD(0.0, 0.9, weight_decay=DECAY)
    loop = Loop(method, sgd, tf.distribute.get_strategy(), xla=xla)
    loop.feed(lambda part: tf.data.Dataset.from_tensors(images).repeat())
    work = 2 * batch * cost.training_flops(method, (size, size, 3))
    return (lambda steps: loop.run([RATE] * steps)), work


def torch_(model, size, batch):
    import torch
    from torch import nn
    from torch.nn import functional

    backbone, width = NETWORKS[model](size)

    def layer(before, after, relu=True):
        parts = [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU()]
        return parts if relu else parts[:2]

    projector = nn.Sequential(
        *layer(width, HIDDEN), *layer(HIDDEN, HIDDEN), *layer(HIDDEN, DIM, False)
    )
    predictor = nn.Sequential(*layer(DIM, PREDICTOR), nn.Linear(PREDICTOR, DIM))
    parts = nn.ModuleList([backbone, projector, predictor])
    images = [
        torch.from_numpy(x.transpose(0, 3, 1, 2).copy()) for x in views(size, batch)
    ]
    sgd = torch.optim.SGD(parts.parameters(), RATE, 0.9, weight_decay=DECAY)

    def run(steps):
        for _ in range(steps):
            sgd.zero_grad()
            z1, z2 = (projector(backbone(x)) for x in images)
            p1, p2 = predictor(z1), predictor(z2)
            loss = functional.cosine_similarity(p1, z2.detach()).mean()
            loss = -(loss + functional.cosine_similarity(p2, z1.detach()).mean()) / 2
            loss.backward()
            sgd.step()
        loss.item()

    return run, None


def resnet18(size):
    from torch import nn
    from torch.nn import functional

    class Block(nn.Module):
        def __init__(self, before, after, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
            self.norm1 = nn.BatchNorm2d(after)
            self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
            self.norm2 = nn.BatchNorm2d(after)
            self.shortcut = nn.Identity()
            if stride > 1 or before != after:
                narrow = nn.Conv2d(before, after, 1, stride, bias=False)
                self.shortcut = nn.Sequential(narrow, nn.BatchNorm2d(after))

        def forward(self, x):
            y = functional.relu(self.norm1(self.conv1(x)))
            return functional.relu(self.norm2(self.conv2(y)) + self.shortcut(x))

    kernel, stride = (3, 1) if size == 32 else (7, 2)
    stem = nn.Conv2d(3, 64, kernel, stride, kernel // 2, bias=False)
    layers = [stem, nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    before = 64
    for i, after in enumerate((64, 128, 256, 512)):
        layers += [Block(before, after, 1 + (i > 0)), Block(after, after, 1)]
        before = after
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), 512


def block(dim, heads, ratio, bias):
    """A pre-norm transformer block with PyTorch's fused attention."""
    from torch import nn
    from torch.nn import functional

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
            self.qkv, self.proj = nn.Linear(dim, 3 * dim, bias), nn.Linear(dim, dim)
            self.fc1, self.fc2 = (
                nn.Linear(dim, ratio * dim),
                nn.Linear(ratio * dim, dim),
            )

        def forward(self, x):
            count, length, _ = x.shape
            qkv = self.qkv(self.norm1(x)).reshape(count, length, 3, heads, -1)
            out = functional.scaled_dot_product_attention(*qkv.permute(2, 0, 3, 1, 4))
            x = x + self.proj(out.transpose(1, 2).reshape(count, length, dim))
            return x + self.fc2(functional.gelu(self.fc1(self.norm2(x))))

    return Block()


def vit(size, dim=768, depth=8, heads=8, patch=16):
    import torch
    from torch import nn

    class ViT(nn.Module):
        def __init__(self):
            super().__init__()
            self.patch = nn.Conv2d(3, dim, patch, patch)
            self.token = nn.Parameter(torch.zeros(1, 1, dim))
            places = (size // patch) ** 2 + 1
            self.place = nn.Parameter(torch.randn(1, places, dim) * 0.02)
            self.blocks = nn.Sequential(
                *(block(dim, heads, 3, False) for _ in range(depth))
            )
            self.norm = nn.LayerNorm(dim)

        def forward(self, x):
            x = self.patch(x).flatten(2).transpose(1, 2)
            x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.place
            return self.norm(self.blocks(x))[:, 0]

    return ViT(), dim


def pit(size):
    import torch
    from torch import nn

    class PiT(nn.Module):
        def __init__(self):
            super().__init__()
            self.patch = nn.Conv2d(3, 64, 16, 8)
            side = (size - 16) // 8 + 1
            self.token = nn.Parameter(torch.zeros(1, 1, 64))
            self.place = nn.Parameter(torch.randn(1, 64, side, side) * 0.02)
            self.stages, self.pools, self.fcs = (nn.ModuleList() for _ in range(3))
            for i, depth in enumerate((2, 6, 4)):
                dim = 64 * 2**i
                own = (block(dim, dim // 32, 4, True) for _ in range(depth))
                self.stages.append(nn.Sequential(*own))
                if i < 2:
                    pool = nn.Conv2d(dim, 2 * dim, 3, 2, 1, groups=dim)
                    self.pools.append(pool)
                    self.fcs.append(nn.Linear(dim, 2 * dim))
            self.norm = nn.LayerNorm(256)

        def forward(self, x):
            x, token = self.patch(x) + self.place, self.token.expand(len(x), -1, -1)
            for i, stage in enumerate(self.stages):
                shape = x.shape
                x = torch.cat([token, x.flatten(2).transpose(1, 2)], 1)
                x = stage(x)
                token, x = x[:, :1], x[:, 1:].transpose(1, 2).reshape(shape)
                if i < 2:
                    x, token = self.pools[i](x), self.fcs[i](token)
            return self.norm(token)[:, 0]

    return PiT(), 256


NETWORKS = {"resnet18": resnet18, "vit_small_timm048": vit, "pit_tiny": pit}


def main():
    name, model, size, batch = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:5])
    if name == "torch":
        run, work = torch_(model, size, batch)
    else:
        run, work = ours(model, size, batch, xla=name == "ours_xla")
    contender.serve(run, batch, work)


if __name__ == "__main__":
    main()

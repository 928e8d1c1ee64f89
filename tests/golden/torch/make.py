"""Wrote the files beside it, once, with PyTorch 2.13.0; tests only read them.

python make.py
"""

import collections
import pathlib

import numpy as np
import torch

here = pathlib.Path(__file__).parent
torch.manual_seed(0)

shared = torch.randn(40)
state = collections.OrderedDict()
state["conv.weight"] = torch.randn(4, 3, 2, 2)
state["turned"] = torch.randn(5, 3).t()
state["every_other"] = torch.arange(24.0).reshape(4, 6)[:, ::2]
state["tied_a"] = shared[:24].reshape(2, 3, 4)
state["tied_b"] = shared[10:40]
state["tied_all"] = shared
state["half"] = torch.randn(3, 2).half()
state["bfloat16"] = torch.randn(7).bfloat16()
state["double"] = torch.randn(3).double()
state["int64"] = torch.tensor(2**40)
state["int32"] = torch.tensor([-5, 7], dtype=torch.int32)
state["int16"] = torch.tensor([-300, 300], dtype=torch.int16)
state["int8"] = torch.tensor([-5, 7], dtype=torch.int8)
state["uint8"] = torch.tensor([0, 255], dtype=torch.uint8)
state["bool"] = torch.tensor([True, False, True])
state["empty"] = torch.zeros(0, 3)
state["parameter"] = torch.nn.Parameter(torch.randn(3, 2))
state["parameter_view"] = torch.nn.Parameter(torch.arange(6.0).reshape(2, 3).t())
state._metadata = collections.OrderedDict(version=1)

model = torch.nn.Linear(2, 3)
optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
model(torch.randn(4, 2)).sum().backward()
optimizer.step()
whole = {
    "model_state": state,
    "optimizer_state": optimizer.state_dict(),
    "epoch": 90,
    "scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 3),
}
modern = {**whole, "model_state": collections.OrderedDict(state)}
modern["model_state"]["uint16"] = torch.tensor([1, 65535], dtype=torch.uint16)
torch.save(modern, here / "zip.pth")
torch.save(whole, here / "legacy.pth", _use_new_zipfile_serialization=False)
torch.save(state, here / "bare.pth")
torch.save(model, here / "whole_model.pth")
torch.save({"w": torch.eye(2).to_sparse()}, here / "sparse.pth")

expected = {}
for name, tensor in modern["model_state"].items():
    tensor = tensor.detach()
    kept = tensor.float() if name == "bfloat16" else tensor
    expected[name] = kept.numpy()
np.savez(here / "expected.npz", **expected)

"""Make `torch_cnn.onnx` as a user of PyTorch would: an ordinary module, exported with its own exporter.

    python tests/nn/models/make_torch.py

Made with PyTorch 2.13 (CPU), `torch.onnx.export(dynamo=True)`. The weights are those of a short training on
scikit-learn's 8x8 digits.
"""

from pathlib import Path

import numpy as np
import onnx
import torch
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(0)
images, labels = load_digits(return_X_y=True)
x = torch.tensor(images.reshape(-1, 1, 8, 8) / 16, dtype=torch.float32)
y = torch.tensor(labels)
model = nn.Sequential(
    nn.Conv2d(1, 6, 3, padding=1),
    nn.BatchNorm2d(6),
    nn.SiLU(),
    nn.AvgPool2d(2),
    nn.Conv2d(6, 8, 3, padding=1, groups=2),
    nn.Dropout(0.1),
    nn.Hardswish(),
    nn.Flatten(),
    nn.Linear(128, 24),
    nn.Sigmoid(),
    nn.Linear(24, 10),
)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, weight_decay=1e-4)
for _ in range(150):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x[:1200]), y[:1200]).backward()
    optimizer.step()
model.eval()
print("accuracy", (model(x[1200:]).argmax(1) == y[1200:]).float().mean().item())
folder = Path(__file__).parent
torch.onnx.export(
    model, (x[:1],), str(folder / "torch_cnn.onnx"), input_names=["image"], external_data=False, dynamo=True
)
np.savez_compressed(folder / "torch_cnn.npz", image=x[:256].numpy())
exported = onnx.load(folder / "torch_cnn.onnx")
for item in (*exported.graph.node, *exported.graph.input, *exported.graph.output, *exported.graph.value_info):
    del item.metadata_props[:]  # stack traces of the exporting machine
del exported.graph.metadata_props[:]
onnx.save(exported, folder / "torch_cnn.onnx")

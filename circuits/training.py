"""What the MNIST training scripts share: data, augmentation, the training loop and the ONNX export.

Needs PyTorch (`pip install torch onnxscript`), which nothing else here does: the trained
models are committed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional as fn


def arguments(description: str) -> argparse.Namespace:
    """`--train` and `--test` name .npz files with `images` uint8 [n, 28, 28] and `labels` uint8 [n]."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--train", type=Path, required=True, help="training images (.npz)")
    parser.add_argument("--test", type=Path, required=True, help="test images (.npz)")
    parser.add_argument("--epochs", type=int, default=120)
    return parser.parse_args()


def load(path: Path) -> tuple[Tensor, Tensor]:
    """Images in [0, 1] as float32 [n, 1, 28, 28], and labels as int64 [n]."""
    data = np.load(path)
    return torch.tensor(data["images"][:, None] / np.float32(255)), torch.tensor(data["labels"].astype(np.int64))


def augment(images: Tensor, strength: float = 1.0) -> Tensor:
    """Random rotation (12 degrees at strength 1), scale, shear, shift (2 pixels) and a smooth displacement."""
    n = len(images)
    angle, scale = (torch.rand(n) - 0.5) * 0.42 * strength, 1 + (torch.rand(n) - 0.5) * 0.24 * strength
    shear, shift = (torch.rand(n) - 0.5) * 0.4 * strength, (torch.rand(n, 2, 1) - 0.5) * 0.28 * strength
    rows = torch.stack([angle.cos(), shear - angle.sin(), angle.sin(), angle.cos()], dim=1).reshape(n, 2, 2)
    grid = fn.affine_grid(
        torch.cat([rows * scale[:, None, None], shift], dim=2), list(images.shape), align_corners=False
    )
    bend = fn.interpolate(
        (torch.rand(n, 2, 5, 5) - 0.5) * 0.22 * strength, size=(28, 28), mode="bicubic", align_corners=True
    )
    return fn.grid_sample(images, grid + bend.permute(0, 2, 3, 1), align_corners=False)


def train(
    model: nn.Sequential,
    activation: type[nn.Module],
    options: argparse.Namespace,
    *,
    reach: float,
    noise: float = 0.0,
    strength: float = 1.0,
) -> float:
    """Train on augmented images and return the accuracy on the test set.

    Encrypted, an activation is a polynomial, whose error grows with the range of its input and reaches the logits
    through the layers behind it. So inputs of an activation outside [-reach, reach] are penalised; Gaussian noise of
    deviation `noise` on its outputs teaches the network to be robust to such errors; and label smoothing keeps the
    logits small.
    """
    torch.manual_seed(1)
    images, labels = load(options.train)
    entering: list[Tensor] = []

    def observe(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        entering.append(inputs[0])
        return output + noise * torch.randn_like(output) if module.training else output

    hooks = [m.register_forward_hook(observe) for m in model.modules() if isinstance(m, activation)]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=5e-3)
    batches = len(images) // 100
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=4e-3, total_steps=options.epochs * batches, pct_start=0.15
    )
    for epoch in range(options.epochs):
        for batch in torch.randperm(len(images)).split(100)[:batches]:
            entering.clear()
            scores = model(augment(images[batch], strength))
            outside = torch.stack([(fn.relu(x.abs() - reach) ** 2).mean() for x in entering]).sum()
            loss = fn.cross_entropy(scores, labels[batch], label_smoothing=0.1) + 50 * outside
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        if epoch % 20 == 19:
            print(f"epoch {epoch + 1}: loss {loss.item():.3f}, test accuracy {accuracy(model, options.test):.4f}")
    for hook in hooks:
        hook.remove()
    return accuracy(model, options.test)


def accuracy(model: nn.Module, path: Path) -> float:
    """Share of the images at `path` that the model classifies rightly."""
    images, labels = load(path)
    model.eval()
    with torch.no_grad():
        right = (model(images).argmax(1) == labels).float().mean().item()
    model.train()
    return right


def export(model: nn.Module, folder: Path, options: argparse.Namespace) -> None:
    """Write `model.onnx` (dynamic batch), 16 test images as samples and 256 training images for calibration."""
    model.eval()
    torch.onnx.export(
        model,
        (torch.zeros(2, 1, 28, 28),),
        str(folder / "model.onnx"),
        input_names=["image"],
        output_names=["scores"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        external_data=False,
        dynamo=True,
    )
    exported = onnx.load(folder / "model.onnx")
    for item in (*exported.graph.node, *exported.graph.input, *exported.graph.output, *exported.graph.value_info):
        del item.metadata_props[:]  # stack traces of the exporting machine
    del exported.graph.metadata_props[:]
    onnx.save(exported, folder / "model.onnx")
    samples(folder, options)


def samples(folder: Path, options: argparse.Namespace) -> None:
    """Write `samples.npz` and `calibration.npz`, keyed by the model's input name."""
    images, labels = load(options.test)
    np.savez_compressed(folder / "samples.npz", image=images[:16].numpy(), label=labels[:16].numpy().astype(np.uint8))
    images, _ = load(options.train)  # evenly spaced: the file may be sorted by label, and ranges need every digit
    spread = images[:: max(1, len(images) // 256)][:256]
    np.savez_compressed(folder / "calibration.npz", image=spread.numpy())

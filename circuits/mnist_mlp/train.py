"""Train the MNIST perceptron: `python -m circuits.mnist_mlp.train --train T.npz --test U.npz --epochs 300`."""

from pathlib import Path

from torch import nn

from circuits import training

if __name__ == "__main__":
    options = training.arguments(__doc__)
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
    )
    accuracy = training.train(model, nn.ReLU, options, reach=1.0, noise=0.22, strength=0.6)
    print(f"test accuracy {accuracy:.4f}")
    training.export(model, Path(__file__).parent, options)

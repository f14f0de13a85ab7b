"""Train the MNIST convolutional network: `python -m circuits.mnist_cnn.train --train T.npz --test U.npz`."""

from pathlib import Path

from torch import nn

from circuits import training

if __name__ == "__main__":
    options = training.arguments(__doc__)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 5, stride=2, padding=2),
        nn.GELU(),
        nn.Conv2d(4, 16, 5, padding=2),
        nn.AvgPool2d(2),
        nn.GELU(),
        nn.Flatten(),
        nn.Linear(784, 64),
        nn.GELU(),
        nn.Linear(64, 10),
    )
    accuracy = training.train(model, nn.GELU, options, reach=2.0)
    print(f"test accuracy {accuracy:.4f}")
    training.export(model, Path(__file__).parent, options)

"""Train a perceptron 64-32-10 with ReLU on scikit-learn's digits: `python -m circuits.digits_mlp.train`."""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from circuits import tabular

if __name__ == "__main__":
    pixels, labels = load_digits(return_X_y=True)
    train, test, train_labels, test_labels = train_test_split(
        pixels / 16, labels, test_size=0.3, random_state=1, stratify=labels
    )
    model = MLPClassifier((32,), alpha=1.0, max_iter=2000, random_state=1).fit(train, train_labels)
    print(f"test accuracy {model.score(test, test_labels):.4f}")
    folder = Path(__file__).parent
    layers = zip(model.coefs_, model.intercepts_, ("Relu", ""), strict=True)
    tabular.write(folder, list(layers), output="scores")
    tabular.samples(folder, train, test, test_labels.astype(np.int64))

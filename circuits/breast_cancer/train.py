"""Train a logistic regression on scikit-learn's breast cancer data: `python -m circuits.breast_cancer.train`.

The standardisation of the 30 features is folded into the weights, so the model takes them as they are measured.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from circuits import tabular

if __name__ == "__main__":
    features, labels = load_breast_cancer(return_X_y=True)
    train, test, train_labels, test_labels = train_test_split(
        features, labels, test_size=0.3, random_state=1, stratify=labels
    )
    scaler = StandardScaler().fit(train)
    model = LogisticRegression(C=0.1, max_iter=1000).fit(scaler.transform(train), train_labels)
    print(f"test accuracy {model.score(scaler.transform(test), test_labels):.4f}")
    weight = (model.coef_ / scaler.scale_).T
    bias = model.intercept_ - scaler.mean_ @ weight
    folder = Path(__file__).parent
    tabular.write(folder, [(weight, bias, "Sigmoid")], output="probability")
    tabular.samples(folder, train, test, test_labels.astype(np.int64))

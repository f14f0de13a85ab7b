"""Make `sklearn_mlp.onnx` as a user of scikit-learn would: train, convert with skl2onnx, save.

    python tests/nn/models/make_sklearn.py

Made with scikit-learn 1.9 and skl2onnx 1.20.
"""

from pathlib import Path

import numpy as np
from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

x, y = load_iris(return_X_y=True)
x = x.astype(np.float32)
model = make_pipeline(StandardScaler(), MLPClassifier((16, 8), activation="tanh", max_iter=800, random_state=0)).fit(
    x, y
)
exported = to_onnx(model, x[:1], options={"zipmap": False})
folder = Path(__file__).parent
(folder / "sklearn_mlp.onnx").write_bytes(exported.SerializeToString())
np.savez_compressed(folder / "sklearn_mlp.npz", X=x)

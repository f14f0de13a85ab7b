"""ONNX operators, one a file."""

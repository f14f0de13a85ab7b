"""Neural networks: ONNX import, the graph IR, operators, passes and lowering."""

"""The CUDA engine: the kernels of native/cuda behind the Engine protocol."""

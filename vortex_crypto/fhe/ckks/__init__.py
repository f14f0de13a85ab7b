"""An RNS-CKKS scheme over the ring kernels of any engine."""

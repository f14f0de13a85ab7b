"""BN254: prime fields, curves, transforms, multi-scalar multiplication and pairing."""

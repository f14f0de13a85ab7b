"""Compile a neural network once, then run it on encrypted data, with a proof, or in the clear."""

__version__ = "0.1.0"

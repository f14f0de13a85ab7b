"""Compile a neural network once, then run it on encrypted data, with a proof, or in the clear."""

from vortex_crypto.api import Program, compile, compile_zk, inspect, load, plan
from vortex_crypto.arith.engine import using

__version__ = "0.1.0"
__all__ = ["Program", "compile", "compile_zk", "inspect", "load", "plan", "using"]

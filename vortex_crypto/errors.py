"""Every error this package raises on purpose.

Messages name the user's object (an ONNX node, a file, a slot), say what was expected and what to do next. Nothing else
returns a bool for failure, save the verifier: a well-formed wrong proof is `False`, malformed input raises.
"""

from __future__ import annotations


class VortexError(Exception):
    """Base of all errors raised on purpose; the command line prints its text and exits with 1."""


class InvalidModel(VortexError):
    """The ONNX file is damaged, too large, or reaches outside its folder."""


class UnsupportedOp(VortexError):
    """An operator, or a use of one, that the chosen target cannot express."""

    def __init__(self, node: str, op_type: str, reason: str, remedy: str = "") -> None:
        self.node, self.op_type, self.reason, self.remedy = node, op_type, reason, remedy
        super().__init__(f"node {node!r} ({op_type}): {reason}" + (f" {remedy}" if remedy else ""))


class ShapeMismatch(VortexError):
    """Shapes or types that do not fit an operator."""


class InvalidGraph(VortexError):
    """A graph that breaks its own rules; raised by `Graph.verify`, so a pass is at fault, not the user."""


class InvalidInput(VortexError):
    """Data given to a program that does not fit it."""


class GarbledAnswer(VortexError):
    """A decryption that cannot be the program's answer: a value left its range on the way, or other bytes came back."""


class ParameterRefused(VortexError):
    """A parameter set that cannot work; `reason` is a short fixed word."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class InsecureParameters(ParameterRefused):
    """A parameter set below 128-bit security, and the user did not say `--insecure`."""

    def __init__(self, message: str) -> None:
        super().__init__("insecure", message)


class OutOfLevels(VortexError):
    """A circuit deeper than its modulus chain."""

    def __init__(self, origin: str, needed: int, have: int) -> None:
        self.origin, self.needed, self.have = origin, needed, have
        super().__init__(
            f"{origin or 'the circuit'} needs {needed} levels and {have} are left; "
            "raise the ring degree, lower the precision, or allow bootstrapping"
        )


class MissingKey(VortexError):
    """A rotation or relinearisation whose key was not generated."""


class MalformedArtefact(VortexError):
    """A file or message that is truncated, altered, too large, or of another kind or version."""


class ArtefactMismatch(VortexError):
    """A sound artefact that belongs to another program or other keys."""


class MissingDependency(VortexError):
    """An optional package that the chosen path needs and this installation lacks."""


class Unsatisfied(VortexError):
    """A witness that breaks a constraint; the message names the constraint's origin."""


class MalformedProof(MalformedArtefact):
    """A proof, key or point that is not validly encoded."""

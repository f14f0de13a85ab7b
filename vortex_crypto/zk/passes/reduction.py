"""What a pass over a constraint system returns: the smaller system, and which wires of the larger one it kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vortex_crypto.zk.r1cs import R1cs

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, eq=False)
class Reduction:
    """A system equivalent to another one: a witness w of that one fits this one as `w[wires]`.

    Attributes:
        r1cs: the reduced system.
        wires: int64, ascending: the kept wires of the original.
    """

    r1cs: R1cs
    wires: Array

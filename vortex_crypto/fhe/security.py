"""How large a modulus may be at 128-bit security: the one table, with its sources.

Uniform ternary secrets: Bossuat et al., "Security Guidelines for Implementing Homomorphic Encryption" (ia.cr/2024/463),
128 bits against classical attacks, error of standard deviation 3.2. The largest ring degree is the extension of the
same method that OpenFHE ships.

Sparse secrets have no such guideline. The caps are those of parameter sets published and re-examined by their authors:
Lattigo's bootstrapping sets `N16QP1553H192H32` and `N15QP768H192H32` for weight 192, and for the ephemeral secret of
weight 32 that exists at the lowest modulus alone, "Bootstrapping for Approximate Homomorphic Encryption with Negligible
Failure-Probability by Using Sparse-Secret Encapsulation" (ia.cr/2022/024) as Lattigo's manual applies it at 2^16, and
q0*p of `N15QP768H192H32` at 2^15. A weight between two rows takes the lighter row, so the cap errs on the safe side.
"""

from __future__ import annotations

from typing import Literal

Secret = Literal["ternary"] | int
"""Distribution of a secret: uniform over {-1, 0, 1}, or ternary of that Hamming weight."""

ERROR_DEVIATION = 3.2
SECURITY_BITS = 128
TERNARY_MAX_LOG_QP = {10: 26, 11: 53, 12: 106, 13: 214, 14: 430, 15: 868, 16: 1747, 17: 3523}
SPARSE_MAX_LOG_QP = {(16, 192): 1553, (15, 192): 768, (16, 32): 121, (15, 32): 84}


def max_log_qp(log_n: int, secret: Secret) -> int:
    """Largest log2 of a modulus at which that secret keeps 128 bits in degree 2^log_n; 0 where no table says so."""
    dense = TERNARY_MAX_LOG_QP.get(log_n, 0)
    if secret == "ternary":
        return dense
    caps = [cap for (degree, weight), cap in SPARSE_MAX_LOG_QP.items() if degree == log_n and weight <= secret]
    return min(max(caps, default=0), dense)


def citation(secret: Secret) -> str:
    """Where the cap of `max_log_qp` comes from, in a few words for reports."""
    if secret == "ternary":
        return "ia.cr/2024/463, uniform ternary secret, 128 bits classical"
    return f"published sets for sparse secrets (Lattigo; ia.cr/2022/024), weight {secret}"

"""The manifest of ring kernels: each listed once, with its definition."""

from __future__ import annotations

from vortex_crypto.arith.engine import Kernel
from vortex_crypto.arith.ring.reference import ReferenceRing as Ring

_POLY, _PAIR = "u64[..,L,N]", "u64[2,L,N]"
_RESIDUES = "[0, q) -> [0, q)"

KERNELS: tuple[Kernel, ...] = (
    Kernel("ntt", f"{_POLY} -> {_POLY}", _RESIDUES, Ring.ntt),
    Kernel("intt", f"{_POLY} -> {_POLY}", _RESIDUES, Ring.intt),
    Kernel("add", f"{_POLY}, {_POLY} -> {_POLY}", _RESIDUES, Ring.add),
    Kernel("sub", f"{_POLY}, {_POLY} -> {_POLY}", _RESIDUES, Ring.sub),
    Kernel("negate", f"{_POLY} -> {_POLY}", _RESIDUES, Ring.negate),
    Kernel("multiply", f"{_POLY}, {_POLY} -> {_POLY}", _RESIDUES, Ring.multiply),
    Kernel("multiply_add", f"{_POLY}, {_POLY}, {_POLY} -> {_POLY}", _RESIDUES, Ring.multiply_add),
    Kernel("tensor", f"{_PAIR}, {_PAIR} -> u64[3,L,N]", _RESIDUES, Ring.tensor),
    Kernel("tensor_sum", f"k x ({_PAIR}, {_PAIR}) -> u64[3,L,N]", _RESIDUES, Ring.tensor_sum),
    Kernel("add_scalar", f"{_POLY}, int[L] -> {_POLY}", _RESIDUES, Ring.add_scalar),
    Kernel("multiply_scalar", f"{_POLY}, int[L] -> {_POLY}", _RESIDUES, Ring.multiply_scalar),
    Kernel("automorphism", f"{_POLY}, odd g -> {_POLY}", _RESIDUES, Ring.automorphism),
    Kernel("extend", "u64[..,S,N] -> u64[..,T,N]", _RESIDUES, Ring.extend),
    Kernel("mod_down", "u64[..,L,N], count -> u64[..,L-count,N]", _RESIDUES, Ring.mod_down),
    Kernel("reduce_signed", "i64[..,N] -> u64[..,L,N]", "any -> [0, q)", Ring.reduce_signed),
    Kernel("is_reduced", f"{_POLY} -> bool", "any", Ring.is_reduced),
    Kernel("decompose", "u64[L,N] -> u64[d,L+K,N]", _RESIDUES, Ring.decompose),
    Kernel("key_switch_inner", f"u64[d,L,N], u64[>=d,2,L',N], odd g -> {_PAIR}", _RESIDUES, Ring.key_switch_inner),
    Kernel("key_switch", "u64[L,N], u64[>=d,2,L',N], odd g -> u64[2,L-drop,N]", _RESIDUES, Ring.key_switch),
    Kernel("weighted_sums", "G x B of u64[L,M], B of u64[c,L,N] -> u64[G,c,L,N]", _RESIDUES, Ring.weighted_sums),
    Kernel("special_fft", "c128[..,n] -> c128[..,n]", "error < 2^-48 max", Ring.special_fft, exact=False),
    Kernel("special_ifft", "c128[..,n] -> c128[..,n]", "error < 2^-48 max", Ring.special_ifft, exact=False),
    Kernel("special_fft_extended", "c128[..,2,n] -> same", "error < 2^-96 max", Ring.special_fft_extended, exact=False),
    Kernel(
        "special_ifft_extended", "c128[..,2,n] -> same", "error < 2^-96 max", Ring.special_ifft_extended, exact=False
    ),
    Kernel(
        "round_to_residues",
        "f64[..,N] x 2, scale -> u64[..,L,N]",
        "|x scale| < 2^120 -> [0, q)",
        Ring.round_to_residues,
    ),
    Kernel("lift_to_floats", "u64[..,L,N] -> f64[..,N] x 2", "[0, q) -> (-Q/2, Q/2]", Ring.lift_to_floats),
    Kernel("expand_uniform", "seed, stream -> u64[L,N]", "[0, q)", Ring.expand_uniform),
    Kernel("sample_ternary", "seed, stream -> i64[N]", "{-1, 0, 1}", Ring.sample_ternary),
    Kernel("sample_sparse_ternary", "seed, stream, weight -> i64[N]", "{-1, 0, 1}", Ring.sample_sparse_ternary),
    Kernel("sample_gaussian", "seed, stream -> i64[N]", "|x| <= 29", Ring.sample_gaussian),
)

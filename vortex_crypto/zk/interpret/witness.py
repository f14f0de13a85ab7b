"""Solving: from inputs to the value of every wire, in whole arrays, pausing where the challenges are drawn."""

from __future__ import annotations

import hashlib
import numbers
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from vortex_crypto.arith.field.kernels import FieldKernels
from vortex_crypto.errors import InvalidInput, Unsatisfied
from vortex_crypto.zk import gadgets, hints
from vortex_crypto.zk.field import MODULUS, Scalars, as_int, default_kernels, from_ints, to_ints, to_plain_ints
from vortex_crypto.zk.linear import Linear
from vortex_crypto.zk.plan import Chain, Draw, Evaluate, Expect, Hint, Product, Program
from vortex_crypto.zk.r1cs import R1cs

Array = np.ndarray[Any, np.dtype[Any]]

Challenges = Callable[[Array], Sequence[int]]
"""From the wires solved so far, uint64 [n_wires, 4], to the challenges."""


def solve(
    program: Program,
    inputs: Mapping[str, Any],
    *,
    challenges: Challenges | None = None,
    masks: Mapping[str, int] | None = None,
    replace: Mapping[str, hints.Function] | None = None,
    strict: bool = True,
    kernels: FieldKernels | None = None,
    threads: int = 0,
) -> Array:
    """The witness, uint64 [n_wires, 4] in Montgomery form.

    Args:
        program: what to solve.
        inputs: integers for each given signal, of its shape; or `Scalars`, as many.
        challenges: draws the challenges; by default they are a digest of the public and committed wires, which serves
            checks and audits, while a prover hashes the commitments.
        masks: the hiding value of a commitment, by its name; drawn from the operating system where missing.
        replace: hints to use in place of the registered ones, by name; for trying to cheat.
        strict: refuse values that break a range when they appear, by name, instead of leaving them to the constraints.
        kernels: the engine.
        threads: threads for the kernels, 0 for one a processor.

    Raises:
        InvalidInput: an input is missing, unknown, of another shape, or not of integers.
        Unsatisfied: `strict`, and a value lies outside of the range its origin allows.
    """
    kernels = kernels or default_kernels()
    n_wires = program.r1cs.n_wires
    witness = np.zeros((n_wires + program.n_scratch, 4), dtype=np.uint64)
    witness[0] = from_ints([1], kernels)[0]
    place_inputs(program, inputs, witness, kernels)
    for commitment, wires in zip(program.r1cs.commitments, program.r1cs.committed, strict=True):
        value = (masks or {}).get(commitment.name)
        value = secrets.randbelow(MODULUS) if value is None else value
        witness[wires[-1]] = from_ints([value], kernels)[0]
    functions = {**_functions(program), **(replace or {})}
    for step in program.steps:
        if isinstance(step, Hint):
            _run_hint(step, functions, witness, kernels, threads)
        elif isinstance(step, Evaluate):
            witness[step.wires] = evaluate(step.values, witness, kernels, threads=threads)
        elif isinstance(step, Product | Chain):
            witness = _run_products(step, program.r1cs, witness, kernels, threads)
        elif isinstance(step, Expect):
            if strict:
                _expect(step, witness, kernels, threads)
        elif isinstance(step, Draw):
            draw = challenges or (lambda w: digest_challenges(program, w))
            start = 1 + program.r1cs.n_public
            drawn = list(draw(witness[:n_wires]))
            witness[start : start + len(drawn)] = from_ints(np.array(drawn, dtype=object), kernels)
    return witness[:n_wires]


def _run_products(step: Product | Chain, r1cs: R1cs, witness: Array, kernels: FieldKernels, threads: int) -> Array:
    a, b = (m.slice(step.start, step.stop) for m in (r1cs.a, r1cs.b))
    if isinstance(step, Chain):
        left, right = ((m.indptr, m.indices, m.values) for m in (a, b))
        return kernels.products_in_order(left, right, step.wires, witness, threads=threads)
    factors = (m.times(witness, kernels, threads=threads) for m in (a, b))
    witness[step.wires] = kernels.fr.mul(*factors, threads=threads)
    return witness


def outputs(program: Program, witness: Array, kernels: FieldKernels | None = None) -> dict[str, Array]:
    """The exposed signals, as centred integers of their shapes."""
    kernels = kernels or default_kernels()
    exposed = [signal for signal in program.signals if not signal.given]
    return {s.name: to_ints(witness[s.wires], kernels).reshape(s.shape) for s in exposed}


def public_values(program: Program, witness: Array, kernels: FieldKernels | None = None) -> list[int]:
    """The public wires' values in [0, r), in order: what a verifier is given."""
    return to_plain_ints(witness[1 : 1 + program.r1cs.n_public], kernels or default_kernels())


def digest_challenges(program: Program, witness: Array) -> list[int]:
    """Challenges that depend on every public and committed wire."""
    fixed = hashlib.sha256(witness[: 1 + program.r1cs.n_public].tobytes())
    fixed.update(witness[program.r1cs.n_statement : program.r1cs.first_private].tobytes())
    seed = fixed.digest()
    draw = (hashlib.sha512(seed + bytes([k])).digest() for k in range(program.r1cs.n_challenges))
    return [int.from_bytes(value, "big") % MODULUS for value in draw]


def evaluate(x: Linear, witness: Array, kernels: FieldKernels, *, threads: int = 0) -> Array:
    """The values of linear combinations, uint64 [size, 4]."""
    if x.is_wires:
        return witness[x.wires]
    product = kernels.csr_times_vector if x.coefficients.ndim == 2 else kernels.csr_int64_times_vector
    return product(x.indptr, x.wires, x.coefficients, witness, threads=threads)


def place_inputs(program: Program, inputs: Mapping[str, Any], witness: Array, kernels: FieldKernels) -> None:
    """Write the inputs to their wires; raises as `solve`."""
    given = {signal.name: signal for signal in program.signals if signal.given}
    if set(given) != set(inputs):
        raise InvalidInput(f"{program.name} takes the inputs {sorted(given)}, and {sorted(inputs)} are given")
    for name, signal in given.items():
        # Not asarray: NumPy would make floats of [2**63, -1].
        raw = inputs[name]
        if isinstance(raw, Scalars):
            witness[signal.wires] = _ready(name, raw.elements, len(signal.wires), kernels)
            continue
        values = raw if isinstance(raw, np.ndarray) else np.array(raw, dtype=object)
        if values.shape != signal.shape:
            raise InvalidInput(f"input {name!r} has shape {values.shape}; {signal.shape} is expected")
        if values.dtype.kind not in "biuO" or not all(isinstance(v, numbers.Integral) for v in _objects(values)):
            raise InvalidInput(f"input {name!r} must hold integers, not {values.dtype}")
        witness[signal.wires] = from_ints(values, kernels)


def _ready(name: str, elements: Array, size: int, kernels: FieldKernels) -> Array:
    if elements.dtype != np.uint64 or elements.shape != (size, 4) or not kernels.fr.is_canonical(elements).all():
        raise InvalidInput(f"input {name!r} must hold {size} reduced elements, uint64 [{size}, 4]")
    return elements


def _objects(values: Array) -> Sequence[Any]:
    return values.reshape(-1).tolist() if values.dtype == object else ()


def _functions(program: Program) -> Mapping[str, hints.Function]:
    """The registered hints; a program read from a file may call those of gadgets that nothing imported yet."""
    if any(isinstance(step, Hint) and step.name not in hints.HINTS for step in program.steps):
        for name in gadgets.ROSTER:
            gadgets.load(name)
    return hints.HINTS


def _run_hint(
    step: Hint, functions: Mapping[str, hints.Function], witness: Array, kernels: FieldKernels, threads: int
) -> None:
    if step.name not in functions:
        raise InvalidInput(f"{step.origin}: no hint is registered as {step.name!r}")
    values = [evaluate(x, witness, kernels, threads=threads) for x in step.inputs]
    results = functions[step.name](kernels, values, **step.parameters)
    for wires, result in zip(step.outputs, results, strict=True):
        is_field = result.dtype == np.uint64 and result.ndim == 2
        witness[wires] = result if is_field else from_ints(result, kernels)


def _expect(step: Expect, witness: Array, kernels: FieldKernels, threads: int) -> None:
    values = evaluate(step.values, witness, kernels, threads=threads)
    plain = kernels.fr.from_montgomery(values, threads=threads)
    limb, bits = divmod(step.bits, 64)
    above = plain[:, limb + 1 :].any(axis=1)
    if limb < 4:
        above |= plain[:, limb] >> np.uint64(bits) != 0
    if above.any():
        k = int(np.argmax(above))
        value = as_int(kernels.fr.to_montgomery(plain[k : k + 1])[0])
        value = value - MODULUS if value > MODULUS // 2 else value
        raise Unsatisfied(f"{step.origin}: element {k} is {value}, outside of [0, 2^{step.bits})")

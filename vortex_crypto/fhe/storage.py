"""Circuits as container metadata and arrays, and back, with everything from outside checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from vortex_crypto.container import Array
from vortex_crypto.errors import InvalidGraph, InvalidInput, MalformedArtefact
from vortex_crypto.fhe.circuit import (
    Body,
    Bootstrap,
    Chebyshev,
    Circuit,
    Constant,
    Instruction,
    LinearTransform,
    Op,
    Plain,
)
from vortex_crypto.fhe.ckks.bootstrapping import Bootstrapping
from vortex_crypto.fhe.ckks.eval_mod import EvalMod
from vortex_crypto.fhe.params import MAX_CHAIN

MAX_INSTRUCTIONS = 1 << 21
MAX_CONSTANT_BYTES = 8 << 30
SETTINGS_LIMITS = {
    "slots": (4, 1 << 16),
    "to_coefficients": (1, 16),
    "to_slots": (1, 16),
    "bound": (1, 512),
    "degree": (1, 1023),
    "doublings": (0, 8),
    "arcsine": (0, 63),
    "weight": (1, 1 << 10),
    "log_ratio": (1, 60),
    "memory": (0, 1 << 50),
    "spare_bits": (0, 60),
}
"""Ranges of the settings of bootstrapping that a file may name; what is larger takes long to prepare."""
MAX_BABIES = 1 << 16
_OTHER_SETTINGS = ("babies", "slots_first", "spread")


def to_arrays(circuit: Circuit) -> tuple[dict[str, Any], dict[str, Array]]:
    """(metadata, arrays): a row an instruction, and one array for all constants of a length and type."""
    origins = list(dict.fromkeys(i.origin for i in circuit.instructions))
    number = {origin: n for n, origin in enumerate(origins)}
    groups: dict[str, list[Array]] = {}
    places = []
    for constant in circuit.constants:
        repeat = _repeat(constant)
        group = f"constants/{'complex' if np.iscomplexobj(constant) else 'real'}/{constant.size // repeat}x{repeat}"
        groups.setdefault(group, []).append(constant[::repeat])
        places.append(group)
    names = list(groups)
    meta = {
        "slots": circuit.slots,
        "wires": circuit.wires,
        "origins": origins,
        "bounds": circuit.bounds,
        "steps": None if circuit.steps is None else list(circuit.steps),
        "promises": [[wire, bound] for wire, bound in sorted(circuit.promises.items())],
        "outputs": [list(output) for output in circuit.outputs],
        "constants": names,
        "instructions": [_row(i, number) for i in circuit.instructions],
    }
    arrays: dict[str, Array] = {name: np.stack(group) for name, group in groups.items()}
    arrays["constants"] = np.asarray([names.index(place) for place in places], np.uint32)
    return meta, arrays


def from_arrays(meta: Mapping[str, Any], arrays: Mapping[str, Array]) -> Circuit:
    """The inverse of `to_arrays`: a frozen circuit.

    Raises:
        MalformedArtefact: what is given is no circuit; the text says why.
    """
    try:
        return _parsed(meta, arrays)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise MalformedArtefact(f"the circuit cannot be read: {type(error).__name__} ({error})") from error
    except (InvalidGraph, InvalidInput) as error:
        raise MalformedArtefact(f"the circuit breaks its grammar: {error}") from error


def _parsed(meta: Mapping[str, Any], arrays: Mapping[str, Array]) -> Circuit:
    circuit = Circuit(meta["slots"])
    rows, wires = meta["instructions"], meta["wires"]
    if type(wires) is not int or not 0 <= wires <= 4 * MAX_INSTRUCTIONS or len(rows) > MAX_INSTRUCTIONS:
        raise MalformedArtefact(f"a circuit of {len(rows)} instructions and {wires} wires is over the limit")
    circuit.wires = wires
    circuit.constants = _constants(meta["constants"], arrays, circuit.slots)
    circuit.bounds = {str(name): float(bound) for name, bound in meta["bounds"].items()}
    if meta["steps"] is not None:
        circuit.steps = tuple(int(step) for step in meta["steps"])
    if sum(max(row[2][1], 0) for row in rows) > wires:
        raise MalformedArtefact(f"the instructions of a circuit have more results than its {wires} wires")
    circuit.instructions = [_instruction(row, meta["origins"]) for row in rows]
    circuit.outputs = [(str(name), int(wire)) for name, wire in meta["outputs"]]
    circuit.promises = {int(wire): float(bound) for wire, bound in meta["promises"]}
    return circuit.freeze()


def _constants(names: list[str], arrays: Mapping[str, Array], slots: int) -> list[Array]:
    used = dict.fromkeys(names, 0)
    repeats = {name: int(name.rpartition("x")[2]) for name in names}
    constants, held = list[Array](), 0
    for place in arrays["constants"]:
        name = names[place]
        group, repeat = arrays[name], repeats[name]
        fits = group.ndim == 2 and group.size > 0 and 1 <= repeat <= slots and slots % (group.shape[1] * repeat) == 0
        if not fits or group.dtype not in (np.float64, np.complex128):
            raise MalformedArtefact(f"section {name!r} holds no plaintext vectors of {slots} slots")
        held += group.shape[1] * repeat * group.itemsize
        if held > MAX_CONSTANT_BYTES:
            raise MalformedArtefact(f"the circuit's plaintext vectors take more than {MAX_CONSTANT_BYTES} bytes")
        constants.append(np.repeat(group[used[name]], repeat) if repeat > 1 else group[used[name]])
        used[name] += 1
    for name in names:
        if not np.isfinite(arrays[name]).all():
            raise MalformedArtefact(f"section {name!r} holds numbers that are not finite")
    return constants


def _repeat(vector: Array) -> int:
    """The largest power of two of times that every entry stands beside itself (one feature of many samples)."""
    repeat = 1
    while vector.size % (2 * repeat) == 0 and (vector[:: 2 * repeat] == vector[repeat :: 2 * repeat]).all():
        repeat *= 2
    return repeat


def _row(i: Instruction, origins: Mapping[str, int]) -> list[Any]:
    outs = [i.outs[0], len(i.outs)]
    body: Any = None
    if isinstance(i.body, Chebyshev):
        body = list(i.body.coefficients)
    if isinstance(i.body, Bootstrap):
        body = i.body.log_bound
    if isinstance(i.body, LinearTransform):
        body = [[[[k, _packed(p)] for k, p in block] for block in row] for row in i.body.blocks]
    return [int(i.op), list(i.args), outs, origins[i.origin], i.step, _packed(i.plain), i.level, body, i.name]


def _instruction(row: list[Any], origins: list[str]) -> Instruction:
    op, args, (first, count), origin, step, plain, level, body, name = row
    if not all(type(n) is int for n in (op, first, count, origin, step, *args)) or type(level) not in (int, type(None)):
        raise MalformedArtefact("an instruction of the circuit holds something else than integers")
    if not 0 <= count <= MAX_INSTRUCTIONS or origin < 0:
        raise MalformedArtefact(f"an instruction of the circuit has {count} results")
    return Instruction(
        Op(op),
        tuple(args),
        tuple(range(first, first + count)),
        str(origins[origin]),
        step,
        _unpacked(plain),
        level,
        _body(Op(op), body),
        str(name),
    )


def _body(op: Op, body: Any) -> Body | None:
    if op is Op.POLYNOMIAL:
        return Chebyshev(tuple(float(c) for c in body))
    if op is Op.BOOTSTRAP:
        if type(body) is not int:
            raise MalformedArtefact("a bootstrap of the circuit has no bound")
        return Bootstrap(body)
    if op is Op.LINEAR_TRANSFORM:
        return LinearTransform(
            tuple(tuple(tuple((int(k), _entries(p)) for k, p in block) for block in row) for row in body)
        )
    if body is not None:
        raise MalformedArtefact(f"a {op.name} of the circuit has a body")
    return None


def _packed(plain: Plain | None) -> Any:
    if isinstance(plain, Constant):
        return plain.index
    return [plain.real, plain.imag] if isinstance(plain, complex) else plain


def _unpacked(plain: Any) -> Plain | None:
    if type(plain) is int:
        return Constant(plain)
    if isinstance(plain, list):
        real, imaginary = plain
        return complex(real, imaginary)
    return None if plain is None else float(plain)


def _entries(plain: Any) -> Plain:
    value = _unpacked(plain)
    if value is None:
        raise MalformedArtefact("a diagonal of the circuit has no entries")
    return value


def settings_to_meta(settings: Bootstrapping) -> dict[str, Any]:
    """How to bootstrap, as msgpack-able values."""
    babies = settings.babies
    outer = {
        "babies": list(babies) if isinstance(babies, tuple) else babies,
        "slots_first": settings.slots_first,
        "spread": settings.spread,
    }
    named = {**vars(settings.eval_mod), **vars(settings)}
    return {**{name: int(named[name]) for name in SETTINGS_LIMITS}, **outer}


def settings_from_meta(meta: Any) -> Bootstrapping:
    """The inverse of `settings_to_meta`, for values from outside.

    Raises:
        MalformedArtefact: a setting is missing, unknown, or out of its range.
    """
    if not isinstance(meta, Mapping) or set(meta) != {*SETTINGS_LIMITS, *_OTHER_SETTINGS}:
        raise MalformedArtefact(f"bootstrapping has the settings {sorted({*SETTINGS_LIMITS, *_OTHER_SETTINGS})}")
    for name, (least, most) in SETTINGS_LIMITS.items():
        if type(meta[name]) is not int or not least <= meta[name] <= most:
            raise MalformedArtefact(f"bootstrapping: {name} is an integer in {least}..{most}, not {meta[name]!r}")
    babies = meta["babies"]
    each = babies if isinstance(babies, list) else [1 if babies is None else babies]
    if len(each) > MAX_CHAIN or not all(type(b) is int and 1 <= b <= MAX_BABIES for b in each):
        raise MalformedArtefact(f"bootstrapping: baby steps are integers in 1..{MAX_BABIES}, not {babies!r}")
    inner = {f.name: meta[f.name] for f in fields(EvalMod)}
    return Bootstrapping(
        meta["slots"],
        meta["to_coefficients"],
        meta["to_slots"],
        EvalMod(**inner),
        tuple(each) if isinstance(babies, list) else babies,
        meta["memory"],
        bool(meta["slots_first"]),
        bool(meta["spread"]),
        meta["spare_bits"],
    )

"""Powers: x^n by squaring, and all of 1, x, …, x^n; no hints."""

from __future__ import annotations

from vortex_crypto.errors import InvalidInput
from vortex_crypto.zk.circuit import Circuit
from vortex_crypto.zk.gadgets.gadget import Cheat, Sample
from vortex_crypto.zk.linear import Linear, Operand, linear, stack


def power(c: Circuit, x: Operand, exponent: int) -> Linear:
    """x^exponent for exponent >= 1, by binary powering: at most 2·log2(exponent) constraints."""
    if exponent < 1:
        raise InvalidInput(f"the exponent is {exponent}; it must be at least 1")
    base = linear(x)
    result = base
    for bit in bin(exponent)[3:]:
        result = c.mul(result, result)
        if bit == "1":
            result = c.mul(result, base)
    return result


def powers(c: Circuit, x: Linear, count: int) -> Linear:
    """1, x, …, x^(count-1) along a new last axis; count - 2 constraints."""
    found = [c.one.broadcast_to(x.shape), x][:count]
    while len(found) < count:
        found.append(c.mul(found[-1], x))
    return stack(found, axis=-1)


def samples() -> tuple[Sample, ...]:
    """Small exponents."""

    def some(c: Circuit) -> None:
        x = c.private("x")
        c.expose("fifth", power(c, x, 5))
        c.expose("thirteenth", power(c, x, 13))
        c.expose("first", power(c, x, 1))
        c.expose("all", powers(c, x, 5))

    def truth(x: int) -> dict[str, object]:
        return {"fifth": x**5, "thirteenth": x**13, "first": x, "all": [x**i for i in range(5)]}

    return (Sample("some", some, tuple(({"x": x}, truth(x)) for x in (0, 1, -1, 2, 7, -11))),)


def cheats() -> tuple[Cheat, ...]:
    """None: the gadget has no hint."""
    return ()

"""Bits and logic: b·(1 - b) = 0; and, or, xor, select cost one constraint each, not costs none."""

from __future__ import annotations

from vortex_crypto.zk.circuit import Circuit
from vortex_crypto.zk.gadgets.gadget import Cheat, Sample
from vortex_crypto.zk.linear import Linear, Operand, linear


def assert_boolean(c: Circuit, x: Operand) -> None:
    """Each value is 0 or 1; one constraint each."""
    c.assert_mul(x, 1 - linear(x), 0)


def both(c: Circuit, a: Operand, b: Operand) -> Linear:
    """a and b, for bits."""
    return c.mul(a, b)


def either(c: Circuit, a: Operand, b: Operand) -> Linear:
    """a or b, for bits."""
    return linear(a) + linear(b) - c.mul(a, b)


def differ(c: Circuit, a: Operand, b: Operand) -> Linear:
    """a xor b, for bits."""
    return linear(a) + linear(b) - c.mul(a, b) * 2


def negate(a: Operand) -> Linear:
    """not a, for bits."""
    return 1 - linear(a)


def select(c: Circuit, condition: Operand, yes: Operand, no: Operand) -> Linear:
    """`yes` where the bit is one and `no` where it is zero."""
    return linear(no) + c.mul(condition, linear(yes) - linear(no))


def samples() -> tuple[Sample, ...]:
    """Every pair of bits."""

    def logic(c: Circuit) -> None:
        a, b = c.private("a"), c.private("b")
        assert_boolean(c, a)
        assert_boolean(c, b)
        c.expose("and", both(c, a, b))
        c.expose("or", either(c, a, b))
        c.expose("xor", differ(c, a, b))
        c.expose("nand", negate(both(c, a, b)))
        c.expose("select", select(c, a, 7, b))

    def truth(a: int, b: int) -> dict[str, int]:
        return {"and": a & b, "or": a | b, "xor": a ^ b, "nand": 1 - (a & b), "select": 7 if a else b}

    accepted = tuple(({"a": a, "b": b}, truth(a, b)) for a in (0, 1) for b in (0, 1))
    return (Sample("logic", logic, accepted, ({"a": 2, "b": 0}, {"a": 0, "b": -1})),)


def cheats() -> tuple[Cheat, ...]:
    """None: the gadget has no hint."""
    return ()

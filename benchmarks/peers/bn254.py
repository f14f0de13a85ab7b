"""The peers of the field kernels on BN254: mcl in this process, gnark-crypto in programs of its own.

mcl is that of the wheel `mclbn256`, switched from the curve it starts with to `CurveSNARK1`, which is BN254.
gnark-crypto is what `GNARK_BENCH` names: one program or several, parted by colons, built from `benchmarks/peers/gnark`
(see docs/kernels.md). It runs without AVX-512, which mcl knows nothing of. All times are processor seconds.
"""

from __future__ import annotations

import ctypes
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from benchmarks.harness import Row, note
from benchmarks.peers import Piped

LEAST_SECONDS = 0.02
"""Kernels that take less are called several times a turn."""
MCL_LARGEST_SUM = 1 << 16
MCL_CURVE, MCL_LIMBS = 4, 44
G1_GENERATOR = b"1 1 2"
G2_GENERATOR = (
    b"1 10857046999023057135944570762232829481370756359578518086990519993285655852781 "
    b"11559732032986387107991004021392285783925812861821192530917403151452391805634 "
    b"8495653923123431417604973247489272438418190587263600148770280649306958101930 "
    b"4082367875863433681332203403145435568316851327593401208105741076214120093531"
)


class Mcl:
    """mcl on BN254. Its functions are called by name; the wheel's own classes hold what they work on."""

    label = "mcl (mclbn256) on BN254"

    def __init__(self) -> None:
        import mclbn256

        self._module = mclbn256
        self._lib = getattr(mclbn256.mclbn256, "lib", mclbn256.mclbn256)
        if self._lib.mclBn_init(MCL_CURVE, MCL_LIMBS):
            raise RuntimeError("mcl does not know BN254")

    def kernel(self, name: str, n: int) -> Callable[[], None] | None:
        """That kernel, or None where mcl has none of that name and size."""
        if name in ("msm_g1", "msm_g2") and n <= MCL_LARGEST_SUM:  # larger ones overflow its stack
            return self._sum(name[-2:].upper(), n)
        if name in ("multiply_g1", "multiply_g2"):
            return self._multiples(name[-2:].upper(), n)
        if name in ("decompress_g1", "decompress_g2"):
            return self._decompressions(name[-2:].upper(), n)
        return self._pairing(n) if name == "pairing_product" else None

    def _points(self, group: str, n: int) -> Any:
        """1·G to n·G."""
        text = G1_GENERATOR if group == "G1" else G2_GENERATOR
        points, step = (getattr(self._module, group) * n)(), getattr(self._module, group)()
        if getattr(self._lib, f"mclBn{group}_setStr")(ctypes.byref(step), text, ctypes.c_size_t(len(text)), 10):
            raise RuntimeError(f"mcl refuses the generator of {group}")
        add, normal = (getattr(self._lib, f"mclBn{group}_{name}") for name in ("add", "normalize"))
        total = step
        for point in points:
            normal(ctypes.byref(point), ctypes.byref(total))
            total = type(step)()
            add(ctypes.byref(total), ctypes.byref(point), ctypes.byref(step))
        return points

    def _sum(self, group: str, n: int) -> Callable[[], None]:
        points, scalars = self._points(group, n), (self._module.Fr * n)()
        for scalar in scalars:
            self._lib.mclBnFr_setByCSPRNG(ctypes.byref(scalar))
        total, add_up = getattr(self._module, group)(), getattr(self._lib, f"mclBn{group}_mulVec")
        return lambda: add_up(ctypes.byref(total), points, scalars, ctypes.c_size_t(n))

    def _multiples(self, group: str, n: int) -> Callable[[], None]:
        """One point and scalar after the other; a call from Python adds about a microsecond."""
        point, scalar, out = self._points(group, 2)[1], self._module.Fr(), getattr(self._module, group)()
        self._lib.mclBnFr_setByCSPRNG(ctypes.byref(scalar))
        multiply, operands = getattr(self._lib, f"mclBn{group}_mul"), [ctypes.byref(a) for a in (out, point, scalar)]
        return lambda: [multiply(*operands) for _ in range(n)] and None

    def _decompressions(self, group: str, n: int) -> Callable[[], None]:
        """`deserialize`, and in G2 `isValidOrder`: what it takes to know a point read from outside."""
        point, out, data = self._points(group, 2)[1], getattr(self._module, group)(), ctypes.create_string_buffer(128)
        write, read, check = (
            getattr(self._lib, f"mclBn{group}_{a}") for a in ("serialize", "deserialize", "isValidOrder")
        )
        length = ctypes.c_size_t(write(data, ctypes.c_size_t(128), ctypes.byref(point)))
        if read(ctypes.byref(out), data, length) != length.value:
            raise RuntimeError(f"mcl does not read what it wrote of {group}")

        def run() -> None:
            for _ in range(n):
                read(ctypes.byref(out), data, length)
                if group == "G2":
                    check(ctypes.byref(out))

        return run

    def _pairing(self, n: int) -> Callable[[], None]:
        p, q, out = self._points("G1", n), self._points("G2", n), self._module.GT()

        def run() -> None:
            self._lib.mclBn_millerLoopVec(ctypes.byref(out), p, q, ctypes.c_size_t(n))
            self._lib.mclBn_finalExp(ctypes.byref(out), ctypes.byref(out))

        return run


class Bn254Peers:
    """What is there of both, each timed by turns with ours."""

    def __init__(self, mcl: Mcl | None, programs: list[Piped]) -> None:
        self._mcl, self._programs = mcl, programs

    def without_programs(self) -> Bn254Peers:
        """mcl alone."""
        return Bn254Peers(self._mcl, [])

    def beside(self, name: str, n: int, ours: Callable[[], Any], *, bits: int = 0, runs: int = 5) -> Iterator[Row]:
        """A row for each peer that has that kernel, or one without a peer."""
        ours()
        repeats = max(1, round(LEAST_SECONDS / max(processor_seconds(ours, 1), 1e-9)))
        turns: dict[str, Callable[[], float]] = {"": lambda: processor_seconds(ours, repeats)}
        turns |= self._turns(name, n, bits, repeats)
        taken: dict[str, list[float]] = {label: [] for label in turns}
        for _ in range(runs):
            for label, turn in turns.items():
                taken[label].append(turn())
        seconds = statistics.median(taken.pop(""))
        row = {"name": name, "n": n, "seconds": seconds}
        for label, times in taken.items():
            theirs = statistics.median(times)
            yield {**row, "peer": label, "peer_seconds": theirs, "ratio": theirs / seconds}
        if not taken:
            yield row

    def _turns(self, name: str, n: int, bits: int, repeats: int) -> dict[str, Callable[[], float]]:
        turns: dict[str, Callable[[], float]] = {}
        kernel = None if self._mcl is None else self._mcl.kernel(name, n)
        if kernel is not None:
            kernel()
            turns[Mcl.label] = lambda: processor_seconds(kernel, repeats)
        for program in self._programs:
            program.call(name, n=n, bits=bits)
            turns[program.facts["label"]] = partial(_again, program, repeats)
        return turns


def _again(program: Piped, repeats: int) -> float:
    seconds: float = program.call("again", repeats=repeats)["seconds"]
    return seconds


def processor_seconds(kernel: Callable[[], Any], repeats: int) -> float:
    """Of one call, over that many."""
    start = time.process_time()
    for _ in range(repeats):
        kernel()
    return (time.process_time() - start) / repeats


@contextmanager
def bn254_peers() -> Iterator[Bn254Peers]:
    """mcl where its wheel is installed, and every program of `GNARK_BENCH`; notes say what is missing."""
    try:
        mcl = Mcl()
    except ImportError:
        mcl = None
        note("mclbn256 is not installed: mcl is left out")
    named = [program for program in os.environ.get("GNARK_BENCH", "").split(os.pathsep) if program]
    if not named:
        note("GNARK_BENCH names no program: gnark-crypto is left out")
    with ExitStack() as stack:
        yield Bn254Peers(mcl, [stack.enter_context(_gnark(program)) for program in named])


@contextmanager
def _gnark(program: str) -> Iterator[Piped]:
    without_avx512 = {"GODEBUG": "cpu.avx512dq=off", "GOMAXPROCS": "1"}
    with subprocess.Popen(
        [program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **without_avx512},
    ) as process:
        peer = Piped(process)
        peer.facts = peer.call("setup")
        try:
            yield peer
        finally:
            if process.stdin is not None:
                process.stdin.close()
            process.wait()

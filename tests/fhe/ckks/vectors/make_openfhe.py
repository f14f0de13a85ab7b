"""OpenFHE's numbers for `test_interoperation`, by the wheel openfhe: `python make_openfhe.py > openfhe.json`.

The library writes its objects as JSON, with its primes and roots of unity; see `foreign.py` for the fields here.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from typing import Any

import openfhe

LOG_N, LEVELS, FIRST, SCALE, DIGITS = 5, 2, 50, 40, 2


def vector() -> dict[str, Any]:
    degree = 1 << LOG_N
    parameters = openfhe.CCParamsCKKSRNS()
    parameters.SetSecretKeyDist(openfhe.UNIFORM_TERNARY)
    parameters.SetSecurityLevel(openfhe.HEStd_NotSet)
    parameters.SetRingDim(degree)
    parameters.SetMultiplicativeDepth(LEVELS)
    parameters.SetScalingModSize(SCALE)
    parameters.SetFirstModSize(FIRST)
    parameters.SetScalingTechnique(openfhe.FIXEDMANUAL)
    parameters.SetKeySwitchTechnique(openfhe.HYBRID)
    parameters.SetNumLargeDigits(DIGITS)
    parameters.SetBatchSize(degree // 2)
    context = openfhe.GenCryptoContext(parameters)
    for feature in (openfhe.PKE, openfhe.KEYSWITCH, openfhe.LEVELEDSHE):
        context.Enable(feature)
    keys = context.KeyGen()
    context.EvalMultKeyGen(keys.secretKey)
    context.EvalRotateKeyGen(keys.secretKey, [1])
    values = [((7 * i * i + 3 * i) % 101) / 50.5 - 1 for i in range(degree // 2)]
    plain = context.MakeCKKSPackedPlaintext(values)
    x = context.Encrypt(keys.publicKey, plain)
    relin = context.GetEvalMultKeyVector(keys.secretKey.GetKeyTag())[0]
    galois = json.loads(openfhe.Serialize(context.GetEvalAutomorphismKeyMap(keys.secretKey.GetKeyTag()), openfhe.JSON))
    rows = matrices(relin)
    roots = {}
    collect_roots(json.loads(openfhe.Serialize(relin, openfhe.JSON)), roots)
    primes, special = split([modulus for modulus, _ in rows[0]])
    return {
        "source": f"OpenFHE {version('openfhe')}",
        "log_n": LOG_N,
        "primes": primes,
        "special": special,
        "digit_size": -(-len(primes) // DIGITS),
        "roots": [roots[modulus] for modulus in (*primes, *special)],
        "scale": 2.0**SCALE,
        "generator": 5,
        "values": values,
        "secret": [row for _, row in matrices(keys.secretKey)[0]],
        "ciphertext": parts(x),
        "relinearisation": pairs(rows),
        "galois_element": 5,
        "galois_last": True,
        "galois": pairs(find(galois, [])),
        "turned": parts(context.EvalRotate(x, 1)),
        "product": parts(context.Rescale(context.EvalSquare(x))),
    }


def split(moduli: list[int]) -> tuple[list[int], list[int]]:
    return moduli[: LEVELS + 1], moduli[LEVELS + 1 :]


def parts(ciphertext: Any) -> list[list[list[int]]]:
    return [[row for _, row in matrix] for matrix in matrices(ciphertext)]


def pairs(rows: list[list[tuple[int, list[int]]]]) -> list[list[list[list[int]]]]:
    """A key lists the second parts of all digits, then the first."""
    half = len(rows) // 2
    return [[[row for _, row in rows[half + j]], [row for _, row in rows[j]]] for j in range(half)]


def matrices(thing: Any) -> list[list[tuple[int, list[int]]]]:
    return find(json.loads(openfhe.Serialize(thing, openfhe.JSON)), [])


def find(node: Any, found: list[Any]) -> list[list[tuple[int, list[int]]]]:
    """Every polynomial in document order, as (modulus, values) by prime."""
    if isinstance(node, list):
        for each in node:
            find(each, found)
    elif isinstance(node, dict):
        towers = node.get("v")
        if "f" in node and isinstance(towers, list) and towers and isinstance(towers[0], dict):
            data = [tower["v"]["ptr_wrapper"]["data"] for tower in towers]
            found.append([(each["m"]["v"], each["v"]) for each in data])
        else:
            for each in node.values():
                find(each, found)
    return found


def collect_roots(node: Any, roots: dict[int, int]) -> None:
    if isinstance(node, dict):
        if "cm" in node and isinstance(node["cm"]["v"], int):
            roots[node["cm"]["v"]] = node["ru"]["v"]
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            collect_roots(each, roots)


if __name__ == "__main__":
    json.dump(vector(), sys.stdout)

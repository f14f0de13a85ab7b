"""Whether decrypted slots can be a program's answer, or are garbled.

Polynomials run away outside of the intervals they were fitted on, and what no longer fits the modulus wraps around it:
an input unlike the calibration data can so give an answer of arbitrary numbers, and nothing on the way can see it. The
client sees three things that garbled slots do not keep: answers lie where the network's do; slots that hold no element
hold a known constant; slots that repeat others agree with them, up to the scheme's noise.

A refusal is itself a bit about the decryption. It is for the key's owner, like the answer: see `fhe.sharing`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vortex_crypto.errors import GarbledAnswer
from vortex_crypto.fhe.backends import GARBLED, NOISE_MARGIN
from vortex_crypto.nn.interface import Interface, Port
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.layout import Layout

REMEDY = f"{GARBLED}, or see the numbers all the same: --unchecked (unchecked=True)"


def check_answer(interface: Interface, vectors: Sequence[Array], *, batch: int) -> None:
    """Hold decrypted slot vectors against what the interface says of the outputs.

    Args:
        interface: of the program.
        vectors: real or complex, [slots] each, not yet drowned or rounded.
        batch: number of samples that were packed.

    Raises:
        GarbledAnswer: they cannot be the program's answer; names the output, and the element where it is one's value.
        InvalidInput: another number of vectors, or of slots.
    """
    worst = iter(interface.needs.worst)
    for port, layout, lanes in interface.decrypted(vectors, batch=batch):
        errors = [next(worst, None) for _ in port.ciphertexts]
        known = [NOISE_MARGIN * error for error in errors if error is not None]
        _check_range(port, layout, lanes[:, :, :batch], max(known, default=0.0))
        if len(known) == len(errors):
            _check_repetitions(port, layout, lanes, batch, max(known))


def _check_range(port: Port, layout: Layout, lanes: Array, noise: float) -> None:
    block, feature = np.divmod(layout.positions, layout.period)
    values = lanes[block, feature].T
    low = -np.inf if port.low is None else port.low - noise
    high = np.inf if port.high is None else port.high + noise
    outside = np.argwhere(~((values >= low) & (values <= high)))  # NaN is outside of any
    if not len(outside):
        return
    sample, element = outside[0]
    raise GarbledAnswer(
        f"output {port.name!r}: element {port.index(element)} of sample {sample} is {values[sample, element]:.6g}, and "
        f"the network's answers lie in {low:.6g} to {high:.6g}: {REMEDY}"
    )


def _check_repetitions(port: Port, layout: Layout, lanes: Array, batch: int, noise: float) -> None:
    content = lanes[:, : layout.period]
    copies = lanes.reshape(len(lanes), -1, layout.period, lanes.shape[2])
    _check_noise(port, "slots that repeat one another differ", copies - content[:, None], noise)
    if port.padding is not None:
        unused = np.ones(content.shape[:2], np.bool_)
        unused[np.divmod(layout.positions, layout.period)] = False
        _check_noise(port, "slots that hold nothing are off", content[unused] - port.padding, noise)
    repeated = content - content[:, :, np.arange(lanes.shape[2]) % batch]
    what = f"slots that should repeat a batch of {batch} (was another --batch encrypted?) differ"
    _check_noise(port, what, repeated, noise)


def _check_noise(port: Port, what: str, difference: Array, noise: float) -> None:
    if (found := float(np.abs(difference).max(initial=0.0))) > noise:
        raise GarbledAnswer(
            f"output {port.name!r}: {what} by up to {found:.3g}, where noise makes at most {noise:.3g}: {REMEDY}"
        )

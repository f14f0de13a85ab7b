"""Counting: constraints by origin, wires and matrix entries; never declared, always read off the system itself."""

from __future__ import annotations

from dataclasses import dataclass

from vortex_crypto.zk.r1cs import R1cs


@dataclass(frozen=True)
class Cost:
    """What a system weighs: `by_origin` adds up to `constraints`; `entries` are those of the three matrices."""

    constraints: int
    wires: int
    public: int
    challenges: int
    committed: int
    entries: int
    log_domain: int
    by_origin: dict[str, int]


def cost(r1cs: R1cs) -> Cost:
    """The counts of a system."""
    return Cost(
        constraints=r1cs.n_constraints,
        wires=r1cs.n_wires,
        public=r1cs.n_public,
        challenges=r1cs.n_challenges,
        committed=sum(c.n_wires for c in r1cs.commitments),
        entries=r1cs.a.nnz + r1cs.b.nnz + r1cs.c.nnz,
        log_domain=r1cs.log_domain,
        by_origin=r1cs.origins.counts(r1cs.n_constraints),
    )


def by_layer(cost: Cost) -> dict[str, int]:
    """Constraints by the outermost block of their origin: the layers of a network."""
    layers: dict[str, int] = {}
    for origin, count in cost.by_origin.items():
        layer = origin.split("/")[0]
        layers[layer] = layers.get(layer, 0) + count
    return layers

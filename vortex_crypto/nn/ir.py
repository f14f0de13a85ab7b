"""The graph IR: nodes, values and constants on a NetworkX MultiDiGraph.

A graph is in static single assignment form: every value has one producer (a node, a graph input, or a constant). All
shapes are static. Nodes carry `origin`, the name of the ONNX node they come from, which every instruction, constraint
and error below them repeats.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import networkx as nx
import numpy as np

from vortex_crypto.errors import InvalidGraph

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Real:
    """Ordinary tensors of an ONNX dtype."""


@dataclass(frozen=True)
class Field:
    """Integers modulo the prime `p`."""

    p: int


@dataclass(frozen=True)
class Encrypted:
    """Real tensors held in CKKS ciphertexts."""


Domain = Real | Field | Encrypted


class Secrecy(enum.Enum):
    """Who may see a value: anyone, its owner alone (an input), or the model's owner alone (weights)."""

    PUBLIC = "public"
    PRIVATE = "private"
    MODEL = "model"


@dataclass(frozen=True)
class Range:
    """A closed interval that holds every element; both ends finite."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.low <= self.high):
            raise InvalidGraph(f"range [{self.low}, {self.high}] is not an interval")


@dataclass(frozen=True)
class Value:
    """A tensor in flight: `shape` of non-negative ints, `dtype` a NumPy dtype."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    domain: Domain = Real()
    secrecy: Secrecy = Secrecy.PUBLIC
    range: Range | None = None

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))


class Operator(Protocol):
    """What the graph needs to know of an operator; `nn/op.py` has the whole of it."""

    name: ClassVar[str]
    converts_domain: ClassVar[bool]

    def ref(self, *arrays: Any, **bodies: Any) -> tuple[Array, ...]:
        """The meaning on NumPy arrays; an operator with sub-graphs gets them as callables."""
        ...

    def fingerprint(self) -> str:
        """Name and attributes as text, for content hashes."""
        ...


@dataclass(frozen=True)
class Node:
    """One application of `op`. An omitted optional input is the empty string."""

    name: str
    op: Operator
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    origin: str = ""
    subgraphs: Mapping[str, Graph] = field(default_factory=dict)


class Graph:
    """A tensor program; build it with the `add_*` methods, change it in passes, `verify()` it between them."""

    def __init__(self, name: str = "graph") -> None:
        self.name = name
        self.dag: nx.MultiDiGraph[str] = nx.MultiDiGraph()
        self.values: dict[str, Value] = {}
        self.constants: dict[str, Array] = {}
        self.inputs: list[str] = []
        self.outputs: list[str] = []
        self._producer: dict[str, str] = {}
        self._readers: dict[str, set[str]] = {}

    def add_input(self, value: Value) -> str:
        """Declare a graph input."""
        self._define(value)
        self.inputs.append(value.name)
        return value.name

    def add_constant(self, name: str, array: Array, secrecy: Secrecy = Secrecy.MODEL) -> str:
        """Add a constant tensor, made read-only."""
        array = np.asarray(array)
        array.flags.writeable = False
        self._define(Value(name, array.shape, array.dtype, secrecy=secrecy))
        self.constants[name] = array
        return name

    def add_node(self, node: Node, outputs: Sequence[Value]) -> tuple[str, ...]:
        """Add a node whose inputs exist already; `outputs` describe `node.outputs` in order (omitted ones left out)."""
        if node.name in self.dag:
            raise InvalidGraph(f"two nodes are named {node.name!r}")
        named = [name for name in node.outputs if name]
        if named != [value.name for value in outputs]:
            raise InvalidGraph(f"node {node.name!r} declares outputs {named}, described: {[v.name for v in outputs]}")
        self.dag.add_node(node.name, node=node)
        for slot, name in enumerate(node.inputs):
            if name and name not in self.values:
                raise InvalidGraph(f"node {node.name!r} reads {name!r}, which nothing produces")
            if name:
                self._readers.setdefault(name, set()).add(node.name)
            if name in self._producer:
                self.dag.add_edge(self._producer[name], node.name, key=f"{slot}:{name}", value=name)
        for value in outputs:
            self._define(value)
            self._producer[value.name] = node.name
        return node.outputs

    def remove_node(self, name: str) -> None:
        """Remove a node whose outputs nothing reads."""
        node = self.node(name)
        if self.dag.out_degree(name) or any(o in self.outputs for o in node.outputs):
            raise InvalidGraph(f"node {name!r} is still read")
        self.dag.remove_node(name)
        for value in filter(None, node.inputs):
            self._readers[value].discard(name)
        for value in filter(None, node.outputs):
            del self.values[value], self._producer[value]

    def remove_constant(self, name: str) -> None:
        """Remove a constant that nothing reads."""
        if self.is_read(name):
            raise InvalidGraph(f"constant {name!r} is still read")
        del self.constants[name], self.values[name]

    def is_read(self, value: str) -> bool:
        """Whether a node reads `value`, or it is an output."""
        return bool(self._readers.get(value)) or value in self.outputs

    def node(self, name: str) -> Node:
        """The node of that name."""
        found: Node = self.dag.nodes[name]["node"]
        return found

    def nodes(self) -> Iterator[Node]:
        """All nodes in a topological order that is the same for equal graphs."""
        rank = {name: i for i, name in enumerate(self.dag.nodes)}
        for name in nx.lexicographical_topological_sort(self.dag, key=rank.__getitem__):
            yield self.node(name)

    def producer(self, value: str) -> Node | None:
        """The node that makes `value`; None for inputs and constants."""
        name = self._producer.get(value)
        return None if name is None else self.node(name)

    def consumers(self, value: str) -> list[Node]:
        """The nodes that read `value`, in order of insertion."""
        readers = self._readers.get(value, set())
        return [self.node(name) for name in self.dag.nodes if name in readers]

    def verify(self) -> None:
        """Check the rules of the IR.

        Raises:
            InvalidGraph: a cycle, an unknown or doubly defined value, or domains mixed without a conversion.
        """
        if not nx.is_directed_acyclic_graph(self.dag):
            raise InvalidGraph(f"graph {self.name!r} has a cycle: {nx.find_cycle(self.dag)}")
        for name in self.outputs:
            if name not in self.values:
                raise InvalidGraph(f"graph output {name!r} is produced by nothing")
        for node in self.nodes():
            self._verify_node(node)

    def _verify_node(self, node: Node) -> None:
        domains: set[Domain] = set()
        for name in filter(None, node.inputs):
            if name not in self.values:
                raise InvalidGraph(f"node {node.name!r} reads {name!r}, which nothing produces")
            if name not in self.constants:
                domains.add(self.values[name].domain)
        domains.update(self.values[name].domain for name in node.outputs if name)
        if len(domains) > 1 and not node.op.converts_domain:
            raise InvalidGraph(f"node {node.name!r} mixes domains {sorted(map(str, domains))} without a conversion")
        for graph in node.subgraphs.values():
            graph.verify()

    def hash(self) -> str:
        """Content hash (SHA-256, hex): structure, attributes, constants; names of nodes and values do not count."""
        digest, ids = hashlib.sha256(), dict[str, str]()
        for i, name in enumerate(self.inputs):
            ids[name] = f"in{i}"
            digest.update(f"input {_signature(self.values[name])}\n".encode())
        for name, array in self.constants.items():
            content = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
            ids[name] = f"{_signature(self.values[name])}={content}"
        for i, node in enumerate(self.nodes()):
            inner = ",".join(f"{k}={g.hash()}" for k, g in sorted(node.subgraphs.items()))
            digest.update(f"{node.op.fingerprint()}({[ids.get(v, '') for v in node.inputs]}){inner}\n".encode())
            ids.update({v: f"n{i}.{k}" for k, v in enumerate(node.outputs)})
        digest.update(f"outputs {[ids[v] for v in self.outputs]}".encode())
        return digest.hexdigest()

    def _define(self, value: Value) -> None:
        if value.name in self.values:
            raise InvalidGraph(f"value {value.name!r} is defined twice")
        self.values[value.name] = value


def _signature(value: Value) -> str:
    return f"{value.dtype}{list(value.shape)}:{value.domain}:{value.secrecy.value}:{value.range}"

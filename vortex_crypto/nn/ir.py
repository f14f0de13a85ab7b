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

from vortex_crypto.errors import InvalidGraph, ShapeMismatch, VortexError

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


@dataclass(frozen=True)
class Spec:
    """Shape and dtype of one output."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class Inputs:
    """A node's inputs as its operator sees them: a `Value` each, and the array of those that are constant.

    Omitted optional inputs are None in both.
    """

    values: tuple[Value | None, ...]
    constants: tuple[Array | None, ...]
    bodies: Mapping[str, Graph] = field(default_factory=dict)
    """The node's sub-graphs."""

    @classmethod
    def of(cls, graph: Graph, node: Node) -> Inputs:
        """The inputs of `node` in `graph`."""
        values = tuple(graph.values[name] if name else None for name in node.inputs)
        return cls(values, tuple(graph.constants.get(name) for name in node.inputs), node.subgraphs)

    @classmethod
    def from_arrays(cls, arrays: Sequence[Array | None], constant: Sequence[int] = ()) -> Inputs:
        """Inputs shaped like `arrays`, of which those at the positions `constant` are known."""
        values = tuple(None if a is None else Value(f"x{i}", a.shape, a.dtype) for i, a in enumerate(arrays))
        return cls(values, tuple(a if i in constant else None for i, a in enumerate(arrays)))

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> Value:
        value = self.values[index] if index < len(self.values) else None
        if value is None:
            raise ShapeMismatch(f"input {index} is missing")
        return value

    def has(self, index: int) -> bool:
        """Whether input `index` is given."""
        return index < len(self.values) and self.values[index] is not None

    def constant(self, index: int) -> Array | None:
        """The array of input `index`, None when it is omitted or not constant."""
        return self.constants[index] if index < len(self.constants) else None

    @property
    def variable(self) -> tuple[int, ...]:
        """Positions of the inputs that are given and not constant."""
        return tuple(i for i, v in enumerate(self.values) if v is not None and self.constants[i] is None)


class Operator(Protocol):
    """What the graph needs to know of an operator; `nn/op.py` has the whole of it."""

    name: ClassVar[str]
    converts_domain: ClassVar[bool]

    def ref(self, *arrays: Any, **bodies: Any) -> tuple[Array, ...]:
        """The meaning on NumPy arrays; an operator with sub-graphs gets them as callables."""
        ...

    def infer(self, inputs: Inputs) -> tuple[Spec, ...]:
        """Shapes and dtypes of the outputs."""
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
            InvalidGraph: a cycle, a value nothing produces or of another shape than its operator gives, or domains
                mixed without a conversion.
        """
        if not nx.is_directed_acyclic_graph(self.dag):
            raise InvalidGraph(f"graph {self.name!r} has a cycle: {nx.find_cycle(self.dag)}")
        for name in self.outputs:
            if name not in self.values:
                raise InvalidGraph(f"graph output {name!r} is produced by nothing")
        for name, array in self.constants.items():
            if (array.shape, array.dtype) != (self.values[name].shape, self.values[name].dtype):
                raise InvalidGraph(f"constant {name!r} is {array.dtype}{list(array.shape)}, declared otherwise")
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
        self._verify_specs(node)

    def _verify_specs(self, node: Node) -> None:
        try:
            specs = node.op.infer(Inputs.of(self, node))
        except VortexError as error:
            raise InvalidGraph(f"node {node.name!r} ({node.op.name}) does not take its inputs: {error}") from error
        if len(node.outputs) > len(specs):
            raise InvalidGraph(f"node {node.name!r} ({node.op.name}) has no output {len(specs)}")
        for name, spec in zip(node.outputs, specs, strict=False):
            if name and (self.values[name].shape, self.values[name].dtype) != (spec.shape, spec.dtype):
                found, value = f"{spec.dtype}{list(spec.shape)}", self.values[name]
                raise InvalidGraph(
                    f"node {node.name!r} ({node.op.name}) makes {found}; {name!r} is {value.dtype}{list(value.shape)}"
                )

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

    def to_text(self) -> str:
        """The graph for readers: one line a node, constants by shape alone, sub-graphs indented below their node."""
        parameters = ", ".join(_described(self.values[name]) for name in self.inputs)
        lines = [f"graph {self.name}({parameters}) {{"]
        for node in self.nodes():
            results = ", ".join(_described(self.values[name]) if name else "_" for name in node.outputs)
            operands = ", ".join(self._operand(name) for name in node.inputs)
            origin = f"  # {node.origin}" if node.origin not in ("", node.name, *node.outputs) else ""
            lines.append(f"  {results} = {node.op.name}({operands}){_attributes(node.op)}{origin}")
            for key, body in node.subgraphs.items():
                inner = body.to_text().splitlines()
                lines += [f"    {key}: {inner[0]}", *(f"    {line}" for line in inner[1:])]
        return "\n".join([*lines, f"  return {', '.join(self.outputs)}", "}"])

    def _operand(self, name: str) -> str:
        array = self.constants.get(name)
        if array is None:
            return name or "_"
        if array.size == 1:
            return f"{array.reshape(-1)[0]}"
        return f"{array.dtype}{list(array.shape)}"

    def _define(self, value: Value) -> None:
        if value.name in self.values:
            raise InvalidGraph(f"value {value.name!r} is defined twice")
        self.values[value.name] = value


def _signature(value: Value) -> str:
    return f"{value.dtype}{list(value.shape)}:{value.domain}:{value.secrecy.value}:{value.range}"


def _described(value: Value) -> str:
    span = f" in [{value.range.low:.4g}, {value.range.high:.4g}]" if value.range is not None else ""
    domain = "" if isinstance(value.domain, Real) else f" {value.domain}"
    return f"{value.name}: {value.dtype}{list(value.shape)}{domain}{span}"


def _attributes(op: Operator) -> str:
    text = op.fingerprint().partition("(")[2].removesuffix(")")
    return f" {{{text if len(text) <= 160 else text[:157] + '...'}}}" if text else ""

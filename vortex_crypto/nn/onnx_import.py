"""From an ONNX file to the graph IR. The one module that knows the `onnx` package.

Models are untrusted: sizes are checked before memory is taken, external data stays in the model's folder, nothing is
unpickled or executed, and every refusal names the node and the operator. All shapes are static: dynamic dimensions are
bound here. What hangs on constants and shapes alone is computed now, so that exporters' shape arithmetic disappears.
Functions of the model, and operators that ONNX defines by others (`Attention`, say), are expanded in place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.defs
import onnx.numpy_helper
import onnx.shape_inference

from vortex_crypto.errors import InvalidModel, ShapeMismatch, UnsupportedOp
from vortex_crypto.nn.ir import Array, Graph, Node, Secrecy, Value
from vortex_crypto.nn.onnx_file import (
    Limits,
    array_of,
    attribute_value,
    check,
    checked_size,
    dense_of,
    domain_of,
    load_external,
    read_model,
)
from vortex_crypto.nn.op import REFUSALS, Composite, Inputs, Op, Spec, dtype_of
from vortex_crypto.nn.ops import ROSTER
from vortex_crypto.nn.ops.control import If, Loop, Scan
from vortex_crypto.nn.ops.reshape import Identity

NEWEST_OPSET: int = onnx.defs.onnx_opset_version()
OLDEST_OPSET = 7


def import_onnx(
    model: str | Path | bytes | onnx.ModelProto,
    batch: int = 1,
    inputs: Mapping[str, Sequence[int]] | None = None,
    constants: Mapping[str, Array] | None = None,
    limits: Limits | None = None,
) -> Graph:
    """Read an ONNX model (a path, its bytes, or the parsed message) into a graph with static shapes.

    `batch` binds a first dimension that is dynamic; `inputs` gives whole shapes by input name; `constants` binds inputs
    to arrays, so that they are none any more.

    Raises:
        InvalidModel: the file is damaged, too large, or reaches outside its folder; a dimension is left dynamic.
        UnsupportedOp: an operator, or a use of one, that is not supported.
        ShapeMismatch: operands that do not fit their operator.
    """
    limits = limits or Limits()
    proto, folder = read_model(model, limits)
    load_external(proto, folder, limits)
    check(proto)
    graph = Graph(proto.graph.name or "graph")
    opsets = {domain_of(entry.domain): entry.version for entry in proto.opset_import}
    if not OLDEST_OPSET <= opsets.get("", NEWEST_OPSET) <= NEWEST_OPSET:
        raise InvalidModel(f"the model uses opset {opsets['']}; this version reads {OLDEST_OPSET} to {NEWEST_OPSET}")
    functions = {(domain_of(f.domain), f.name): f for f in proto.functions}
    scope = _Scope(graph, opsets)
    importer = _Importer(limits, functions)
    importer.bind_inputs(proto.graph, scope, _Binding(batch, dict(inputs or {}), dict(constants or {})))
    importer.body(proto.graph, scope)
    importer.outputs([value.name for value in proto.graph.output], scope)
    _prune(graph)
    graph.verify()
    return graph


# Building the graph.


@dataclass(frozen=True)
class _Binding:
    """How the caller binds the model's inputs."""

    batch: int
    shapes: dict[str, Sequence[int]]
    constants: dict[str, Array]


@dataclass
class _Scope:
    """Which value each ONNX name means, in one graph or function body."""

    graph: Graph
    opsets: Mapping[str, int]
    prefix: str = ""
    depth: int = 0
    names: dict[str, str] = field(default_factory=dict)
    attributes: Mapping[str, onnx.AttributeProto] = field(default_factory=dict)
    parent: _Scope | None = None
    captures: list[str] = field(default_factory=list)
    """Values of the parent's graph that this one reads, in the order of its inputs for them."""

    def resolve(self, name: str) -> str:
        """The value that `name` means; one of an enclosing graph becomes an input or a constant of this graph."""
        if name in self.names:
            return self.names[name]
        if self.parent is None:
            raise InvalidModel(f"{name!r} is read but nothing produces it")
        outer = self.parent.resolve(name)
        inner = self.unique(name)
        constant = self.parent.graph.constants.get(outer)
        if constant is not None:
            self.graph.add_constant(inner, constant)
        else:
            self.graph.add_input(replace(self.parent.graph.values[outer], name=inner))
            self.captures.append(outer)
        self.names[name] = inner
        return inner

    def unique(self, name: str) -> str:
        """A name for a new value of the graph that nothing has yet."""
        wanted = candidate = self.prefix + name
        count = 1
        while candidate in self.graph.values:
            count += 1
            candidate = f"{wanted}~{count}"
        return candidate

    def constant(self, name: str, array: Array) -> str:
        """Add a constant."""
        return self.graph.add_constant(self.unique(name), array)


class _Importer:
    """Walks the nodes of a model; holds what all its graphs share."""

    def __init__(self, limits: Limits, functions: Mapping[tuple[str, str], onnx.FunctionProto]) -> None:
        self.limits = limits
        self.functions = functions
        self.nodes = 0
        self.computed = 0
        self.control: dict[str, Callable[[_Call], list[str]]] = {"If": self._if, "Loop": self._loop, "Scan": self._scan}

    def bind_inputs(self, proto: onnx.GraphProto, scope: _Scope, binding: _Binding) -> None:
        """Declare the inputs with the shapes the caller binds them to."""
        initialised = {tensor.name for tensor in proto.initializer}
        wanted = [value for value in proto.input if value.name not in initialised]
        names = {value.name for value in wanted}
        if unknown := sorted((set(binding.shapes) | set(binding.constants)) - names):
            raise InvalidModel(f"{unknown[0]!r} is no input of the model; its inputs are {sorted(names)}")
        symbols: dict[str, int] = {}
        for value in wanted:
            spec = self._input_spec(value, binding, symbols)
            if value.name in binding.constants:
                array = np.asarray(binding.constants[value.name])
                if array.dtype != spec.dtype:
                    raise InvalidModel(f"input {value.name!r} is {spec.dtype}, bound to {array.dtype}")
                scope.names[value.name] = scope.constant(value.name, array.copy())
            else:
                scope.names[value.name] = scope.graph.add_input(
                    Value(value.name, spec.shape, spec.dtype, secrecy=Secrecy.PRIVATE)
                )

    def _input_spec(self, value: onnx.ValueInfoProto, binding: _Binding, symbols: dict[str, int]) -> Spec:
        kind = value.type.WhichOneof("value")
        if kind != "tensor_type":
            raise UnsupportedOp(value.name, "input", f"it is a {kind or 'thing without a type'}, not a tensor.")
        tensor = value.type.tensor_type
        dtype = dtype_of(tensor.elem_type)
        if value.name in binding.constants:
            return Spec(np.shape(binding.constants[value.name]), dtype)
        if value.name in binding.shapes:
            shape = tuple(int(d) for d in binding.shapes[value.name])
        elif not tensor.HasField("shape"):
            raise InvalidModel(f"input {value.name!r} has no shape; give one with inputs={{{value.name!r}: (...)}}")
        else:
            shape = tuple(self._dimension(value.name, i, d, binding, symbols) for i, d in enumerate(tensor.shape.dim))
        checked_size(value.name, shape, self.limits)
        return Spec(shape, dtype)

    @staticmethod
    def _dimension(name: str, index: int, dim: Any, binding: _Binding, symbols: dict[str, int]) -> int:
        if dim.HasField("dim_value"):
            return int(dim.dim_value)
        if dim.dim_param and dim.dim_param in symbols:
            return symbols[dim.dim_param]
        if index != 0:
            what = dim.dim_param or "no name"
            raise InvalidModel(
                f"dimension {index} of input {name!r} is dynamic ({what}); give its shape: inputs={{{name!r}: (...)}}"
            )
        if dim.dim_param:
            symbols[dim.dim_param] = binding.batch
        return binding.batch

    def body(self, proto: onnx.GraphProto, scope: _Scope) -> None:
        """Import initialisers and nodes."""
        for tensor in proto.initializer:
            scope.names[tensor.name] = scope.constant(tensor.name, array_of(tensor))
        for sparse in proto.sparse_initializer:
            name = sparse.values.name
            scope.names[name] = scope.constant(name, dense_of(sparse, self.limits))
        for node in proto.node:
            self.node(node, scope)

    def outputs(self, names: Sequence[str], scope: _Scope, *, keep_names: bool = True) -> None:
        """Declare the graph's outputs; each is a value of its own, of the ONNX name if `keep_names`."""
        graph = scope.graph
        for name in names:
            value = scope.resolve(name)
            if keep_names and value != name:
                value = self._copy(value, name, scope)
            graph.outputs.append(value)

    def _copy(self, value: str, name: str, scope: _Scope) -> str:
        graph, target = scope.graph, scope.unique(name)
        if value in graph.constants:
            return graph.add_constant(target, graph.constants[value])
        node = Node(self._node_name(f"{name}/Identity", scope), Identity(), (value,), (target,), origin=name)
        return graph.add_node(node, [replace(graph.values[value], name=target)])[0]

    def node(self, proto: onnx.NodeProto, scope: _Scope) -> None:
        """Import one node, and name it in whatever goes wrong."""
        self.nodes += 1
        if self.nodes > self.limits.nodes:
            raise InvalidModel(f"the model has more than {self.limits.nodes} nodes once expanded")
        name = scope.prefix + (proto.name or f"{proto.op_type}_{self.nodes}")
        try:
            self._node(proto, name, scope)
        except UnsupportedOp as error:
            if error.node:
                raise
            raise UnsupportedOp(name, error.op_type, error.reason, error.remedy) from error
        except (ShapeMismatch, InvalidModel) as error:
            if str(error).startswith("node "):
                raise
            raise type(error)(f"node {name!r} ({proto.op_type}): {error}") from error
        except REFUSALS as error:
            raise ShapeMismatch(f"node {name!r} ({proto.op_type}): operands do not fit: {error}") from error

    def _node(self, proto: onnx.NodeProto, name: str, scope: _Scope) -> None:
        domain = domain_of(proto.domain)
        inputs = [scope.resolve(given) if given else "" for given in proto.input]
        while inputs and not inputs[-1]:
            inputs.pop()
        attributes = [self._bound(a, scope) for a in proto.attribute]
        call = _Call(proto, name, scope, inputs, {a.name: a for a in attributes if a is not None})
        found = ROSTER.get((domain, proto.op_type))
        if (domain, proto.op_type) in self.functions:
            results = self._function(self.functions[domain, proto.op_type], call)
        elif domain == "" and proto.op_type in self.control:
            results = self.control[proto.op_type](call)
        elif found is not None:
            self._check_arity(call, domain)
            results = self._operator(found, call)
        else:
            results = self._function(self._schema_function(call, domain), call)
        for given, value in zip(proto.output, results, strict=False):
            if given:
                scope.names[given] = value

    @staticmethod
    def _bound(attribute: onnx.AttributeProto, scope: _Scope) -> onnx.AttributeProto | None:
        """The attribute itself, or the one of the function call it refers to."""
        if not attribute.ref_attr_name:
            return attribute
        outer = scope.attributes.get(attribute.ref_attr_name)
        if outer is None:
            return None
        found = onnx.AttributeProto()
        found.CopyFrom(outer)
        found.name = attribute.name
        return found

    @staticmethod
    def _check_arity(call: _Call, domain: str) -> None:
        schema = _schema(call, domain)
        if len(call.proto.input) < schema.min_input:
            raise InvalidModel(f"{len(call.proto.input)} inputs are given, at least {schema.min_input} needed")
        if len(call.inputs) > schema.max_input or len(call.proto.output) > schema.max_output:
            raise InvalidModel("more inputs or outputs are given than the operator has")

    def _operator(self, kind: type[Op], call: _Call) -> list[str]:
        scope = call.scope
        opset = scope.opsets.get(kind.domain, NEWEST_OPSET)
        op, moved = kind.from_onnx(call.values(), opset, len(call.proto.output))
        operands = list(call.inputs)
        for slot, array in sorted(moved.items()):
            operands += [""] * (slot + 1 - len(operands))
            narrow = array.astype(np.float32) if array.dtype == np.float64 else array
            operands[slot] = scope.constant(f"{call.name}/{slot}", narrow)
        if isinstance(op, Composite):
            return list(op.expand(partial(self._build, call), *operands))
        return self.add(op, operands, call)

    def _build(self, call: _Call, op: Op, *operands: str | Array) -> str:
        """One of the nodes a composite operator expands to."""
        self.nodes += 1
        base = f"{call.name}/{op.name}"
        names = [o if isinstance(o, str) else call.scope.constant(f"{base}/{i}", o) for i, o in enumerate(operands)]
        return self.add(op, names, call.made(base))[0]

    def add(self, op: Op, operands: Sequence[str], call: _Call, bodies: Mapping[str, Graph] | None = None) -> list[str]:
        """Add a node, or the constants it comes to."""
        scope = call.scope
        node = Node("", op, tuple(operands), (), call.name, bodies or {})
        inputs = Inputs.of(scope.graph, node)
        specs = op.infer(inputs)
        wanted = call.proto.output
        if len(wanted) > len(specs):
            raise UnsupportedOp("", op.name, f"it has no output {len(specs)} in this use.")
        for spec in specs:
            checked_size(call.name, spec.shape, self.limits)
        known = None if bodies else self._known(op, inputs, specs)
        if known is not None:
            return [scope.constant(given or "_", array) for given, array in zip(wanted, known, strict=False)]
        names = tuple(scope.unique(given) if given else "" for given in wanted)
        values = [Value(n, s.shape, s.dtype, secrecy=Secrecy.PRIVATE) for n, s in zip(names, specs, strict=False) if n]
        scope.graph.add_node(replace(node, name=self._node_name(call.name, scope), outputs=names), values)
        return list(names)

    def _known(self, op: Op, inputs: Inputs, specs: Sequence[Spec]) -> tuple[Array, ...] | None:
        """The outputs, if they can be computed now and are not too much."""
        if inputs.variable and type(op).known is Op.known:
            return None
        self.computed += sum(prod(spec.shape) for spec in specs)
        if self.computed > self.limits.constants:
            raise InvalidModel(f"what can be computed in advance has more than {self.limits.constants} elements")
        return op.known(inputs)

    @staticmethod
    def _node_name(name: str, scope: _Scope) -> str:
        candidate, count = name, 1
        while candidate in scope.graph.dag:
            count += 1
            candidate = f"{name}~{count}"
        return candidate

    # Functions.

    @staticmethod
    def _schema_function(call: _Call, domain: str) -> onnx.FunctionProto:
        schema = _schema(call, domain)
        opset = call.scope.opsets.get(domain, NEWEST_OPSET)
        function = None
        if schema.has_context_dependent_function:
            types = [_type_proto(call.scope.graph.values[n]) if n else onnx.TypeProto() for n in call.inputs]
            versions = [v for v in schema.context_dependent_function_opset_versions if v <= opset]
            if versions:
                node = call.rebuilt().SerializeToString()
                try:
                    text = schema.get_context_dependent_function_with_opset_version(
                        max(versions), node, [t.SerializeToString() for t in types]
                    )
                except (RuntimeError, onnx.shape_inference.InferenceError) as error:
                    raise InvalidModel(f"its definition by other operators does not fit: {error}") from error
                function = onnx.FunctionProto.FromString(text)
        elif schema.has_function:
            versions = [v for v in schema.function_opset_versions if v <= opset]
            if versions:
                function = onnx.FunctionProto.FromString(schema.get_function_with_opset_version(max(versions)))
        if function is None:
            raise UnsupportedOp("", call.proto.op_type, "the operator is not supported.", "See docs/operators.md.")
        for key, attribute in schema.attributes.items():
            if key not in call.attributes and attribute.default_value.type:
                call.attributes[key] = attribute.default_value
        return function

    def _function(self, function: onnx.FunctionProto, call: _Call) -> list[str]:
        """Expand a call: the body's nodes with names of their own."""
        scope = self._deeper(call.scope)
        defaults = {a.name: a for a in function.attribute_proto}
        opsets = {domain_of(entry.domain): entry.version for entry in function.opset_import}
        operands = [*call.inputs, *[""] * (len(function.input) - len(call.inputs))]
        if len(operands) > len(function.input):
            raise InvalidModel(f"{len(call.inputs)} inputs are given to a function of {len(function.input)}")
        inner = replace(
            scope,
            opsets=opsets or scope.opsets,
            prefix=f"{call.name}/",
            names={formal: actual for formal, actual in zip(function.input, operands, strict=True)},
            attributes={**defaults, **call.attributes},
            parent=None,
            captures=[],
        )
        for node in function.node:
            self.node(node, inner)
        wanted = zip(function.output, call.proto.output, strict=False)
        return [inner.resolve(name) if given else "" for name, given in wanted]

    def _deeper(self, scope: _Scope) -> _Scope:
        if scope.depth >= self.limits.depth:
            raise InvalidModel(f"functions and sub-graphs lie more than {self.limits.depth} deep in one another")
        return replace(scope, depth=scope.depth + 1)

    # Sub-graphs.

    def _subgraph(self, call: _Call, key: str, formals: Sequence[Value | Array], captures: list[str]) -> _Scope:
        """Import the attribute `key` as a graph of its own whose first inputs are `formals` (arrays: constants)."""
        outer = self._deeper(call.scope)
        proto = call.graph(key)
        scope = replace(
            outer, graph=Graph(f"{call.name}/{key}"), prefix="", names={}, parent=call.scope, captures=captures
        )
        if len(proto.input) != len(formals):
            raise InvalidModel(f"its {key} has {len(proto.input)} inputs, {len(formals)} are needed")
        for value, formal in zip(proto.input, formals, strict=True):
            if isinstance(formal, Value):
                scope.names[value.name] = scope.graph.add_input(replace(formal, name=value.name))
            else:
                scope.names[value.name] = scope.constant(value.name, formal)
        self.body(proto, scope)
        self.outputs([value.name for value in proto.output], scope, keep_names=False)
        _prune(scope.graph)
        return scope

    def _inline(self, call: _Call, key: str, operands: Sequence[str], prefix: str) -> list[str]:
        """Import the attribute `key` into the graph of the call itself; the values of its outputs."""
        proto = call.graph(key)
        scope = replace(self._deeper(call.scope), prefix=prefix, names=dict(call.scope.names))
        scope.names.update(zip((value.name for value in proto.input), operands, strict=True))
        self.body(proto, scope)
        return [scope.resolve(value.name) for value in proto.output]

    def _if(self, call: _Call) -> list[str]:
        condition = call.constant(0)
        if condition is not None:
            return self._inline(
                call, "then_branch" if bool(condition.reshape(())) else "else_branch", (), f"{call.name}/"
            )
        first = self._subgraph(call, "then_branch", (), [])
        second = self._subgraph(call, "else_branch", (), [])
        both = list(dict.fromkeys(first.captures + second.captures))
        bodies = {key: _with_inputs(s.graph, s.captures, both, call.scope.graph) for key, s in
                  (("then_branch", first), ("else_branch", second))}  # fmt: skip
        return self.add(If(), [call.inputs[0], *both], call, bodies)

    def _loop(self, call: _Call) -> list[str]:
        trips, condition, carried = call.input(0), call.input(1), call.inputs[2:]
        known = call.constant(1)
        values = call.scope.graph.values
        formals: list[Value | Array] = [Value("iteration", (), np.dtype(np.int64)), np.array(True)]
        limit = call.constant(0)
        scans = len(call.proto.output) - len(carried)
        never = known is not None and not bool(known.reshape(()))
        try:
            if never:
                raise ShapeMismatch("the loop never runs")
            body = self._subgraph(call, "body", [*formals, *(values[name] for name in carried)], [])
            op = Loop(carried=len(carried), scans=scans)
            return self.add(op, [trips, condition, *carried, *body.captures], call, {"body": body.graph})
        except (ShapeMismatch, UnsupportedOp) as error:
            # Shapes change from one iteration to the next, or hang on data: unrolling settles what can be settled.
            if limit is None or (condition and known is None):
                raise error
        return self._unroll(call, carried, 0 if never else int(limit.reshape(())))

    def _unroll(self, call: _Call, carried: Sequence[str], trips: int) -> list[str]:
        scope, state = call.scope, list(carried)
        count = len(call.graph("body").output) - 1 - len(state)
        scanned: list[list[str]] = [[] for _ in range(count)]
        running = scope.constant(f"{call.name}/running", np.array(True))
        for i in range(trips):
            if i >= self.limits.iterations:
                raise UnsupportedOp("", "Loop", f"unrolling it takes more than {self.limits.iterations} iterations.")
            prefix = f"{call.name}/{i}/"
            iteration = scope.constant(f"{prefix}iteration", np.array(i, np.int64))
            results = self._inline(call, "body", [iteration, running, *state], prefix)
            again = scope.graph.constants.get(results[0])
            if again is None:
                raise UnsupportedOp("", "Loop", "when it stops hangs on data, and so do its shapes.")
            state = results[1 : 1 + len(state)]
            for kept, result in zip(scanned, results[1 + len(state) :], strict=True):
                kept.append(result)
            if not bool(again.reshape(())):
                break
        return [*state, *(self._stacked(call, i, kept) for i, kept in enumerate(scanned))]

    def _stacked(self, call: _Call, index: int, parts: Sequence[str]) -> str:
        if not parts:
            raise UnsupportedOp("", "Loop", "it never runs, so its scan outputs have no shape.")
        unsqueeze, concat = ROSTER["", "Unsqueeze"](), ROSTER["", "Concat"].from_onnx({"axis": 0}, NEWEST_OPSET)[0]
        axes = call.scope.constant(f"{call.name}/axes", np.array([0]))
        rows = []
        for i, part in enumerate(parts):
            rows += self.add(unsqueeze, [part, axes], call.made(f"{call.name}/{index}/{i}/row"))
        return self.add(concat, rows, call.made(f"{call.name}/{index}/scanned"))[0]

    def _scan(self, call: _Call) -> list[str]:
        if call.scope.opsets.get("", NEWEST_OPSET) < 9:
            raise UnsupportedOp(
                "", "Scan", "before opset 9 it had a batch of its own.", "Convert the model to opset 9."
            )
        op, _ = Scan.from_onnx({k: v for k, v in call.values().items() if k != "body"}, NEWEST_OPSET)
        values = call.scope.graph.values
        states = len(call.inputs) - op.num_scan_inputs
        if states < 0:
            raise InvalidModel(f"{len(call.inputs)} inputs are fewer than its {op.num_scan_inputs} scanned ones")
        op = replace(op, states=states)
        formals = [op.element(values[name], i) for i, name in enumerate(call.inputs)]
        body = self._subgraph(call, "body", formals, [])
        return self.add(op, [*call.inputs, *body.captures], call, {"body": body.graph})


@dataclass
class _Call:
    """A node on its way into the graph: its message, its name, and what its inputs and attributes are there."""

    proto: onnx.NodeProto
    name: str
    scope: _Scope
    inputs: list[str]
    attributes: dict[str, onnx.AttributeProto]

    def input(self, index: int) -> str:
        """The value of input `index`, empty if omitted."""
        return self.inputs[index] if index < len(self.inputs) else ""

    def constant(self, index: int) -> Array | None:
        """The array of input `index`, if it is constant."""
        return self.scope.graph.constants.get(self.input(index))

    def graph(self, key: str) -> onnx.GraphProto:
        """The graph in attribute `key`."""
        if key not in self.attributes or not self.attributes[key].HasField("g"):
            raise InvalidModel(f"it has no graph {key!r}")
        return self.attributes[key].g

    def values(self) -> dict[str, Any]:
        """The attributes as Python and NumPy values."""
        return {key: attribute_value(a) for key, a in self.attributes.items()}

    def rebuilt(self) -> onnx.NodeProto:
        """The node with its attributes bound."""
        node = onnx.NodeProto()
        node.CopyFrom(self.proto)
        del node.attribute[:]
        node.attribute.extend(self.attributes.values())
        return node

    def made(self, output: str) -> _Call:
        """A call that makes one value of that name."""
        return replace(self, proto=onnx.NodeProto(op_type=self.proto.op_type, output=[output]))


def _schema(call: _Call, domain: str) -> onnx.defs.OpSchema:
    opset = call.scope.opsets.get(domain)
    try:
        return onnx.defs.get_schema(call.proto.op_type, NEWEST_OPSET if opset is None else opset, domain)
    except onnx.defs.SchemaError as error:
        where = f" of domain {domain!r}" if domain else ""
        raise UnsupportedOp("", call.proto.op_type, f"ONNX has no such operator{where} at opset {opset}.") from error


def _type_proto(value: Value) -> onnx.TypeProto:
    return onnx.helper.make_tensor_type_proto(onnx.helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)


def _with_inputs(body: Graph, had: Sequence[str], wanted: Sequence[str], outer: Graph) -> Graph:
    """`body`, whose inputs stand for the outer values `had`, with inputs for all of `wanted` in that order."""
    mine = dict(zip(had, body.inputs, strict=True))
    for name in wanted:
        if name not in mine:
            inner, count = name, 1
            while inner in body.values:
                inner, count = f"{name}~{count}", count + 1
            mine[name] = body.add_input(replace(outer.values[name], name=inner))
    body.inputs[:] = [mine[name] for name in wanted]
    return body


def _prune(graph: Graph) -> None:
    """Remove nodes and constants that no output hangs on."""
    for node in reversed(list(graph.nodes())):
        if not any(graph.is_read(name) for name in node.outputs if name):
            graph.remove_node(node.name)
    for name in list(graph.constants):
        if not graph.is_read(name):
            graph.remove_constant(name)

"""Templates over all operators: shapes, forms and meanings agree, and the meaning is ONNX's."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, InvalidGraph, NotImplemented

from tests.nn.forms import apply
from vortex_crypto.nn.forms import Affine, Unsupported
from vortex_crypto.nn.ir import Array
from vortex_crypto.nn.op import CODES, DTYPES, Inputs, Sample
from vortex_crypto.nn.ops import ROSTER


def _samples() -> Iterator[tuple[str, Sample]]:
    for (_, name), operator in sorted(ROSTER.items()):
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        for index, sample in enumerate(operator.samples(rng)):
            yield f"{name}-{index}", sample


_QUIET = onnxruntime.SessionOptions()
_QUIET.log_severity_level = 4
_QUIET.intra_op_num_threads = 1
SAMPLES = dict(_samples())


@pytest.mark.parametrize("key", SAMPLES)
def test_infer_is_the_shape_and_type_of_ref(key: str) -> None:
    sample = SAMPLES[key]
    specs = sample.op.infer(Inputs.from_arrays(sample.inputs, sample.constant + sample.op.static))
    results = sample.op.ref(*sample.inputs)
    assert [(s.shape, s.dtype) for s in specs] == [(r.shape, r.dtype) for r in results]


@pytest.mark.parametrize("key", SAMPLES)
def test_form_is_ref(key: str) -> None:
    sample = SAMPLES[key]
    inputs = Inputs.from_arrays(sample.inputs, sample.constant)
    form = sample.op.form(inputs)
    if isinstance(form, Unsupported):
        assert form.reason
        assert form.remedy
        return
    want = np.asarray(sample.op.ref(*sample.inputs)[0])
    if isinstance(form, Affine):
        assert set(form.maps) == set(inputs.variable) - set(sample.op.static)
        assert all(m.shape == (want.size, inputs[k].size) for k, m in form.maps.items())
    np.testing.assert_allclose(apply(form, sample.inputs), want.ravel().astype(np.float64), rtol=1e-5, atol=1e-5)


def model_of(sample: Sample) -> onnx.ModelProto:
    """A model of one node."""
    names = ["" if a is None else f"x{i}" for i, a in enumerate(sample.inputs)]
    results = sample.op.ref(*sample.inputs)
    attributes = {
        key: onnx.numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
        for key, value in sample.op.attributes().items()
    }
    outputs = [f"y{i}" for i in range(len(results))]
    node = helper.make_node(sample.op.name, names, outputs, domain=sample.op.domain, **attributes)

    def value(name: str, array: Array) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, CODES[array.dtype], array.shape)

    graph = helper.make_graph(
        [node],
        "sample",
        [value(name, a) for name, a in zip(names, sample.inputs, strict=True) if a is not None],
        [value(f"y{i}", r) for i, r in enumerate(results)],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 24), helper.make_opsetid("ai.onnx.ml", 3)], ir_version=10
    )


def _foreign(model: onnx.ModelProto, feeds: dict[str, Array]) -> list[Array]:
    """onnxruntime's answer; ONNX's reference implementation's for what that does not have."""
    for opset in (24, 21):
        model.opset_import[0].version = opset
        try:
            session = onnxruntime.InferenceSession(model.SerializeToString(), _QUIET)
            return list(session.run(None, feeds))
        except (Fail, NotImplemented, InvalidGraph, InvalidArgument):
            continue
    model.opset_import[0].version = onnx.defs.onnx_opset_version()
    return list(ReferenceEvaluator(model).run(None, feeds))


@pytest.mark.parametrize("key", SAMPLES)
def test_ref_is_what_onnx_computes(key: str) -> None:
    sample = SAMPLES[key]
    feeds = {f"x{i}": a for i, a in enumerate(sample.inputs) if a is not None}
    theirs = _foreign(model_of(sample), feeds)
    for mine, other in zip(sample.op.ref(*sample.inputs), theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5)


def test_type_codes_are_onnx_s() -> None:
    for code, dtype in DTYPES.items():
        assert helper.tensor_dtype_to_np_dtype(code) == dtype

"""Pictures: every box and edge is there, the page stands alone, nothing from a model gets out of its quotes."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest

from tests.nn.onnx_models import convolutional
from tests.nn.test_onnx_import import _branches
from vortex_crypto.errors import MissingDependency
from vortex_crypto.nn.ir import Graph, Value
from vortex_crypto.nn.onnx_import import import_onnx
from vortex_crypto.nn.picture import to_dot, to_html, to_svg


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open, self.seen = list[str](), list[tuple[str, dict[str, str | None]]]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "path", "rect"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(page: str) -> _Tags:
    tags = _Tags()
    tags.feed(page)
    assert tags.open == []
    return tags


@pytest.fixture
def graph() -> Graph:
    return import_onnx(convolutional(np.random.default_rng(0)))


def test_the_page_has_every_node(graph: Graph) -> None:
    boxes = [attributes for tag, attributes in parsed(to_html(graph)).seen if "data-details" in attributes]
    assert len(boxes) == len(graph.dag) + len(graph.inputs) + len(graph.outputs)
    assert any("conv1" in str(attributes["data-details"]) for attributes in boxes)


def test_the_page_stands_alone(graph: Graph) -> None:
    page = to_html(graph)
    assert not re.search(r"https?://|src=|@import|<link", page)


def test_boxes_do_not_overlap(graph: Graph) -> None:
    rectangles = [a for tag, a in parsed(to_html(graph)).seen if tag == "rect"]
    places = [(float(a["x"] or 0), float(a["y"] or 0)) for a in rectangles]
    for i, (x, y) in enumerate(places):
        assert all(abs(x - u) >= 168 or abs(y - v) >= 44 for u, v in places[:i])


def test_subgraphs_have_figures_of_their_own() -> None:
    page = to_html(import_onnx(_branches((2,), (2,))))
    assert page.count("<section>") == 3
    assert "choice / then_branch" in page


def test_names_are_escaped() -> None:
    graph = Graph('<script>alert("&")</script>')
    graph.add_input(Value('"><img>', (1,), np.dtype(np.float32)))
    graph.outputs.append('"><img>')
    tags = [tag for tag, _ in parsed(to_html(graph)).seen]
    assert "img" not in tags
    assert tags.count("script") == 1
    assert '\\"><img>' in to_dot(graph)


def test_dot_names_every_node_and_svg_needs_graphviz(graph: Graph) -> None:
    assert to_dot(graph).count("->") == 12
    if shutil.which("dot"):
        assert "<svg" in to_svg(graph)
    else:
        with pytest.raises(MissingDependency, match="to_html"):
            to_svg(graph)

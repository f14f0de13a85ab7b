"""Pictures of a graph: a standalone HTML page, always; SVG by Graphviz, where it is installed.

The page lays the graph out itself, in layers after K. Sugiyama et al., "Methods for visual understanding of
hierarchical system structures" (1981): longest-path ranks, dummy points on long edges, barycentre sweeps against
crossings.
"""

from __future__ import annotations

import html
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from string import Template

from vortex_crypto.errors import MissingDependency
from vortex_crypto.nn.ir import Graph, Node, Value

_WIDTH, _HEIGHT, _GAP, _RISE = 168, 44, 28, 84
_SWEEPS = 8
_DOT_SECONDS = 60


@dataclass
class _Box:
    """A node, a graph input or output, or (without text) a point that a long edge passes."""

    key: str
    kind: str
    title: str = ""
    subtitle: str = ""
    details: str = ""
    rank: int = 0
    x: float = 0.0
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)

    @property
    def width(self) -> float:
        return _WIDTH if self.title else 12


def to_dot(graph: Graph) -> str:
    """The graph in Graphviz's language."""
    boxes, edges = _boxes(graph)
    lines = [f"digraph {_quoted(graph.name)} {{", "node [shape=box, style=rounded, fontname=sans];"]
    for box in boxes.values():
        lines.append(f"{_quoted(box.key)} [label={_quoted(box.title, box.subtitle)}];")
    lines += [f"{_quoted(a)} -> {_quoted(b)};" for a, b in edges]
    return "\n".join([*lines, "}"])


def _quoted(*lines: str) -> str:
    escaped = (line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") for line in lines if line)
    return '"' + "\\n".join(escaped) + '"'


def to_svg(graph: Graph) -> str:
    """The graph drawn by Graphviz.

    Raises:
        MissingDependency: the program `dot` is not installed, or fails.
    """
    dot = shutil.which("dot")
    if dot is None:
        raise MissingDependency("Graphviz's `dot` is not installed; `to_html` draws without it")
    run = subprocess.run(
        [dot, "-Tsvg"], input=to_dot(graph), capture_output=True, text=True, timeout=_DOT_SECONDS, check=False
    )
    if run.returncode:
        raise MissingDependency(f"Graphviz's `dot` failed: {run.stderr.strip()[:200]}")
    return run.stdout


def to_html(graph: Graph) -> str:
    """A page that needs nothing else: drag to move, wheel to zoom, click a box for its details."""
    figures = "\n".join(_figure(title, part) for title, part in _parts(graph.name, graph))
    return _PAGE.substitute(title=html.escape(graph.name), figures=figures)


def _parts(title: str, graph: Graph) -> Iterator[tuple[str, Graph]]:
    yield title, graph
    for node in graph.nodes():
        for key, body in node.subgraphs.items():
            yield from _parts(f"{node.name} / {key}", body)


# Boxes and edges.


def _boxes(graph: Graph) -> tuple[dict[str, _Box], list[tuple[str, str]]]:
    boxes: dict[str, _Box] = {}
    edges: list[tuple[str, str]] = []
    source = dict[str, str]()
    for name in graph.inputs:
        source[name] = f"in:{name}"
        boxes[source[name]] = _Box(source[name], "input", name, _type(graph.values[name]), "graph input")
    for node in graph.nodes():
        key = f"node:{node.name}"
        first = next((graph.values[name] for name in node.outputs if name), None)
        boxes[key] = _Box(key, "node", node.op.name, _type(first) if first else "", _details(graph, node))
        edges += [(source[name], key) for name in dict.fromkeys(node.inputs) if name in source]
        source.update((name, key) for name in node.outputs if name)
    for name in graph.outputs:
        key = f"out:{name}"
        boxes[key] = _Box(key, "output", name, _type(graph.values[name]), "graph output")
        if name in source:
            edges.append((source[name], key))
    return boxes, list(dict.fromkeys(edges))


def _type(value: Value) -> str:
    return f"{value.dtype} {' × '.join(map(str, value.shape)) or 'scalar'}"


def _details(graph: Graph, node: Node) -> str:
    lines = [f"name: {node.name}", f"operator: {node.op.fingerprint()[:400]}"]
    if node.origin and node.origin != node.name:
        lines.append(f"origin: {node.origin}")
    for title, names in (("input", node.inputs), ("output", node.outputs)):
        for name in filter(None, names):
            value = graph.values[name]
            span = f" in [{value.range.low:.4g}, {value.range.high:.4g}]" if value.range else ""
            lines.append(f"{title}: {name}, {_type(value)}{' (constant)' if name in graph.constants else ''}{span}")
    return "\n".join(lines)


# Layout.


def _layout(boxes: dict[str, _Box], edges: list[tuple[str, str]]) -> list[list[_Box]]:
    """Ranks and places; long edges get a point on every rank they cross."""
    for a, b in edges:  # boxes stand in topological order, and so do the edges into each
        boxes[b].rank = max(boxes[b].rank, boxes[a].rank + 1)
    last = max((box.rank for box in boxes.values()), default=0)
    for box in boxes.values():
        box.rank = last if box.kind == "output" else box.rank
    for a, b in edges:
        previous = a
        for rank in range(boxes[a].rank + 1, boxes[b].rank):
            key = f"via:{a}>{b}@{rank}"
            boxes[key] = _Box(key, "via", rank=rank)
            _link(boxes, previous, key)
            previous = key
        _link(boxes, previous, b)
    layers: defaultdict[int, list[_Box]] = defaultdict(list)
    for box in boxes.values():
        layers[box.rank].append(box)
    ordered = [layers[rank] for rank in sorted(layers)]
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for layer in ordered if down else reversed(ordered):
            _place(layer)
            layer.sort(key=lambda box: _center(boxes, box.before if down else box.after, box.x))
            _place(layer)
    return ordered


def _link(boxes: dict[str, _Box], a: str, b: str) -> None:
    boxes[a].after.append(b)
    boxes[b].before.append(a)


def _center(boxes: dict[str, _Box], neighbours: list[str], otherwise: float) -> float:
    return sum(boxes[key].x for key in neighbours) / len(neighbours) if neighbours else otherwise


def _place(layer: list[_Box]) -> None:
    """Put a layer's boxes side by side around 0, in their order."""
    total = sum(box.width + _GAP for box in layer) - _GAP
    left = -total / 2
    for box in layer:
        box.x = left + box.width / 2
        left += box.width + _GAP


# Drawing.


def _figure(title: str, graph: Graph) -> str:
    boxes, edges = _boxes(graph)
    layers = _layout(boxes, edges)
    reach = max((abs(box.x) + box.width / 2 for layer in layers for box in layer), default=0) + _GAP
    height = len(layers) * _RISE + _GAP
    paths = [_path(box, boxes[key]) for box in boxes.values() for key in box.after]
    drawn = [_rectangle(box) for box in boxes.values() if box.title]
    return (
        f"<section><h2>{html.escape(title)}</h2>"
        f'<svg viewBox="{-reach:.0f} {-_GAP} {2 * reach:.0f} {height}" role="img" aria-label="{html.escape(title)}">'
        f"<g>{''.join(paths)}{''.join(drawn)}</g></svg></section>"
    )


def _path(a: _Box, b: _Box) -> str:
    top = a.rank * _RISE + (_HEIGHT if a.title else _HEIGHT / 2)
    bottom = b.rank * _RISE + (0 if b.title else _HEIGHT / 2)
    middle = (top + bottom) / 2
    arrow = ' marker-end="url(#arrow)"' if b.title else ""
    return (
        f'<path d="M{a.x:.0f} {top:.0f}C{a.x:.0f} {middle:.0f} {b.x:.0f} {middle:.0f} {b.x:.0f} {bottom:.0f}"{arrow}/>'
    )


def _rectangle(box: _Box) -> str:
    title = box.title if len(box.title) <= 22 else box.title[:21] + "…"
    y = box.rank * _RISE
    return (
        f'<g class="{box.kind}" tabindex="0" data-details="{html.escape(box.details, quote=True)}">'
        f"<title>{html.escape(box.details)}</title>"
        f'<rect x="{box.x - _WIDTH / 2:.0f}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="8"/>'
        f'<text x="{box.x:.0f}" y="{y + 19}">{html.escape(title)}</text>'
        f'<text class="type" x="{box.x:.0f}" y="{y + 35}">{html.escape(box.subtitle[:30])}</text></g>'
    )


_PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>$title</title><style>
:root { --paper: #fbfaf7; --ink: #23252b; --line: #8b8f9a; --box: #fff;
 --in: #d9efe2; --out: #f6e3c9; --mark: #3f6fd8; }
@media (prefers-color-scheme: dark) { :root { --paper: #17181c; --ink: #e6e7ea; --line: #6d7280; --box: #24262d;
 --in: #1f4031; --out: #4a3820; --mark: #86a8ff; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1, h2 { font-weight: 600; margin: 1rem 1.5rem .3rem; } h1 { font-size: 1.3rem; } h2 { font-size: 1rem; }
svg { width: 100%; height: 82vh; cursor: grab; touch-action: none; }
path { fill: none; stroke: var(--line); stroke-width: 1.4; } marker path { fill: var(--line); stroke: none; }
rect { fill: var(--box); stroke: var(--line); } .input rect { fill: var(--in); } .output rect { fill: var(--out); }
g[tabindex] { cursor: pointer; outline: none; }
g[tabindex]:hover rect, g[tabindex]:focus rect { stroke: var(--mark); stroke-width: 2.2; }
text { fill: var(--ink); text-anchor: middle; font-size: 13px; font-weight: 600; }
.type { font-weight: 400; font-size: 10.5px; opacity: .75; }
pre { position: fixed; right: 1rem; bottom: 1rem; max-width: 44ch; max-height: 45vh; overflow: auto; margin: 0;
 padding: .8rem 1rem; background: var(--box); border: 1px solid var(--line); border-radius: 8px;
 white-space: pre-wrap; }
pre:empty { display: none; }
</style></head><body><h1>$title</h1>
<svg width="0" height="0" style="position:absolute"><defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4"
 markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs></svg>
$figures
<pre id="details"></pre>
<script>
const details = document.getElementById("details");
for (const box of document.querySelectorAll("g[data-details]"))
  for (const event of ["click", "focus"])
    box.addEventListener(event, () => { details.textContent = box.dataset.details; });
for (const svg of document.querySelectorAll("section svg")) {
  const view = svg.viewBox.baseVal; let from = null;
  const scale = () => Math.max(view.width / svg.clientWidth, view.height / svg.clientHeight);
  svg.addEventListener("wheel", e => {
    e.preventDefault();
    const k = Math.exp(e.deltaY / 500), r = svg.getBoundingClientRect();
    const px = (e.clientX - r.left) / r.width, py = (e.clientY - r.top) / r.height;
    view.x += view.width * (1 - k) * px; view.y += view.height * (1 - k) * py; view.width *= k; view.height *= k;
  }, { passive: false });
  svg.addEventListener("pointerdown", e => { from = [e.clientX, e.clientY]; });
  svg.addEventListener("pointermove", e => {
    if (!from) return;
    view.x -= (e.clientX - from[0]) * scale(); view.y -= (e.clientY - from[1]) * scale();
    from = [e.clientX, e.clientY];
  });
  for (const end of ["pointerup", "pointerleave"]) svg.addEventListener(end, () => { from = null; });
}
</script></body></html>
""")

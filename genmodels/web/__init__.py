"""The hand-written JavaScript and CSS of the interactive pieces, and small SVG charts that follow the theme."""

from collections.abc import Sequence
from functools import cache
from html import escape
from pathlib import Path

FOLDER = Path(__file__).parent


@cache
def asset(name: str) -> str:
    """The text of one file of this folder, e.g. `asset("pad.js")`."""
    return (FOLDER / name).read_text(encoding="utf-8")


def script(name: str) -> str:
    """The script of a piece, after what it shares with the others."""
    return f"{asset('shared.js')}\n{asset(f'{name}.js')}"


def stylesheet() -> str:
    """All style sheets of the app as one text, for `launch(css=…)`."""
    pieces = sorted(file.name for file in FOLDER.glob("*.css") if file.name != "app.css")
    return "\n".join(map(asset, ["app.css", *pieces]))


def code_bars(code: Sequence[float]) -> str:
    """A latent code as bars up (positive) and down (negative) from a middle line, as an HTML figure."""
    if not code:
        return _figure("The code", "", "no code yet")
    reach = max(1e-9, *(abs(v) for v in code))
    bars = "".join(
        f'<rect class="{"gm-up" if v >= 0 else "gm-down"}" x="{i + 0.12:.2f}" y="{(1 - max(v, 0) / reach) * 50:.2f}" '
        f'width="0.76" height="{abs(v) / reach * 50:.2f}"><title>{i + 1}: {v:.2f}</title></rect>'
        for i, v in enumerate(code)
    )
    svg = _svg(len(code), 100, f'<line class="gm-axis" x1="0" x2="{len(code)}" y1="50" y2="50"/>{bars}')
    note = f"from {min(code):.1f} to {max(code):.1f}"
    return _figure(f"Code: {len(code)} numbers", f'<div class="gm-plot">{svg}</div>', note, "gm-code")


def histogram(
    counts: Sequence[int],
    edges: Sequence[float],
    score: float,
    left: str,
    right: str,
    title: str = "How unusual is it?",
) -> str:
    """A histogram with a marker at `score`, as an HTML figure; `left` and `right` say what the two ends mean.

    A score beyond the last edge is marked at the border with an arrow.
    """
    top = max(1, *counts)
    bars = "".join(
        f'<rect class="{"gm-past" if edges[i] <= score else "gm-rest"}" x="{i + 0.06:.2f}" width="0.88" '
        f'y="{100 - 94 * n / top:.2f}" height="{94 * n / top:.2f}"/>'
        for i, n in enumerate(counts)
    )
    svg = f'<div class="gm-plot">{_svg(len(counts), 100, bars)}{_marker(score, edges)}</div>'
    ends = f'<div class="gm-ends"><span>{escape(left)}</span><span>{escape(right)}</span></div>'
    return _figure(title, svg + ends, f"score {score:.3g} among test images", "gm-histogram")


def noise_histogram(
    density: Sequence[float], normal: Sequence[float], edges: Sequence[float], title: str, note: str
) -> str:
    """The density of numbers in equal bins, with that of N(0, 1) at equal distances as a line, as an HTML figure."""
    top, n = max(*density, *normal), len(density)
    bars = "".join(
        f'<rect class="gm-rest" x="{i + 0.06:.2f}" width="0.88" y="{100 - 94 * d / top:.2f}" height="{94 * d / top:.2f}"/>'
        for i, d in enumerate(density)
    )
    points = " ".join(f"{n * i / (len(normal) - 1):.2f},{100 - 94 * d / top:.2f}" for i, d in enumerate(normal))
    svg = f'<div class="gm-plot">{_svg(n, 100, f"""{bars}<polyline class="gm-curve" points="{points}"/>""")}</div>'
    ends = "".join(f"<span>{v:g}</span>" for v in (edges[0], (edges[0] + edges[-1]) / 2, edges[-1]))
    return _figure(title, f'{svg}<div class="gm-ends">{ends}</div>', note, "gm-histogram gm-noise")


def gallery(pictures: Sequence[tuple[str, Sequence[str], bool]], columns: int) -> str:
    """Small pictures with their captions, as HTML: (data URL, lines of the caption, whether to mark it)."""
    tiles = "".join(
        f'<figure class="gm-item{" gm-marked" if marked else ""}"><img src="{url}" alt="{escape(", ".join(lines))}">'
        f"<figcaption>{'<br>'.join(escape(line) for line in lines)}</figcaption></figure>"
        for url, lines, marked in pictures
    )
    return f'<div class="gm-gallery" style="--gm-columns: {columns}">{tiles}</div>'


def solvers(steps: Sequence[int], rows: Sequence[tuple[str, Sequence[tuple[str, str] | None]]]) -> str:
    """A table of pictures as HTML: a column per number of steps, and rows (title, cells); a cell is (data URL, what to
    say of it), or None while it is not yet known."""
    head = "".join(f'<div class="gm-solvers-head">{n} {"step" if n == 1 else "steps"}</div>' for n in steps)
    lines = "".join(
        f'<div class="gm-solvers-name">{escape(title)}</div>'
        + "".join(
            _solver_cell(f"{title}, {n} steps", cell) if cell else '<div><i class="gm-solvers-wait"></i></div>'
            for n, cell in zip(steps, cells, strict=True)
        )
        for title, cells in rows
    )
    corner = '<div class="gm-solvers-corner"></div>'
    return f'<div class="gm-solvers" style="--gm-columns: {len(steps)}">{corner}{head}{lines}</div>'


def _solver_cell(where: str, cell: tuple[str, str]) -> str:
    url, text = cell
    label = escape(f"{where}: {text}")
    return f'<div class="gm-solvers-cell"><img src="{url}" alt="{label}">{escape(text)}</div>'


def two_histograms(
    up: tuple[str, Sequence[float]],
    down: tuple[str, Sequence[float]],
    edges: Sequence[float],
    score: float,
    ends: tuple[str, str],
) -> str:
    """Two histograms (what they count, shares) back to back on one axis with a marker at `score`, as an HTML figure.

    `ends` say what the left and the right end mean; a score beyond them is marked at the border with an arrow.
    """
    top = max(*up[1], *down[1], 1e-12)
    bars = "".join(
        f'<rect class="gm-past" x="{i + 0.06:.2f}" width="0.88" y="{50 - 47 * a / top:.2f}" height="{47 * a / top:.2f}"/>'
        f'<rect class="gm-rest" x="{i + 0.06:.2f}" width="0.88" y="50" height="{47 * b / top:.2f}"/>'
        for i, (a, b) in enumerate(zip(up[1], down[1], strict=True))
    )
    titles = "".join(
        f'<span><i class="{kind}"></i>{escape(title)}</span>'
        for kind, (title, _) in (("gm-key-up", up), ("gm-key-down", down))
    )
    svg = f'<div class="gm-plot">{_svg(len(up[1]), 100, bars)}{_marker(score, edges)}</div>'
    words = f'<div class="gm-ends"><span>{escape(ends[0])}</span><span>{escape(ends[1])}</span></div>'
    return _figure(
        "How real does the critic find it?",
        f'<div class="gm-key">{titles}</div>{svg}{words}',
        f"score {score:.3g}",
        "gm-histogram gm-two",
    )


def _marker(score: float, edges: Sequence[float]) -> str:
    """A line with the words "this picture" where the score is, its words on the side with more room."""
    low, high = edges[0], edges[-1]
    place = min(1.0, max(0.0, (score - low) / max(high - low, 1e-12)))
    text = "this picture ▸" if score > high else "◂ this picture" if score < low else "this picture"
    side = " gm-marker-left" if place > 0.5 else ""
    return f'<div class="gm-marker{side}" style="left:{place * 100:.2f}%"><span>{text}</span></div>'


def _svg(width: float, height: float, body: str) -> str:
    return f'<svg viewBox="0 0 {width} {height}" preserveAspectRatio="none" aria-hidden="true">{body}</svg>'


def _figure(title: str, body: str, note: str, kind: str = "") -> str:
    label = escape(f"{title}, {note}")
    inside = f'<figcaption>{escape(title)}</figcaption>{body}<div class="gm-note">{escape(note)}</div>'
    return f'<figure class="gm-figure {kind}" aria-label="{label}">{inside}</figure>'

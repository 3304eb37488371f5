"""The report as HTML; one function per section."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from jumpset.io.display import Display, display_for, png_uri, scale_of
from jumpset.report import numbers
from jumpset.report._curves import chart

if TYPE_CHECKING:
    from jumpset.running.run import Result

# Nothing is loaded from elsewhere, even if a name or a note contains a link.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


@dataclass(frozen=True)
class Subject:
    """The content of the page; all arrays have one shape and dtype, without alpha."""

    picture: np.ndarray
    truth: np.ndarray | None
    outputs: dict[str, np.ndarray]
    results: dict[str, Result]
    name: str
    command: str
    value_range: tuple[float, float] | None
    notes: tuple[str, ...]


def page(subject: Subject) -> str:
    """Return the whole document."""
    display = display_for(subject.picture, subject.value_range)
    title = subject.name or "Report"
    body = [
        _viewer(subject),
        _results(subject),
        _pictures(subject, display),
        *_details(subject, display),
    ]
    script = _asset("page.js")
    return document(title, _header(subject, title), body, footer=_provenance(), script=script)


def document(title: str, header: str, body: Iterable[str], *, footer: str = "", script: str = "") -> str:
    """Return a page with a header, sections and a footer; empty ones are left out."""
    main = "\n".join(part for part in body if part)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)} – jumpset</title>\n<style>\n{_asset('page.css')}</style>\n</head>\n<body>\n"
        f"<header>\n{header}\n</header>\n<main>\n{main}\n</main>\n"
        + (f"<footer>\n{footer}\n</footer>" if footer else "")
        + (f"\n<script>\n{script}</script>" if script else "")
        + "\n</body>\n</html>\n"
    )


def _header(subject: Subject, title: str) -> str:
    height, width = subject.picture.shape[:2]
    bands = 1 if subject.picture.ndim == 2 else subject.picture.shape[2]
    kind = {1: "gray", 3: "colour"}.get(bands, f"{bands} bands")
    parts = [f"<h1>{escape(title)}</h1>"]
    parts.append(f'<p class="quiet">{width} × {height} pixels, {kind}, {subject.picture.dtype}</p>')
    for label, result in subject.results.items():
        if result.status.name != "CONVERGED":
            parts.append(f'<p class="warn">{escape(label)}: {escape(result.status.value)}.</p>')
    return "\n".join(parts)


def _results(subject: Subject) -> str:
    """Return a table with one row per image: scores, flatness and cost."""
    f, goal, limits = subject.picture, subject.truth, subject.value_range
    # the status is the first number, since a phone shows two columns
    head = [
        "image",
        "status",
        *(numbers.SCORES if goal is not None else ()),
        "flat pixels",
        "steps",
        "seconds",
    ]

    def row(label: str, image: np.ndarray, status: str, *last: str) -> list[str]:
        scores = [] if goal is None else numbers.scores(image, goal, limits)
        return [label, status, *scores, f"{100 * numbers.flat_share(image):.1f} %", *last]

    rows = [row("Input", f, "", "", "")]
    for label, result in subject.results.items():
        ended = result.status.name.lower().replace("_", " ")
        cost = str(result.n_steps), f"{result.elapsed:.2f}"
        rows.append(row(label, subject.outputs[label], ended, *cost))
    about = "Flat pixels have a gradient of exactly zero in every band."
    if goal is not None:
        about = "Scores against the truth, at full size. " + about
    command = (
        f'<pre tabindex="0" aria-label="Command">{escape(subject.command)}</pre>' if subject.command else ""
    )
    return section("Results", f'{table(head, rows)}\n<p class="quiet">{about}</p>\n{command}')


def _viewer(subject: Subject) -> str:
    """Return the controls of the comparison; the script adds the images and unhides the section."""
    labels = list(subject.results)
    shown = ["Input", *(["Truth"] if subject.truth is not None else []), *(labels if len(labels) > 1 else [])]
    left = {label: label for label in shown}
    tabs = ""
    if len(labels) > 1:
        pills = "".join(
            f'<label class="pill"><input type="radio" name="method" value="{escape(label)}"'
            f"{' checked' if k == 0 else ''}><span>{escape(label)}</span></label>"
            for k, label in enumerate(labels)
        )
        tabs = f"<fieldset><legend>Method</legend>{pills}</fieldset>"
    sizes = {"fit": "fit", "1": "1 : 1", "2": "2 : 1", "4": "4 : 1"}
    return (
        '<section id="viewer" aria-labelledby="h-viewer" hidden>\n<h2 id="h-viewer">Before and after</h2>\n'
        f'<div class="bar">{tabs}'
        f'<label class="choice">On the left <select id="left">{_options(left)}</select></label>'
        f'<label class="choice">Size <select id="zoom">{_options(sizes)}</select></label></div>\n'
        '<div class="stage" id="stage" tabindex="0" role="group" aria-label="Image with a divider">'
        '<div class="sheet" id="sheet">'
        '<img id="under" alt=""><img class="over" id="over" alt=""><span class="line"></span></div></div>\n'
        '<input type="range" id="cut" min="0" max="100" step="0.5" value="50" '
        'aria-label="Divider between the images">\n'
        '<p class="ends" id="ends"><span id="left-name"></span><span id="right-name"></span></p>\n</section>'
    )


def _pictures(subject: Subject, display: Display) -> str:
    """Show input, truth and all outputs side by side; the viewer uses these images."""
    shown = {"Input": subject.picture}
    if subject.truth is not None:
        shown["Truth"] = subject.truth
    shown |= subject.outputs
    figures = []
    for label, array in shown.items():
        caption = f"<b>{escape(label)}</b>"
        if subject.truth is not None and label != "Truth":
            caption += f" · {numbers.psnr(array, subject.truth, subject.value_range):.2f} dB"
        figures.append(figure(display.levels(array), caption, alt=label, name=label))
    slope = display.gradient_factor(subject.picture)
    caption = f"Gradient magnitude of the input, × {slope}"
    figures.append(figure(display.gradient(subject.picture, slope), caption, alt="Gradient of the input"))
    height, width = subject.picture.shape[:2]
    notes = [*subject.notes, *display.notes]
    if scale_of(height, width) < 1:
        notes.append(
            f"Images are shown at {100 * scale_of(height, width):.0f} % of their size; numbers are not."
        )
    listed = (
        f'<ul class="notes">{"".join(f"<li>{escape(note)}</li>" for note in notes)}</ul>' if notes else ""
    )
    return section("Images", f'{listed}\n<div class="pictures">{"".join(figures)}</div>')


def _details(subject: Subject, display: Display) -> Iterable[str]:
    """Yield a section per method: difference, gradients, history and settings."""
    f = subject.picture
    factor = display.difference_factor(list(subject.outputs.values()), f)
    slope = display.gradient_factor(f)
    for label, u in subject.outputs.items():
        result = subject.results[label]
        difference = figure(
            display.difference(u, f, factor),
            f"Output minus input, × {factor}; gray is no change",
            alt=f"{label} minus input",
        )
        after = figure(
            display.gradient(u, slope),
            f"Gradient magnitude of the output, × {slope}",
            alt=f"Gradient of {label}",
        )
        charts = [
            chart(key, result.history["step"], values)
            for key, values in result.history.items()
            if key not in ("step", "seconds")
        ]
        curves = f'<h3>History</h3>\n<div class="pictures">{"".join(charts)}</div>' if any(charts) else ""
        yield (
            f'<section class="detail" data-name="{escape(label)}">\n<h2>{escape(label)}</h2>\n'
            f'{_about(result)}\n<div class="pictures">{difference}{after}</div>\n{curves}\n'
            f'<div class="columns">{_settings(result)}{_energies(subject, label)}</div>\n</section>'
        )


def _about(result: Result) -> str:
    summary = (result.method.__doc__ or "").strip().partition("\n")[0]
    paper = getattr(result.method, "paper", "")
    ended = f"Ended after {result.n_steps} steps and {result.elapsed:.2f} s: {result.status.value}."
    about = " ".join(part for part in (summary, f"({paper})" if paper else "") if part)
    return f"<p>{escape(about)}</p>\n<p>{escape(ended)}</p>"


def _settings(result: Result) -> str:
    rows = [*numbers.parameters(result.method).items()]
    return f"<div><h3>Parameters</h3>\n{table(('name', 'value'), rows, long=True)}</div>" if rows else ""


def _energies(subject: Subject, label: str) -> str:
    result = subject.results[label]
    columns = [
        numbers.energies(image, subject.picture, result.method, subject.value_range)
        for image in (subject.picture, subject.outputs[label])
    ]
    if not columns[0]:
        return ""
    neighbors = getattr(result.method, "neighbors", 4)
    names = {"e_pix": "E_pix, weight per pixel", "e_edge": f"E_edge, {neighbors} neighbours"}
    rows = [[name, *(f"{c[key]:.6g}" for c in columns)] for key, name in names.items()]
    weight = getattr(result.method, "weight", None)
    about = (
        f"‖u − f‖² + {weight:g} × the number of pixels with a gradient, or of unequal neighbours, "
        "in the images as written."
    )
    return (
        f"<div><h3>L0 energies</h3>\n{table(('energy', 'input', 'output'), rows)}\n"
        f'<p class="quiet">{escape(about)}</p></div>'
    )


def _provenance() -> str:
    rows = [*numbers.versions().items()]
    written = dt.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    return (
        f"<h2>Made with</h2>\n{table(('name', 'version'), rows, long=True)}\n"
        f'<p class="quiet">Written {escape(written)}.</p>'
    )


def figure(levels: np.ndarray, caption: str, *, alt: str, name: str | None = None) -> str:
    """Return an image with its caption (HTML); the viewer offers images with a ``name``."""
    uri, width, height = png_uri(levels)
    tiny = ' class="tiny"' if max(width, height) < 300 else ""  # enlarged without interpolation
    data = "" if name is None else f' data-name="{escape(name)}"'
    return (
        f'<figure{tiny}><img src="{uri}" width="{width}" height="{height}" alt="{escape(alt)}"{data}>'
        f"<figcaption>{caption}</figcaption></figure>\n"
    )


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, escaped: bool = False, long: bool = False
) -> str:
    """Return a table that scrolls on narrow screens; ``long`` wraps the text in its columns."""
    clean = (lambda text: text) if escaped else escape
    kind = ' class="text"' if long else ""
    top = "".join(f'<th scope="col"{kind}>{clean(text)}</th>' for text in head)
    kind = ' class="text long"' if long else ""
    lines = ""
    for name, *row in rows:
        cells = "".join(f"<td{kind}>{clean(text)}</td>" for text in row)
        lines += f'<tr><th scope="row">{clean(name)}</th>{cells}</tr>'
    return (
        '<div class="scroll" tabindex="0" role="group" aria-label="Table">'
        f"<table><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table></div>"
    )


def section(title: str, content: str) -> str:
    """Return a section with a heading, which names it as a landmark."""
    key = f"h-{title.lower().replace(' ', '-')}"
    return f'<section aria-labelledby="{key}">\n<h2 id="{key}">{escape(title)}</h2>\n{content}\n</section>'


def _options(texts: Mapping[str, str]) -> str:
    return "".join(f'<option value="{escape(v)}">{escape(text)}</option>' for v, text in texts.items())


def _asset(name: str) -> str:
    return files("jumpset.report").joinpath(name).read_text(encoding="utf-8")

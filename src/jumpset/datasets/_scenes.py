"""The families of :func:`jumpset.datasets.structure`: scenes of flat regions, drawn at a larger scale.

Every family takes a generator, a height, a width and a unit (pixels of the enlarged image per pixel of the
final one) and returns an 8-bit RGB image. Edges are hard here and become soft by downsampling.
"""

from __future__ import annotations

import math
import string
from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter

from jumpset._core.optional import needs
from jumpset.datasets._drawing import (
    Pixels,
    apply_palette,
    canvas,
    distort,
    quantize,
    random_curve,
    random_field,
    random_outline,
    rough_field,
    shrink,
    smooth_field,
)
from jumpset.datasets._palettes import palette, ramp, shade

with needs("jumpset[io]"):
    from PIL import Image, ImageFont

_Rng = np.random.Generator


def posterised(rng: _Rng, height: int, width: int, unit: float) -> Pixels:
    """Level sets of a random field, as in a posterised photograph; some levels are split again."""
    n = int(rng.integers(3, 15))
    labels = quantize(rng, random_field(rng, height, width, unit), n)
    colours = ramp(rng, n) if rng.random() < 0.8 else palette(rng, n)
    if rng.random() < 0.6:
        # a second field splits each level into shades of its colour
        inner = int(rng.integers(2, 5))
        split = quantize(rng, random_field(rng, height, width, unit), inner)
        busy = (rng.random(n) < 0.6).astype(np.uint8)
        labels = labels * np.uint8(inner) + split * busy[labels]
        colours = shade(rng, np.repeat(colours, inner, axis=0), math.exp(rng.uniform(1, 3.7)))
    return apply_palette(labels, colours)


def patches(rng: _Rng, height: int, width: int, unit: float) -> Pixels:
    """Distorted Voronoi cells; near cells have similar colours: stained glass, leaves, maps."""
    from scipy.spatial import Voronoi

    size = unit * math.exp(rng.uniform(math.log(9), math.log(110)))
    n = int(np.clip(height * width / size**2, 4, 2500))
    points = rng.random((n, 2)) * (height, width)
    if rng.random() < 0.4:
        points = points * rng.uniform((0.3, 1), (1, 1))  # elongated cells, after stretching back
        stretch = height / max(points[:, 0].max(), 1.0)
    else:
        stretch = 1.0
    frame = 3.0 * max(height, width) * np.array([(-1, -1), (-1, 1), (1, -1), (1, 1), (0, 2), (2, 0)])
    diagram = Voronoi(np.concatenate([points, frame]))
    if rng.random() < 0.7:
        tone = smooth_field(rng, height, width, rng.uniform(60, 250) * unit)
        near = tone[
            np.minimum(points[:, 0].astype(int), height - 1), np.minimum(points[:, 1].astype(int), width - 1)
        ]
        base = ramp(rng, 8)[np.clip((near * 2 + 4).astype(int), 0, 7)]
        colours = shade(rng, base, math.exp(rng.uniform(1, 3.4)))
    else:
        colours = palette(rng, n)
    border = tuple(palette(rng, 1)[0].tolist()) if rng.random() < 0.3 else None
    thick = max(1, round(unit * rng.uniform(1, 3.5)))
    image, draw = canvas(height, width, colours[0])
    for cell, colour in zip(diagram.point_region[:n], colours, strict=True):
        region = diagram.regions[cell]
        if len(region) > 2 and -1 not in region:
            corners = diagram.vertices[region] * (stretch, 1.0)
            outer = np.clip(corners[:, ::-1], -1e5, 1e5).ravel().tolist()
            draw.polygon(outer, fill=tuple(colour.tolist()))
            if border is not None:
                draw.line([*outer, *outer[:2]], fill=border, width=thick)
    drawn = np.asarray(image)
    return distort(rng, drawn, unit) if rng.random() < 0.75 else drawn


def layers(rng: _Rng, height: int, width: int, unit: float) -> Pixels:
    """Overlapping shapes, with or without outlines, on a uniform background or on another scene."""
    ground = rng.random()
    if ground < 0.45:
        base = np.empty((height, width, 3), np.uint8)
        base[:] = (255, 255, 255) if rng.random() < 0.4 else palette(rng, 1)[0]
    else:
        base = (posterised if ground < 0.75 else bands)(rng, height, width, unit)
    image, draw = canvas(height, width, base)
    size = unit * math.exp(rng.uniform(math.log(8), math.log(70)))
    n = int(np.clip(height * width / size**2 * rng.uniform(0.15, 1.2), 2, 400))
    colours = palette(rng, n)
    outlined, mirrored = rng.random() < 0.4, rng.random() < 0.2
    pen = tuple(palette(rng, 1)[0].tolist()) if rng.random() < 0.5 else (0, 0, 0)
    thick = max(1, round(unit * rng.uniform(0.8, 4)))
    for colour in colours:
        centre = rng.random(2) * (width, height)
        shape = centre + size * math.exp(rng.normal(0, 0.6)) * random_outline(rng)
        copies = [shape, (width, 0) + shape * (-1, 1)] if mirrored else [shape]
        rings = int(rng.integers(2, 6)) if rng.random() < 0.1 else 1
        for corners in copies:
            for ring in range(rings):
                middle = corners.mean(axis=0)
                points = (middle + (corners - middle) * (1 - ring / rings)).ravel().tolist()
                fill = colour if ring % 2 == 0 else 255 - colour
                draw.polygon(points, fill=tuple(fill.tolist()))
                if outlined:
                    draw.line([*points, *points[:4]], fill=pen, width=thick, joint="curve")
    return np.asarray(image)


def bands(rng: _Rng, height: int, width: int, unit: float) -> Pixels:
    """Ridges behind each other under a sky, as in landscapes; or vertical, as in curtains."""
    upright = rng.random() < 0.25
    if upright:
        height, width = width, height
    n = int(rng.integers(2, 9))
    sky = 5 if rng.random() < 0.5 else 1
    colours = ramp(rng, n + 1) if rng.random() < 0.7 else palette(rng, n + 1)
    table = [ramp(rng, sky, around=colours[0])]
    labels = quantize(rng, random_field(rng, height, width, unit), sky)
    rows = np.arange(height, dtype=np.float32)[:, None]
    for k, colour in enumerate(colours[1:]):
        ridge = rough_field(rng, 1, width, unit * rng.uniform(60, 400), rng.uniform(2, 4.5), unit)[0]
        crest = height * (k + rng.uniform(0.4, 1.2)) / (n + 0.5) + unit * rng.uniform(2, 25) * ridge
        shades = int(rng.integers(2, 5)) if rng.random() < 0.4 else 1
        inner = quantize(rng, random_field(rng, height, width, unit), shades) + np.uint8(sum(map(len, table)))
        np.copyto(labels, inner, where=rows > crest)
        table.append(shade(rng, np.repeat(colour[None], shades, axis=0), rng.uniform(5, 25)))
    scene = apply_palette(labels, np.concatenate(table))
    return scene.transpose(1, 0, 2) if upright else scene


def blocks(rng: _Rng, height: int, width: int, unit: float) -> Pixels:
    """Recursively divided rectangles, some with stripes or checks: facades, windows, tables."""
    image, draw = canvas(height, width, palette(rng, 1)[0])
    least = unit * math.exp(rng.uniform(math.log(5), math.log(60)))
    colours = palette(rng, int(rng.integers(3, 12)))
    gap, pattern = unit * rng.integers(0, 4), rng.uniform(0, 0.3)
    boxes = [(0.0, 0.0, float(width), float(height))]
    while boxes:
        left, top, right, bottom = boxes.pop()
        wide, high = right - left, bottom - top
        if max(wide, high) > 2 * least and (rng.random() < 0.85 or max(wide, high) > 6 * least):
            at = rng.uniform(0.25, 0.75)
            if wide * rng.uniform(0.6, 1.6) > high:
                cut = left + at * wide
                boxes += [(left, top, cut, bottom), (cut, top, right, bottom)]
            else:
                cut = top + at * high
                boxes += [(left, top, right, cut), (left, cut, right, bottom)]
            continue
        first, second = (tuple(c.tolist()) for c in colours[rng.integers(len(colours), size=2)])
        if wide <= 2 * gap or high <= 2 * gap:
            continue
        left, top, right, bottom = left + gap, top + gap, right - gap, bottom - gap
        draw.rectangle((left, top, right, bottom), fill=first)
        if rng.random() < pattern:
            step = unit * rng.uniform(3, 10)
            for k, y in enumerate(np.arange(top, bottom, step)):
                for x in np.arange(left + step * (k % 2), right, 2 * step) if rng.random() < 0.5 else [left]:
                    box = (x, y, min(x + step, right), min(y + step / 2, bottom))
                    draw.rectangle(box, fill=second)
    scene = np.asarray(image)
    return distort(rng, scene, unit) if rng.random() < 0.3 else scene


def patterns(rng: _Rng, height: int, width: int, unit: float) -> Pixels:
    """Regions of regular, high-contrast patterns, which count as structure: stripes, checks, rings, waves."""
    n = int(rng.integers(1, 5))
    where = quantize(rng, smooth_field(rng, height, width, rng.uniform(40, 250) * unit), n)
    labels, table = np.zeros((height, width), np.uint8), []
    y, x = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)[None, :]
    for label in range(n):
        period = np.float32(unit * math.exp(rng.uniform(math.log(4), math.log(40))))
        angle = rng.uniform(0, math.pi) if rng.random() < 0.6 else math.pi / 2 * int(rng.integers(2))
        along, across = math.cos(angle) * x + math.sin(angle) * y, math.cos(angle) * y - math.sin(angle) * x
        if rng.random() < 0.4:
            amplitude = period * np.float32(rng.uniform(0.2, 2))
            along = along + amplitude * smooth_field(rng, height, width, 10 * period)
        kind = rng.integers(4)
        if kind == 0:
            along = np.hypot(x - np.float32(rng.uniform(0, width)), y - np.float32(rng.uniform(0, height)))
        share = np.float32(rng.uniform(0.2, 0.8))
        on = along % period < share * period
        if kind == 1:
            on = on ^ (across % period < share * period)
        elif kind == 2:
            on = on & (across % period < np.float32(rng.uniform(0.3, 1)) * period)
        table.append(ramp(rng, 2) if rng.random() < 0.4 else palette(rng, 2))
        np.copyto(labels, np.uint8(2 * label) + on, where=where == label)
    return apply_palette(labels, np.concatenate(table))


def strokes(rng: _Rng, height: int, width: int, unit: float) -> Pixels:
    """Thin and thick curves on a background: drawings, hair, roads, wires."""
    plain = rng.random() < 0.5
    base = palette(rng, 1)[0] if plain else (posterised, patches)[rng.integers(2)](rng, height, width, unit)
    image, draw = canvas(height, width, base)
    size = unit * rng.uniform(20, 120)
    n = int(np.clip(height * width / size**2 * rng.uniform(0.3, 3), 3, 300))
    colours = palette(rng, int(rng.integers(1, 6)))
    thickest = unit * math.exp(rng.uniform(0, math.log(8)))
    for _ in range(n):
        points = rng.random(2) * (width, height) + size * random_curve(rng)
        colour = tuple(colours[rng.integers(len(colours))].tolist())
        thick = max(1, round(thickest * rng.uniform(0.3, 1)))
        draw.line(points.ravel().tolist(), fill=colour, width=thick, joint="curve")
    return np.asarray(image)


def letters(rng: _Rng, height: int, width: int, unit: float) -> Pixels:
    """Lines of random words on a background."""
    base = palette(rng, 1)[0] if rng.random() < 0.6 else layers(rng, height, width, unit)
    if rng.random() < 0.3:
        base = np.array((255, 255, 255), np.uint8)
    image, draw = canvas(height, width, base)
    signs = string.ascii_letters + string.digits + ".,:;!?&%()"
    y = -rng.uniform(0, 10) * unit
    while y < height:
        size = max(6, round(unit * math.exp(rng.uniform(math.log(7), math.log(60)))))
        font = ImageFont.load_default(size)
        draw.fontmode = "1"  # hard edges, which become soft by downsampling
        text = "".join(rng.choice(list(signs + 12 * " "), size=int(2.2 * width / size) + 2))
        fill = tuple(palette(rng, 1)[0].tolist())
        draw.text(
            (-rng.uniform(0, size), y),
            text,
            fill=fill,
            font=font,
            stroke_width=int(size * rng.uniform(0, 0.06)),
        )
        y += size * rng.uniform(1, 2.5)
    scene = np.asarray(image)
    return distort(rng, scene, unit) if rng.random() < 0.25 else scene


def gradients(rng: _Rng, height: int, width: int, unit: float) -> Pixels:
    """Another scene with regions that have a linear or radial colour gradient."""
    scene = layers(rng, height, width, unit) if rng.random() < 0.5 else posterised(rng, height, width, unit)
    scene = scene.copy()
    y, x = np.ogrid[:height, :width]
    where = quantize(rng, smooth_field(rng, height, width, rng.uniform(60, 300) * unit), 4)
    for label in range(int(rng.integers(1, 4))):
        if rng.random() < 0.5:
            run = np.hypot(x - rng.uniform(0, width), y - rng.uniform(0, height)).astype(np.float32)
        else:
            run = (rng.normal() * x + rng.normal() * y).astype(np.float32)
        run = (run - run.min()) / max(float(np.ptp(run)), 1e-6)
        begin, end = palette(rng, 2).astype(np.float32)
        if rng.random() < 0.6:
            end = begin + (end - begin) * rng.uniform(0.1, 0.5)
        inside = where == label
        scene[inside] = np.rint(begin + run[inside][:, None] * (end - begin)).astype(np.uint8)
    return scene


def collage(rng: _Rng, height: int, width: int, unit: float) -> Pixels:
    """Two scenes, combined by the level set of a random field."""
    first, second = (FAMILIES[k](rng, height, width, unit) for k in rng.integers(len(FAMILIES) - 1, size=2))
    through = random_field(rng, height, width, unit) > rng.normal(0, 0.5)
    return np.where(through[..., None], first, second)


FAMILIES: tuple[Callable[[_Rng, int, int, float], Pixels], ...] = (
    posterised, patches, layers, bands, blocks, patterns, strokes, letters, gradients, collage,
)  # fmt: skip
SHARES = (0.28, 0.16, 0.12, 0.09, 0.06, 0.05, 0.05, 0.05, 0.05, 0.09)


def random_scene(rng: _Rng, height: int, width: int) -> Pixels:
    """Draw a random structure as 8-bit RGB."""
    parts = int(rng.choice([1, 2, 3], p=[0.1, 0.6, 0.3]))
    # different viewing distances
    unit = parts * np.exp(rng.uniform(np.log(0.6), np.log(1.8)))
    family = FAMILIES[rng.choice(len(FAMILIES), p=SHARES)]
    large = Image.fromarray(family(rng, parts * height, parts * width, float(unit)))
    small = shrink(rng, large, (width, height), parts)
    if rng.random() < 0.15:
        sigma = rng.uniform(0.3, 0.7)
        small = np.rint(gaussian_filter(small.astype(np.float32), (sigma, sigma, 0))).astype(np.uint8)
    return small

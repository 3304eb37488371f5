"""Labels in the plots of reports: near their dots, without overlaps."""

import itertools

import numpy as np

from jumpset.report._labels import overlap, place


def boxes_of(ends):
    return {name: (u, v - 11, u + 7 * len(name), v + 3) for name, (u, v) in ends.items()}


def test_thirty_crowded_names_do_not_overlap():
    rng = np.random.default_rng(0)
    dots = {
        f"method-{k:02d}": (float(x), float(y))
        for k, (x, y) in enumerate(rng.normal((380, 180), (150, 60), (30, 2)))
    }
    boxes = boxes_of(place(dots, 760, 370))
    for (_, a), (_, b) in itertools.combinations(boxes.items(), 2):
        assert not overlap(a, b)
    for name, a in boxes.items():
        assert min(a) >= 0, name
        assert a[2] <= 760, name
        assert a[3] <= 370, name
        assert not any(overlap(a, (x - 4, y - 4, x + 4, y + 4)) for x, y in dots.values())


def test_a_single_name_is_at_the_right_and_near_the_border_at_the_left():
    assert place({"tv": (100.0, 50.0)}, 760, 370) == {"tv": (108.0, 54.0)}
    ((u, _),) = place({"tv": (750.0, 50.0)}, 760, 370).values()
    assert u + 14 <= 745


def test_overlap():
    assert overlap((0, 0, 2, 2), (1, 1, 3, 3))
    assert not overlap((0, 0, 2, 2), (2, 0, 3, 2))


def test_names_are_placed_even_without_free_space():
    dots = {f"m{k}": (10.0, 10.0) for k in range(60)}
    assert set(place(dots, 40, 20)) == set(dots)

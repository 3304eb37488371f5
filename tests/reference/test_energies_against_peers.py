"""Energies on a public photograph: region fusion at its stated level, L0 below OpenCV's implementation."""

import cv2
import pytest
from skimage import data

import jumpset as js


@pytest.fixture(scope="module")
def astronaut():
    return data.astronaut()


def energies(image, smoothed, weight):
    u, f = smoothed / 255.0, image / 255.0
    return js.metrics.energy_pix(u, f, weight), js.metrics.energy_edge(u, f, weight)


def test_region_fusion_energy(astronaut):
    f = astronaut / 255.0
    u = js.smooth(f, "region-fusion", weight=0.02)
    assert js.metrics.energy_edge(u, f, 0.02) < 1940


@pytest.mark.parametrize("weight", [0.005, 0.02, 0.05])
def test_l0_is_below_opencv(astronaut, weight):
    theirs = energies(astronaut, cv2.ximgproc.l0Smooth(astronaut, None, weight, 2.0), weight)
    ours = energies(astronaut, js.smooth(astronaut, "l0", preset="paper", weight=weight), weight)
    assert ours[0] < theirs[0]
    assert ours[1] < theirs[1]


def test_opencv_is_read_rightly(astronaut):
    """The peer smooths at all: the comparison above compares two smoothers."""
    theirs = cv2.ximgproc.l0Smooth(astronaut, None, 0.02, 2.0)
    assert js.metrics.jump_count(theirs) < 0.6 * js.metrics.jump_count(astronaut)

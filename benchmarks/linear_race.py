"""Compare FGS and guided with OpenCV, WLS and RTV with a sparse direct solver: seconds, largest difference.

    python benchmarks/linear_race.py [IMAGE ...] [--direct]

The default image is the scikit-image astronaut (512×512 RGB). All methods work on float32 images in [0, 1].
Seconds are the median (minimum … maximum) of 7 runs after one that compiles. The direct solves (SciPy's
SuperLU, in double precision) take seconds each and run once, with --direct. Differences are of intensities
in [0, 1]; for guided they exclude the border, where OpenCV reflects the image and jumpset truncates the
window.

Minimal memory traffic: FGS reads and writes the image twice per step (rows, columns), that is six times in
three steps, and the link weights as well; guided reads and writes some 33 maps for three channels (9 means,
6 + 9 products, 12 coefficients, twice); one step of conjugate gradients moves about 16 images. Minimal
arithmetic, in operations per pixel and channel: FGS 24, guided about 60, one step of conjugate gradients
about 30.
"""

import sys
import time

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.sparse import diags, identity
from scipy.sparse.linalg import spsolve
from skimage import data
from timing import measure

import jumpset as js
from jumpset.smoothers import FGS, RTV, WLS, Guided


def direct(right, down, f):
    """Solve (I + L) u = f for every channel by a sparse factorisation in double precision."""
    width = right.shape[1]
    a, b = right.ravel()[:-1].astype(float), down.ravel()[:-width].astype(float)
    off = diags([-a, -a, -b, -b], [1, -1, width, -width])
    matrix = off - diags(np.asarray(off.sum(1)).ravel()) + identity(right.size)
    return spsolve(matrix.tocsc(), f.reshape(-1, f.shape[2]).astype(float)).reshape(f.shape)


def direct_wls(f, weight=1.0, exponent=1.2):
    """Solve the paper's system with joint weights of all channels."""
    logarithm = np.log(f + 1e-4)
    right, down = np.zeros(f.shape[:2]), np.zeros(f.shape[:2])
    right[:, :-1] = weight / (np.linalg.norm(np.diff(logarithm, axis=1), axis=2) ** exponent + 1e-4)
    down[:-1] = weight / (np.linalg.norm(np.diff(logarithm, axis=0), axis=2) ** exponent + 1e-4)
    return direct(right, down, f)


def direct_rtv(f, method):
    """Run RTV with a direct solve in every step."""
    s, sigma = f.astype(float), method.sigma
    for _ in range(method.n_steps):
        g = [np.diff(s, axis=a, append=np.take(s, [-1], axis=a)) for a in (1, 0)]
        shared = method.weight / 2 / np.maximum(np.sqrt(g[0] ** 2 + g[1] ** 2).mean(2), method.sharpness)
        blurred = gaussian_filter(s, (sigma, sigma, 0), truncate=2.5)
        b = [np.diff(blurred, axis=a, append=np.take(blurred, [-1], axis=a)) for a in (1, 0)]
        right, down = (shared / np.maximum(np.abs(x).mean(2), 1e-3) for x in b)
        right[:, -1] = down[-1] = 0.0
        s, sigma = direct(right, down, f), max(sigma / 2, 0.5)
    return s


def show(name, ours, seconds, theirs, other_seconds, inner=slice(None)):
    """Print one line of the table."""
    difference = np.abs(np.asarray(ours, float) - theirs)[inner, inner].max()
    print(f"  {name:10s} jumpset {seconds}   other {other_seconds}   largest difference {difference:.2e}")


def race(image, with_direct):
    """Compare all four methods on one image."""
    f = image.astype(np.float32) / 255
    copy = measure(f.copy, repeats=50)
    print(f"  one copy of the float image {1e3 * copy.median:.2f} ms")

    def fgs():
        return js.smooth(f, FGS(900.0, sigma=0.1))

    def opencv_fgs():
        return cv2.ximgproc.fastGlobalSmootherFilter(image, f, 900 * 8 / 21, 25.5)

    def guided():
        return js.smooth(f, Guided(0.01, radius=4))

    def opencv_guided():
        return cv2.ximgproc.guidedFilter(f, f, 4, 0.01)

    show("fgs", fgs(), measure(fgs), opencv_fgs(), measure(opencv_fgs))
    show("guided", guided(), measure(guided), opencv_guided(), measure(opencv_guided), slice(8, -8))
    wls, rtv = WLS(1.0, exponent=1.2, epsilon=1e-4), RTV()
    for method in (wls, rtv):
        result = js.run(f, method)
        counts = ", ".join(f"{n:.0f}" for n in result.history["iterations"][1:])
        seconds = measure(lambda m=method: js.run(f, m), repeats=3)
        print(f"  {method.name:10s} jumpset {seconds}   iterations {counts}, residual {method.tol:g}")
        if with_direct:
            began = time.perf_counter()
            theirs = direct_wls(f) if method is wls else direct_rtv(f, method)
            show(method.name, result.image, seconds, theirs, f"{time.perf_counter() - began:.2f}")


def main() -> None:
    paths = [a for a in sys.argv[1:] if a != "--direct"]
    images = {p: js.io.read_picture(p).pixels for p in paths} or {"astronaut": data.astronaut()}
    for name, image in images.items():
        print(f"{name} {image.shape}")
        race(image, "--direct" in sys.argv)


if __name__ == "__main__":
    main()

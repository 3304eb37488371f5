"""Measure the megapixels of training pairs per second of ``datasets.batches`` on one core.

Run on an idle machine: OMP_NUM_THREADS=1 python benchmarks/synthesis_speed.py [--seconds 20]
"""

import argparse
import time

import jumpset as js


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    for batch_size, size in ((16, 96), (32, 128)):
        batches = js.datasets.batches(batch_size, size)
        began = time.process_time()
        for _ in range(4):
            next(batches)  # fills the scenes of every lane
        first, began, n = time.process_time() - began, time.process_time(), 0
        while time.process_time() - began < options.seconds:
            next(batches)
            n += 1
        speed = n * batch_size * size**2 / (time.process_time() - began) / 1e6
        print(f"{batch_size} x {size}²: first four {first:.1f} s, then {speed:.2f} Mpx/s (CPU time)")


if __name__ == "__main__":
    main()

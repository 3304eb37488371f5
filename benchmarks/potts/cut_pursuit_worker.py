"""Run pycut-pursuit, which needs numpy < 2, in a separate Python: IMAGE.npy WEIGHT ANSWER.npy.

Prints "ready". For each line of its input it then runs once, writes the labels, and prints "done" and the
seconds of the call alone, in float32, on two threads.
"""

import sys
import time

import numpy as np
from pycut_pursuit.cp_d0_dist import cp_d0_dist

f = np.load(sys.argv[1]).astype(np.float32)
height, width, bands = f.shape
pixel = np.arange(height * width, dtype=np.uint32).reshape(height, width)
source = np.concatenate([pixel[:, :-1].ravel(), pixel[:-1].ravel()])
target = np.concatenate([pixel[:, 1:].ravel(), pixel[1:].ravel()])
order = np.argsort(source, kind="stable")
first = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=pixel.size))]).astype(np.uint32)
target, values = target[order].astype(np.uint32), np.asfortranarray(f.reshape(-1, bands).T)
print("ready", flush=True)
for _ in sys.stdin:
    began = time.perf_counter()
    label = cp_d0_dist(
        bands, values, first, target, edge_weights=float(sys.argv[2]), verbose=False, max_num_threads=2
    )[0]
    seconds = time.perf_counter() - began
    if label.max() == 65535:
        raise SystemExit("more components than uint16 can number")
    np.save(sys.argv[3], label.reshape(height, width))
    print("done", seconds, flush=True)

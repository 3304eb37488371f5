// From merges to a tree that can be cut: weights that do not fall towards the root, and the coarse end of the tree.
import { mergeAll } from "./merge.js";

const FINEST = 1 << 17; // regions of the finest partition, as in jumpset.app.packing

/** The tree of an image of 8 bits, `data` its RGBA levels, as cut.js takes it. */
export function treeOf(data, height, width, progress) {
  const n = height * width;
  let isGray = true, isOpaque = true;
  for (let q = 0; q < 4 * n; q += 4) {
    if (data[q] !== data[q + 1] || data[q] !== data[q + 2]) isGray = false;
    if (data[q + 3] !== 255) isOpaque = false;
  }
  const bands = isGray ? 1 : 3;
  const pixels = new Float32Array(n * bands);
  for (let p = 0; p < n; p++) for (let b = 0; b < bands; b++) pixels[p * bands + b] = data[4 * p + b] / 255;
  const merges = mergeAll(pixels, height, width, bands, progress);
  const alpha = isOpaque ? null : Uint8Array.from({ length: n }, (_, p) => data[4 * p + 3]);
  return {
    height, width, bands, pixels, alpha, is_double: false, is_whole: true, is_bool: false,
    base: 0, span: 255, low: 0, high: 255, ...hierarchy(merges, n),
  };
}

/** The partition of at most FINEST regions, and the merges from there on. */
function hierarchy(merges, n) {
  const { count, into } = merges;
  const weight = persistentWeights(merges);
  const order = new Uint32Array(count).map((_, t) => t).sort((a, b) => weight[a] - weight[b] || a - b);
  const rank = new Int32Array(n).fill(n);
  order.forEach((t, place) => { rank[merges.child[t]] = place; });
  const done = n - Math.min(Math.max(FINEST, n - count), n);
  const labels = new Int32Array(n), number = new Int32Array(n).fill(-1);
  let regions = 0;
  for (let p = 0; p < n; p++) {
    let i = p;
    while (rank[i] < done) i = into[i];
    if (number[i] < 0) number[i] = regions++;
    labels[p] = number[i];
  }
  const rest = order.slice(done);
  return {
    labels, n_labels: regions, n_merges: rest.length,
    child: Int32Array.from(rest, (t) => labels[merges.child[t]]),
    into: Int32Array.from(rest, (t) => labels[into[merges.child[t]]]),
    weights: Float64Array.from(rest, (t) => weight[t]),
  };
}

/** Weights of the merges such that each cut of the tree is the best one: a merge is pooled with those below it of larger weight. */
function persistentWeights({ child, into, rise, cost, count }) {
  const last = new Int32Array(into.length).fill(-1); // the latest merge of a region
  const none = () => new Int32Array(count).fill(-1);
  const below = none(), left = none(), right = none(), pooled = none();
  const rises = Float64Array.from(rise.subarray(0, count)), costs = Float64Array.from(cost.subarray(0, count));
  const weight = new Float64Array(count);

  function meld(a, b) { // two skew heaps, the largest weight on top
    if (a < 0 || b < 0) return Math.max(a, b);
    if (weight[b] > weight[a]) [a, b] = [b, a];
    const top = a;
    for (;;) {
      let rest = right[a];
      right[a] = left[a];
      if (rest < 0) {
        left[a] = b;
        return top;
      }
      if (weight[b] > weight[rest]) [rest, b] = [b, rest];
      left[a] = rest;
      a = rest;
    }
  }

  for (let t = 0; t < count; t++) {
    const i = child[t], j = into[i];
    let pools = meld(last[i], last[j]);
    last[j] = t;
    while (pools >= 0 && weight[pools] * costs[t] >= rises[t]) {
      rises[t] += rises[pools];
      costs[t] += costs[pools];
      pooled[pools] = t;
      pools = meld(meld(left[pools], right[pools]), below[pools]);
    }
    below[t] = pools;
    weight[t] = rises[t] / costs[t];
  }
  for (let t = count - 1; t >= 0; t--) if (pooled[t] >= 0) weight[t] = weight[pooled[t]];
  return weight;
}

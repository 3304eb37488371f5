// The tree of region merging, as jumpset.RegionTree builds it for an image with 4 neighbours and without a mask: first in
// rounds, in which all pairs merge that are each other's best neighbours, then best first. All operations have the order
// and the precision of the package's kernels (jumpset/kernels/regions/merge_rounds.py and merge_tree.py), which hold
// images of 8 bits in float32, so that the trees are equal, merge by merge. `round` rounds to float32.
import { mergeBestFirst } from "./best_first.js";
import { distance } from "./distance.js";

const FREE_ROUNDS = 3, QUANTILE = 0.7, LEFT = 12, SLOWEST = 0.02;
const round = Math.fround;

/** `pixels`: intensities as float32, `bands` a pixel. Returns {child, into, rise, cost, count}: the merges in their order. */
export function mergeAll(pixels, height, width, bands, progress = () => {}) {
  const n = height * width;
  const merges = {
    child: new Int32Array(n), into: Int32Array.from({ length: n }, (_, i) => i),
    rise: new Float32Array(n), cost: new Float32Array(n), count: 0,
  };
  let graph = firstGraph(pixels, height, width, bands);
  for (let k = 0; k < 10000; k++) {
    const size = graph.best.length, before = merges.count;
    const pairs = match(graph, k < FREE_ROUNDS ? Infinity : quantile(graph.weight), merges);
    graph = contract(graph, pairs, bands, height, width);
    progress(merges.count / Math.max(1, n - 1));
    if (pairs.first.length * LEFT <= n || merges.count - before < SLOWEST * size) break;
  }
  mergeBestFirst(graph, bands, merges, (count) => progress(count / Math.max(1, n - 1)));
  return merges;
}

function quantile(weight) {
  const finite = weight.filter((w) => w < Infinity).sort();
  // with some room, since the two weights of a pair may differ by rounding
  return finite.length ? finite[Math.min(Math.floor(QUANTILE * finite.length), finite.length - 1)] * (1 + 1e-5) : Infinity;
}

/** Every pixel is a region; its neighbours are right, below, left and above, at a boundary of 1. */
function firstGraph(pixels, height, width, bands) {
  const n = height * width;
  const graph = {
    leaf: null, mass: null, mean: pixels, start: null, target: null, cost: null,
    count: new Int32Array(n), best: new Int32Array(n), weight: new Float32Array(n), price: new Float32Array(n),
  };
  const around = new Int32Array(4);
  for (let i = 0; i < n; i++) {
    const count = neighbors(i, height, width, around);
    let near = Infinity, found = -1, price = 0;
    for (let s = 0; s < count; s++) {
      const j = around[s];
      const a = 0.5 * distance(pixels, bands, i, j);
      if (a < near || (a === near && found >= 0 && isBefore(i, j, found))) [near, found, price] = [a, j, 1];
    }
    graph.count[i] = count;
    graph.best[i] = found;
    graph.weight[i] = near;
    graph.price[i] = price;
  }
  return graph;
}

function neighbors(i, height, width, around) {
  const x = i % width;
  let count = 0;
  if (x + 1 < width) around[count++] = i + 1;
  if (i + width < height * width) around[count++] = i + width;
  if (x > 0) around[count++] = i - 1;
  if (i >= width) around[count++] = i - width;
  return count;
}

/** The pairs that merge: the number of each region's successor, and the one or two regions that it is made of. */
function match(graph, level, merges) {
  const { leaf, mass, best, weight, price, count } = graph;
  const size = best.length;
  const number = new Int32Array(size), first = new Int32Array(size), second = new Int32Array(size), start = new Int32Array(size);
  let k = 0, room = 0, t = merges.count;
  for (let i = 0; i < size; i++) {
    const j = best[i];
    const pairs = j >= 0 && best[j] === i && weight[Math.min(i, j)] <= level;
    if (pairs && j < i) {
      number[i] = number[j];
      continue;
    }
    number[i] = k;
    first[k] = i;
    second[k] = pairs ? j : -1;
    start[k] = room;
    room += count[i];
    if (pairs) {
      room += count[j] - 2;
      let a = j, b = i; // the smaller region takes the name of the larger one
      if (mass && mass[i] < mass[j]) [a, b] = [i, j];
      if (leaf) [a, b] = [leaf[a], leaf[b]];
      merges.child[t] = a;
      merges.into[a] = b;
      merges.rise[t] = weight[i] * price[i];
      merges.cost[t] = price[i];
      t++;
    }
    k++;
  }
  merges.count = t;
  return { number, first: first.slice(0, k), second, start: start.slice(0, k), room };
}

function contract(graph, { number, first, second, start, room }, bands, height, width) {
  const size = first.length;
  const made = {
    leaf: new Int32Array(size), mass: new Float32Array(size), mean: new Float32Array(size * bands), start,
    count: new Int32Array(size), target: new Int32Array(room), cost: new Float32Array(room),
    best: new Int32Array(size), weight: new Float32Array(size), price: new Float32Array(size),
  };
  for (let k = 0; k < size; k++) joinMeans(graph, made, k, first[k], second[k], bands);
  const place = new Int32Array(size).fill(-1); // of each region in the list at hand
  const around = new Int32Array(4);
  for (let k = 0; k < size; k++) {
    const base = start[k];
    let end = base;
    const add = (j, c) => {
      if (j === k) return;
      let f = place[j];
      if (f < base || f >= end || made.target[f] !== j) {
        f = place[j] = end++;
        made.target[f] = j;
        made.cost[f] = c;
      } else made.cost[f] += c;
    };
    for (let part = 0; part < 2; part++) {
      const q = part === 0 ? first[k] : second[k];
      if (q < 0) break;
      if (graph.leaf === null) {
        const count = neighbors(q, height, width, around);
        for (let s = 0; s < count; s++) add(number[around[s]], 1);
      } else {
        const last = graph.start[q] + graph.count[q];
        for (let e = graph.start[q]; e < last; e++) add(number[graph.target[e]], graph.cost[e]);
      }
    }
    setBest(made, k, base, end, bands);
  }
  return made;
}

function joinMeans(graph, made, k, i, j, bands) {
  const { leaf, mass, mean } = graph;
  const m = mass ? mass[i] : 1;
  let share = 0;
  if (j < 0) {
    j = i;
    made.mass[k] = m;
  } else {
    let other = mass ? mass[j] : 1;
    made.mass[k] = m + other;
    if (m < other) [i, j, other] = [j, i, m];
    share = other / made.mass[k];
  }
  made.leaf[k] = leaf ? leaf[i] : i;
  for (let b = 0; b < bands; b++) {
    const own = mean[i * bands + b];
    made.mean[k * bands + b] = own + share * round(mean[j * bands + b] - own);
  }
}

function setBest(graph, k, base, end, bands) {
  const { mass, mean, target, cost } = graph;
  let near = Infinity, found = -1, price = 0;
  for (let e = base; e < end; e++) {
    const j = target[e];
    const a = round(mass[k] * mass[j]) * distance(mean, bands, k, j) / round(round(mass[k] + mass[j]) * cost[e]);
    if (a < near || (a === near && found >= 0 && isBefore(k, j, found))) {
      near = a;
      found = j;
      price = cost[e];
    }
  }
  graph.count[k] = end - base;
  graph.best[k] = found;
  graph.weight[k] = near;
  graph.price[k] = price;
}

// Ties are decided by a hash of 64 bits of the two numbers, here as two halves.

const hash = new Uint32Array(2);

function isBefore(i, j, k) {
  setHash(i, j);
  const high = hash[0], low = hash[1];
  setHash(i, k);
  return high < hash[0] || (high === hash[0] && low < hash[1]);
}

function setHash(i, j) {
  hash[0] = Math.min(i, j);
  hash[1] = Math.max(i, j);
  mix(31, 0x9e3779b9, 0x7f4a7c15);
  mix(29, 0xbf58476d, 0x1ce4e5b9);
  hash[1] ^= hash[0]; // a shift by 32
}

/** h = (h ^ (h >> shift)) * factor, modulo 2⁶⁴. */
function mix(shift, factorHigh, factorLow) {
  const low = hash[1] ^ ((hash[0] << (32 - shift)) | (hash[1] >>> shift));
  const high = hash[0] ^ (hash[0] >>> shift);
  const a = low & 0xffff, b = low >>> 16, c = factorLow & 0xffff, d = factorLow >>> 16;
  const middle = a * d + Math.floor(a * c / 65536);
  const crossed = b * c + middle % 65536;
  const carried = b * d + Math.floor(middle / 65536) + Math.floor(crossed / 65536);
  hash[1] = Math.imul(low, factorLow);
  hash[0] = carried + Math.imul(low, factorHigh) + Math.imul(high, factorLow); // stored modulo 2³²
}

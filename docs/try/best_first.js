// The merges after the rounds: the pair of least weight first. A heap holds one key a region, its least weight with
// a neighbour of its class of size or a higher one; a key is computed again when it reaches the top.

import { distance } from "./distance.js";

const classOf = (mass) => 32 - Math.clz32(mass);

/** Merge the regions of a graph until none has a neighbour, and add the merges. */
export function mergeBestFirst(graph, bands, merges, progress) {
  const state = linked(graph, bands), heap = new Heap(state.head.length);
  for (let i = 0; i < state.head.length; i++) {
    scan(state, i);
    heap.keys[i] = state.key[i];
  }
  heap.build();
  for (let chunk = Math.max(1, graph.leaf.length >> 4), left = chunk; heap.size > 1; ) {
    const i = heap.items[0];
    if (!(state.key[i] < Infinity)) break;
    const e = scan(state, i);
    let second = heap.keys[1];
    for (let s = 2; s < Math.min(5, heap.size); s++) second = Math.min(second, heap.keys[s]);
    if (e < 0 || state.key[i] > second) {
      heap.down(0, i, state.key[i]);
      continue;
    }
    heap.keys[0] = state.key[i];
    mergeOne(state, heap, merges, graph.leaf, i, e);
    if (--left === 0) {
      left = chunk;
      progress(merges.count);
    }
  }
}

function linked(graph, bands) {
  const size = graph.leaf.length;
  const after = Int32Array.from({ length: graph.target.length }, (_, e) => e + 1);
  const head = new Int32Array(size).fill(-1), tail = new Int32Array(size).fill(-1);
  for (let i = 0; i < size; i++) {
    if (graph.count[i] === 0) continue;
    head[i] = graph.start[i];
    tail[i] = graph.start[i] + graph.count[i] - 1;
    after[tail[i]] = -1;
  }
  return {
    bands, head, tail, after, mass: Float64Array.from(graph.mass), mean: graph.mean, target: graph.target, cost: graph.cost,
    parent: Int32Array.from({ length: size }, (_, i) => i),
    key: new Float32Array(size), stamp: new Float64Array(size), slot: new Int32Array(size), visits: 0,
  };
}

const weightOf = (state, i, j, cost) =>
  state.mass[i] * state.mass[j] / (state.mass[i] + state.mass[j]) * distance(state.mean, state.bands, i, j) / cost;

function root(parent, i) {
  while (parent[i] !== i) i = parent[i] = parent[parent[i]];
  return i;
}

/** Reduce i's list to one entry a neighbour. */
function compact(state, i) {
  const { parent, head, tail, after, target, cost, stamp, slot } = state;
  const visit = ++state.visits;
  let previous = -1;
  for (let e = head[i]; e >= 0; ) {
    const j = root(parent, target[e]), following = after[e];
    if (j !== i && stamp[j] !== visit) {
      stamp[j] = visit;
      slot[j] = e;
      target[e] = j;
      previous = e;
    } else {
      if (j !== i) cost[slot[j]] += cost[e];
      if (previous < 0) head[i] = following; else after[previous] = following;
    }
    e = following;
  }
  tail[i] = previous;
}

/** Set the key of a region; return the entry of its list that has it. */
function scan(state, i) {
  compact(state, i);
  const size = classOf(state.mass[i]);
  let best = -1, nearest = Infinity;
  for (let e = state.head[i]; e >= 0; e = state.after[e]) {
    const j = state.target[e];
    if (classOf(state.mass[j]) < size) continue;
    const weight = weightOf(state, i, j, state.cost[e]);
    if (weight < nearest) {
      best = e;
      nearest = weight;
    }
  }
  state.key[i] = nearest;
  return best;
}

function append(state, i, j) {
  const { head, tail, after } = state;
  if (head[i] < 0) return;
  if (tail[j] < 0) head[j] = head[i]; else after[tail[j]] = head[i];
  tail[j] = tail[i];
}

function mergeOne(state, heap, merges, leaf, i, e) {
  const { mass, mean, key, parent, bands, target, cost, after } = state;
  let j = target[e];
  const c = cost[e];
  if (mass[j] < mass[i]) { // both are of one class; the larger one keeps its label
    scan(state, j);
    [i, j] = [j, i];
  }
  const t = merges.count++, both = mass[i] + mass[j];
  merges.child[t] = leaf[i];
  merges.into[leaf[i]] = leaf[j];
  merges.cost[t] = c;
  merges.rise[t] = mass[i] * mass[j] / both * distance(mean, bands, i, j);
  const share = mass[i] / both;
  for (let b = 0; b < bands; b++) mean[j * bands + b] += share * Math.fround(mean[i * bands + b] - mean[j * bands + b]);
  const grown = classOf(both) > classOf(mass[j]);
  mass[j] = both;
  parent[i] = j;
  heap.remove(i);
  let h = state.head[i];
  if (grown) { // the pairs with regions of lower classes now belong to those
    append(state, i, j);
    scan(state, j);
    heap.move(heap.place[j], j, key[j]);
    h = state.head[j];
  }
  const size = classOf(both);
  for (; h >= 0; h = after[h]) {
    const k = target[h];
    if (k === j) continue;
    const weight = weightOf(state, k, j, cost[h]), other = classOf(mass[k]);
    if (other <= size && weight < key[k]) {
      key[k] = weight;
      heap.up(heap.place[k], k, weight);
    }
    if (size <= other && weight < key[j]) {
      key[j] = weight;
      heap.up(heap.place[j], j, weight);
    }
  }
  if (!grown) append(state, i, j);
}

/** Regions by key, the least first; four children each. */
class Heap {
  constructor(size) {
    this.size = size;
    this.items = Int32Array.from({ length: size }, (_, i) => i);
    this.place = this.items.slice();
    this.keys = new Float32Array(size);
  }

  build() {
    for (let s = Math.floor((this.size - 2) / 4); s >= 0; s--) this.down(s, this.items[s], this.keys[s]);
  }

  put(s, item, key) {
    this.items[s] = item;
    this.keys[s] = key;
    this.place[item] = s;
  }

  down(s, item, key) {
    const { items, keys, size } = this;
    for (;;) {
      const first = 4 * s + 1;
      if (first >= size) break;
      let child = first;
      for (let c = first + 1; c < Math.min(first + 4, size); c++) if (keys[c] < keys[child]) child = c;
      if (!(keys[child] < key)) break;
      this.put(s, items[child], keys[child]);
      s = child;
    }
    this.put(s, item, key);
  }

  up(s, item, key) {
    while (s > 0) {
      const above = (s - 1) >> 2;
      if (!(key < this.keys[above])) break;
      this.put(s, this.items[above], this.keys[above]);
      s = above;
    }
    this.put(s, item, key);
  }

  move(s, item, key) {
    this.up(s, item, key);
    this.down(this.place[item], item, key);
  }

  remove(item) {
    const size = --this.size, s = this.place[item], last = this.items[size];
    if (last !== item) this.move(s, last, this.keys[size]);
  }
}

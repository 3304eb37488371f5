// The cut of a region tree and its colours, exactly as jumpset.RegionTree computes them.

/** Read what jumpset.app.packing packs: a header of JSON, then arrays. */
export function unpack(buffer) {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const tree = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const n = tree.height * tree.width;
  let at = 8 + length;
  const take = (Kind, count) => {
    const array = new Kind(buffer, at, count);
    at += array.byteLength;
    return array;
  };
  tree.weights = take(Float64Array, tree.n_merges);
  tree.pixels = take(tree.is_double ? Float64Array : Float32Array, n * tree.bands);
  tree.labels = take(Int32Array, n);
  tree.child = take(Int32Array, tree.n_merges);
  tree.into = take(Int32Array, tree.n_merges);
  tree.alpha = tree.has_alpha ? take(Uint8Array, n) : null;
  return tree;
}

/** The least and the largest number of regions of a cut. */
export const limits = (tree) => ({ least: tree.n_labels - tree.n_merges, most: tree.n_labels });

/** The image of `{regions}`, or of `{weight}`: its RGBA levels, number of regions and weight. */
export function answer(tree, request) {
  const { least, most } = limits(tree);
  const merges = request.weight === undefined
    ? most - Math.min(most, Math.max(least, request.regions))
    : mergesAt(tree, request.weight);
  const weight = merges === 0 ? 0 : tree.weights[merges - 1];
  return { levels: paint(tree, merges), regions: most - merges, weight };
}

/** Where a number of regions is on the slider from 0 to 1000, and back: equal steps are equal ratios. */
export const placeOf = (regions, { least, most }) =>
  most > least ? 1000 * Math.log(regions / least) / Math.log(most / least) : 0;
export const regionsAt = (place, { least, most }) => Math.round(least * (most / least) ** (place / 1000));

/** The number of merges that are done at a weight. */
function mergesAt(tree, weight) {
  let low = 0, high = tree.n_merges;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (tree.weights[middle] <= weight) low = middle + 1; else high = middle;
  }
  return low;
}

/** The region that holds each region of the finest partition after some merges. */
function owners(tree, merges) {
  const owner = new Int32Array(tree.n_labels);
  for (let r = 0; r < owner.length; r++) owner[r] = r;
  for (let k = merges - 1; k >= 0; k--) owner[tree.child[k]] = owner[tree.into[k]];
  return owner;
}

/** RGBA levels of the image with each region in its mean colour. */
function paint(tree, merges) {
  const { bands, pixels, labels } = tree;
  const n = labels.length, owner = owners(tree, merges);
  const size = new Float64Array(tree.n_labels), total = new Float64Array(tree.n_labels * bands);
  if (bands === 3) {
    for (let p = 0, q = 0; p < n; p++, q += 3) {
      const r = owner[labels[p]], t = 3 * r;
      size[r] += 1;
      total[t] += pixels[q];
      total[t + 1] += pixels[q + 1];
      total[t + 2] += pixels[q + 2];
    }
  } else {
    for (let p = 0, q = 0; p < n; p++) {
      const r = owner[labels[p]];
      size[r] += 1;
      for (let b = 0; b < bands; b++) total[r * bands + b] += pixels[q++];
    }
  }
  const shown = bands < 3 ? [0, 0, 0] : [0, 1, 2];
  const colour = new Uint32Array(tree.n_labels);
  for (let r = 0; r < colour.length; r++) {
    if (size[r] === 0) continue;
    const [red, green, blue] = shown.map((b) => level(tree, total[r * bands + b] / size[r]));
    colour[r] = (0xff000000 | (blue << 16) | (green << 8) | red) >>> 0;
  }
  const out = new Uint32Array(n);
  for (let p = 0; p < n; p++) out[p] = colour[owner[labels[p]]];
  const levels = new Uint8ClampedArray(out.buffer);
  if (tree.alpha) for (let p = 0; p < n; p++) levels[4 * p + 3] = tree.alpha[p];
  return levels;
}

/** The level 0 to 255 of an intensity: first as the image holds it, then as it is shown. */
function level(tree, intensity) {
  let value = (tree.is_double ? intensity : Math.fround(intensity)) * tree.span + tree.base;
  if (tree.is_bool) value = value >= 0.5 ? 1 : 0;
  if (tree.is_whole) value = halfToEven(value);
  if (tree.low === 0 && tree.high === 255 && tree.span === 255) return Math.min(255, Math.max(0, value));
  const scale = Math.fround(255 / (tree.high - tree.low));
  const shown = Math.fround(Math.fround(Math.fround(value) - Math.fround(tree.low)) * scale);
  return Math.min(255, Math.max(0, halfToEven(shown)));
}

function halfToEven(x) {
  const below = Math.floor(x), rest = x - below;
  if (rest !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}

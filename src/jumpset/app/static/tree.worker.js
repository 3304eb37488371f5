// Cuts the tree outside the page's thread, so that the slider never waits.
import { mergesAt, paint, unpack } from "./cut.js";

let tree = null;

onmessage = async ({ data }) => {
  try {
    if (data.url) {
      const response = await fetch(data.url);
      if (!response.ok) throw new Error((await response.json()).error);
      tree = unpack(await response.arrayBuffer());
      const { pixels, labels, child, into, alpha, weights, ...about } = tree;
      postMessage({ about, least: tree.n_labels - tree.n_merges, most: tree.n_labels });
      return;
    }
    const least = tree.n_labels - tree.n_merges;
    const merges = data.weight === undefined
      ? tree.n_labels - Math.min(tree.n_labels, Math.max(least, data.regions))
      : mergesAt(tree, data.weight);
    const began = performance.now();
    const levels = paint(tree, merges);
    const weight = merges === 0 ? 0 : tree.weights[merges - 1];
    postMessage(
      { levels, regions: tree.n_labels - merges, weight, seconds: (performance.now() - began) / 1000 },
      [levels.buffer],
    );
  } catch (error) {
    postMessage({ error: String(error.message || error) });
  }
};

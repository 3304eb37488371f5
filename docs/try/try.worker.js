// Builds the tree and cuts it, outside the page's thread.
import { answer, limits } from "./cut.js";
import { treeOf } from "./tree.js";

let tree = null;

onmessage = ({ data }) => {
  try {
    const began = performance.now();
    if (data.levels) {
      tree = treeOf(data.levels, data.height, data.width, (done) => postMessage({ done }));
      postMessage({ range: limits(tree), seconds: (performance.now() - began) / 1000 });
      return;
    }
    const shown = answer(tree, data);
    postMessage({ ...shown, seconds: (performance.now() - began) / 1000 }, [shown.levels.buffer]);
  } catch (error) {
    postMessage({ error: String(error.message || error) });
  }
};

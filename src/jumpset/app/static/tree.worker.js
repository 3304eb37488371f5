// Cuts the tree outside the page's thread, so that the slider never waits.
import { answer, limits, unpack } from "./cut.js";

let tree = null;

onmessage = async ({ data }) => {
  try {
    if (data.url) {
      const response = await fetch(data.url);
      if (!response.ok) throw new Error((await response.json()).error);
      tree = unpack(await response.arrayBuffer());
      postMessage({ range: limits(tree) });
      return;
    }
    const began = performance.now();
    const shown = answer(tree, data);
    postMessage({ ...shown, seconds: (performance.now() - began) / 1000 }, [shown.levels.buffer]);
  } catch (error) {
    postMessage({ error: String(error.message || error) });
  }
};

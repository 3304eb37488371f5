// The widget of jumpset.explore: the stage, the slider, and methods that Python runs.
import { answer, limits, unpack } from "./cut.js";
import { Slider } from "./slider.js";
import { View } from "./view.js";

const PAGE = `
<div id="widget">
  <div id="stage"></div>
  <div id="views"></div>
  <div id="panel">
    <div id="cuts"></div>
    <form id="methods">
      <label>Or a method <select id="method"></select></label>
      <label>Weight <input type="text" id="strength" inputmode="decimal" placeholder="default" size="8"></label>
      <button type="submit">Run</button>
    </form>
    <p id="state" class="quiet" role="status" aria-live="polite"></p>
  </div>
</div>`;

/** The bytes of a trait, as an ArrayBuffer of their own. */
function bufferOf(data) {
  const bytes = data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return bytes.slice().buffer;
}

/** The page's own theme: light text stands on a dark page. */
function isDark(element) {
  const [r, g, b] = getComputedStyle(element).color.match(/[\d.]+/g).map(Number);
  return 0.299 * r + 0.587 * g + 0.114 * b > 128;
}

function render({ model, el }) {
  const root = el.attachShadow ? el.attachShadow({ mode: "open" }) : el;
  root.innerHTML = `<style>${model.get("_style")}</style>${PAGE}`;
  const get = (id) => root.getElementById(id);
  el.style.colorScheme = isDark(el) ? "dark" : "light";
  const view = new View(root);
  const tree = unpack(bufferOf(model.get("_packed")));
  const say = (text) => { get("state").textContent = text; };

  let shown = null; // the cut that is shown
  let wanted = null; // the request that the next frame answers
  const cut = () => {
    const request = wanted;
    wanted = null;
    if (!request) return;
    shown = answer(tree, request);
    slider.show(shown);
    view.show(shown.levels);
    say("");
    model.set("_method", "tree");
    model.set("n_regions", shown.regions);
    model.save_changes();
  };
  const slider = new Slider(root, (request) => {
    if (!wanted) requestAnimationFrame(cut);
    wanted = request;
  });
  slider.open(limits(tree));

  view.open(tree.width, tree.height, new Uint8ClampedArray(bufferOf(model.get("_input"))));
  wanted = { regions: model.get("n_regions") };
  cut();

  for (const name of model.get("_methods")) get("method").append(new Option(name, name));
  get("methods").onsubmit = (event) => {
    event.preventDefault();
    const text = get("strength").value.trim().replace(",", ".");
    if (text && !Number.isFinite(Number(text))) { say("the weight must be a number"); return; }
    say(`${get("method").value}: running`);
    model.send({ run: get("method").value, settings: text ? { weight: Number(text) } : {} });
  };

  const follow = () => {
    if (model.get("_method") === "tree" && model.get("n_regions") !== shown?.regions) {
      wanted = { regions: model.get("n_regions") };
      cut();
    }
  };
  const told = (message, buffers) => {
    if (message.error) say(message.error);
    if (message.shown) {
      shown = null;
      view.show(new Uint8ClampedArray(bufferOf(buffers[0])));
      say(message.shown);
    }
  };
  model.on("change:n_regions", follow);
  model.on("change:_method", follow);
  model.on("msg:custom", told);
  return () => {
    model.off("change:n_regions", follow);
    model.off("change:_method", follow);
    model.off("msg:custom", told);
  };
}

export default { render };

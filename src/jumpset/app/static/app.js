// The page: what is open, the slider of regions, runs of methods, results that are kept, and saving.
import { listenForFiles, save } from "./files.js";
import { Requests, Slider } from "./slider.js";
import { View } from "./view.js";

const $ = (id) => document.getElementById(id);
const view = new View();
const cuts = new Requests((request) => worker.postMessage(request));
const slider = new Slider(document, (request) => cuts.ask(request));
const KEPT = 4;

let about = null; // of the program: methods, files
let image = null; // of the open image
let worker = null;
let source = null; // of what is shown: {n_regions} or {run, method, settings}
let running = null; // key of the run at work

// ---------------------------------------------------------------- requests

async function ask(path, options) {
  const response = await fetch(`api/${path}`, options);
  if (response.ok) return response;
  let text = `the program answered ${response.status}`;
  try { text = (await response.json()).error; } catch { /* no JSON */ }
  throw new Error(text);
}

const post = (path, body) => ask(path, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
});

function fail(error) {
  $("error").textContent = String(error.message || error);
  $("error").hidden = false;
}

/** Run a handler; an error becomes a sentence on the page. */
const guarded = (handler) => async (...given) => {
  $("error").hidden = true;
  try { await handler(...given); } catch (error) { fail(error); }
};

// ---------------------------------------------------------------- opening

async function open(query, body) {
  view.busy("reading the image");
  const response = await ask(`images?${new URLSearchParams(query)}`, { method: "POST", body });
  image = await response.json();
  source = running = null;
  $("empty").hidden = true;
  $("work").hidden = $("panel").hidden = false;
  $("name").textContent = `${image.name} · ${image.width} × ${image.height}, ${image.dtype}`
    + (image.bands === 3 ? "" : image.bands === 1 ? ", gray" : `, ${image.bands} bands`);
  document.title = `${image.name} – jumpset`;
  $("kept").replaceChildren();
  $("advice").textContent = "";
  const buffer = await (await ask(`images/${image.key}/pixels`)).arrayBuffer();
  view.open(image.width, image.height, new Uint8ClampedArray(buffer));
  startTree();
  const advice = await (await ask(`images/${image.key}/advice`)).json();
  showAdvice(advice);
}

function showAdvice(advice) {
  const method = advice.method === "tree" ? "the slider of regions" : advice.method;
  $("advice").replaceChildren(
    Object.assign(document.createElement("b"), { textContent: `Looks like: ${advice.kind}. ` }),
    `${advice.why[0].toUpperCase()}${advice.why.slice(1)}. Try ${method}. `,
  );
  if (advice.method !== "tree") {
    choose(advice.method, advice.settings);
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: `Run ${advice.method}` });
    button.onclick = guarded(run);
    $("advice").append(button);
  }
}

function startTree() {
  worker?.terminate();
  slider.range = null;
  cuts.clear();
  const key = image.key;
  worker = new Worker("static/tree.worker.js", { type: "module" });
  const began = performance.now();
  view.busy("merging regions");
  const timer = setInterval(async () => {
    try {
      const state = await (await ask(`images/${key}`)).json();
      if (!slider.range && key === image.key) view.busy(`merging regions: ${Math.round(100 * state.progress)} %`);
    } catch { clearInterval(timer); }
  }, 500);
  worker.onmessage = ({ data }) => {
    clearInterval(timer);
    if (data.error) { view.busy(""); fail(data.error); return; }
    if (data.range) {
      slider.open(data.range);
      view.busy("");
      cuts.ask({ regions: 300 });
      window.jumpset.ready = (performance.now() - began) / 1000;
      return;
    }
    finishCut(data);
  };
  worker.postMessage({ url: new URL(`api/images/${key}/tree`, document.baseURI).href });
}

// ---------------------------------------------------------------- the slider

function finishCut({ levels, regions, weight, seconds }) {
  cuts.finish();
  window.jumpset.cuts.push(seconds);
  source = { n_regions: regions };
  view.show(levels);
  slider.show({ regions, weight });
  later(showCode);
}

let waiting = 0;
function later(job) {
  clearTimeout(waiting);
  waiting = setTimeout(guarded(job), 150);
}

// ---------------------------------------------------------------- methods

const methodOf = (name) => about.methods.find((m) => m.name === name);

function choose(name, settings = {}) {
  const method = methodOf(name);
  $("method").value = name;
  $("about").textContent = `${method.summary} ${method.paper}.`;
  $("more").hidden = method.parameters.length === 0;
  $("parameters").replaceChildren(...method.parameters.map((p) => field(p, settings[p.name] ?? p.default)));
}

function field(parameter, value) {
  const label = document.createElement("label");
  label.className = "field";
  const name = Object.assign(document.createElement("span"), { textContent: parameter.name });
  let input;
  if (parameter.kind === "choice") {
    input = document.createElement("select");
    for (const option of parameter.allowed) input.append(new Option(option, option, option === value, option === value));
  } else {
    input = document.createElement("input");
    if (parameter.kind === "switch") {
      input.type = "checkbox";
      input.checked = value;
    } else {
      input.type = parameter.kind === "whole" ? "number" : "text";
      input.inputMode = parameter.kind === "whole" ? "numeric" : "decimal";
      input.value = value;
    }
  }
  input.name = parameter.name;
  input.dataset.kind = parameter.kind;
  input.dataset.default = JSON.stringify(parameter.default);
  label.append(name, input);
  if (parameter.help) {
    const help = Object.assign(document.createElement("small"), { textContent: parameter.help });
    label.append(help);
  }
  return label;
}

/** The settings that differ from the defaults. */
function settings() {
  const found = {};
  for (const input of $("parameters").elements) {
    if (!input.name) continue;
    let value = input.value;
    if (input.dataset.kind === "switch") value = input.checked;
    else if (input.dataset.kind === "whole" || input.dataset.kind === "number") {
      value = Number(String(value).trim().replace(",", "."));
      if (!Number.isFinite(value) || input.value.trim() === "") throw new Error(`${input.name} must be a number`);
    } else if (typeof JSON.parse(input.dataset.default) === "number") value = Number(value);
    if (JSON.stringify(value) !== input.dataset.default) found[input.name] = value;
  }
  return found;
}

async function run() {
  const wanted = { image: image.key, method: $("method").value, settings: settings() };
  const { key } = await (await post("runs", wanted)).json();
  running = key;
  $("stop").disabled = false;
  $("progress").hidden = false;
  let version = 0;
  while (running === key) {
    const state = await (await ask(`runs/${key}`)).json();
    if (state.max_steps) $("progress").value = state.n_steps / state.max_steps; else $("progress").removeAttribute("value");
    const steps = state.max_steps ? `step ${state.n_steps} of ${state.max_steps}` : `step ${state.n_steps}`;
    $("state").textContent = state.state === "running" ? `${wanted.method}: ${steps}` : state.state;
    if (state.version > version && image.key === wanted.image) {
      version = state.version;
      const levels = new Uint8ClampedArray(await (await ask(`runs/${key}/pixels`)).arrayBuffer());
      source = { run: key, method: wanted.method, settings: wanted.settings };
      view.show(levels);
      later(showCode);
    }
    if (state.state === "done" || state.state === "failed") {
      $("state").textContent = state.state === "failed" ? "" : `${wanted.method}: ${state.elapsed.toFixed(2)} s; ${state.status}`;
      running = null;
      $("stop").disabled = true;
      $("progress").hidden = true;
      if (state.state === "failed") throw new Error(state.error);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 120));
  }
}

$("method").onchange = () => choose($("method").value);
$("run").onclick = guarded(run);
$("parameters").onsubmit = (event) => { event.preventDefault(); guarded(run)(); };
$("stop").onclick = guarded(() => running && post(`runs/${running}/stop`, {}));

// ---------------------------------------------------------------- results that are kept

const title = (of) => of.n_regions ? `${of.n_regions} regions`
  : [of.method, ...Object.entries(of.settings).map(([k, v]) => `${k} ${v}`)].join(", ");

$("keep").onclick = guarded(() => {
  if (!source) throw new Error("there is no result yet");
  const kept = { source, levels: view.output.slice() };
  const item = document.createElement("li");
  const show = Object.assign(document.createElement("button"), { type: "button", textContent: title(kept.source) });
  show.onclick = () => { source = kept.source; view.show(kept.levels); later(showCode); };
  const drop = Object.assign(document.createElement("button"), { type: "button", textContent: "×" });
  drop.setAttribute("aria-label", `Remove ${title(kept.source)}`);
  drop.onclick = () => item.remove();
  item.append(show, drop);
  $("kept").append(item);
  while ($("kept").children.length > KEPT) $("kept").firstElementChild.remove();
});

// ---------------------------------------------------------------- saving

/** What is shown, as a file of the chosen format. */
const asked = () => ({ image: image.key, source, format: $("format").value, colors: Math.round(Number($("colors").value)) || 16 });

async function showCode() {
  if (!source) return;
  const code = await (await post("code", asked())).json();
  $("command").textContent = code.command;
  $("command-of").hidden = !code.command;
  $("no-command").hidden = Boolean(code.command);
  $("python").textContent = code.python;
}

$("format").onchange = $("colors").onchange = () => {
  $("colors-of").hidden = !$("format").value.startsWith("palette");
  later(showCode);
};

$("save").onclick = guarded(async () => {
  if (!source) throw new Error("there is no result yet");
  const response = await post("export", asked());
  const name = decodeURIComponent(response.headers.get("content-disposition").split("''")[1]);
  save(await response.blob(), name);
});

for (const kind of ["command", "python"]) {
  $(`copy-${kind}`).onclick = guarded(async () => {
    await navigator.clipboard.writeText($(kind).textContent);
    $(`copy-${kind}`).textContent = "Copied";
    setTimeout(() => { $(`copy-${kind}`).textContent = kind === "command" ? "Copy command" : "Copy Python"; }, 1500);
  });
}

// ---------------------------------------------------------------- the folder

function frame(name) {
  const item = document.createElement("li");
  const button = Object.assign(document.createElement("button"), { type: "button" });
  const picture = Object.assign(document.createElement("img"), { alt: "", loading: "lazy", height: 64 });
  picture.src = `api/thumbnail?${new URLSearchParams({ file: name })}`;
  button.append(picture, Object.assign(document.createElement("span"), { textContent: name }));
  button.onclick = guarded(async () => {
    await open({ file: name });
    for (const other of $("strip").querySelectorAll("button")) other.toggleAttribute("aria-current", other === button);
  });
  item.append(button);
  return item;
}

$("all").onclick = guarded(async () => {
  if ($("all").dataset.busy) { await post("folder/stop", {}); return; }
  if (!source) throw new Error("there is no result yet: choose a setting on one image first");
  let state = await (await post("folder", { source })).json();
  $("all").dataset.busy = "1";
  $("all").textContent = "Stop";
  while (!state.ended) {
    $("all-state").textContent = `${state.done} of ${state.count}, into ${state.target}`;
    await new Promise((resolve) => setTimeout(resolve, 200));
    state = await (await ask("folder")).json();
  }
  delete $("all").dataset.busy;
  $("all").textContent = "Run on all";
  $("all-state").textContent = `${state.done - state.failed.length} of ${state.count} images are in ${state.target}`;
  if (state.failed.length) throw new Error(state.failed.join("; "));
});

// ---------------------------------------------------------------- files, start

listenForFiles(guarded((file) => open({ name: file.name || "pasted.png" }, file)));

window.jumpset = { cuts: [], ready: 0, view }; // seconds, and what is shown, for those who measure

await guarded(async () => {
  about = await (await ask("about")).json();
  $("method").append(...about.methods.map((m) => new Option(m.name, m.name)));
  for (const [key, title] of Object.entries(about.formats)) $("format").append(new Option(title, key));
  choose("region-fusion");
  for (const name of about.shipped) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: `Try ${name}` });
    button.onclick = guarded(() => open({ shipped: name }));
    $("shipped").append(button);
  }
  if (about.files.length > 1) {
    $("folder").hidden = false;
    $("strip").append(...about.files.map(frame));
  }
  const first = new URLSearchParams(location.hash.slice(1)).get("file");
  if (first) await open({ file: first });
})();

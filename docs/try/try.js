// The page without a server: an image of the visitor, its tree, the slider, and a PNG.
import { listenForFiles, save } from "./files.js";
import { Requests, Slider } from "./slider.js";
import { View } from "./view.js";

const MOST_PIXELS = 8e6;

const $ = (id) => document.getElementById(id);
const view = new View();
const cuts = new Requests((request) => worker.postMessage(request));
const slider = new Slider(document, (request) => cuts.ask(request));
let worker = null, name = "";

function fail(error) {
  view.busy();
  $("error").textContent = String(error.message || error);
  $("error").hidden = false;
}

const guarded = (handler) => async (...given) => {
  $("error").hidden = true;
  try { await handler(...given); } catch (error) { fail(error); }
};

async function levelsOf(blob) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  } catch {
    throw new Error("this browser cannot read the file: choose a PNG, JPEG, WebP, GIF or AVIF image");
  }
  const { width, height } = bitmap;
  if (width * height > MOST_PIXELS) {
    throw new Error(`the image has ${Math.round(width * height / 1e6)} megapixels, and this page takes ${MOST_PIXELS / 1e6}: use the package`);
  }
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return { width, height, levels: context.getImageData(0, 0, width, height).data };
}

async function open(blob, called) {
  const { width, height, levels } = await levelsOf(blob);
  name = called;
  $("empty").hidden = true;
  $("work").hidden = $("panel").hidden = false;
  $("name").textContent = `${name} · ${width} × ${height}`;
  $("state").textContent = "";
  $("lossy").hidden = levels.every((value, k) => k % 4 !== 3 || value === 255 || value === 0);
  view.open(width, height, levels);
  view.busy("merging regions");
  worker?.terminate();
  slider.range = null;
  cuts.clear();
  worker = new Worker("try.worker.js", { type: "module" });
  worker.onmessage = ({ data }) => hear(data);
  worker.onerror = () => fail("the browser could not compute the regions: the image may be too large for its memory");
  worker.postMessage({ levels, width, height });
}

function hear({ error, done, range, levels, regions, weight, seconds }) {
  if (error) return fail(error);
  if (done !== undefined) return view.busy(`merging regions: ${Math.round(100 * done)} %`);
  if (range) {
    view.busy();
    slider.open(range);
    $("state").textContent = `All regions were found in ${seconds.toFixed(1)} s.`;
    window.jumpset.seconds = seconds;
    return cuts.ask({ regions: 300 });
  }
  cuts.finish();
  view.show(levels);
  slider.show({ regions, weight });
  const quoted = /^[\w./-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`;
  const stem = quoted.replace(/\.\w+('?)$/, "$1"), drawing = stem.endsWith("'") ? `${stem.slice(0, -1)}.svg'` : `${stem}.svg`;
  $("command").textContent = `jumpset tree ${quoted} --output . --regions ${regions}\njumpset vectorize ${quoted} ${drawing} --regions ${regions}`;
  window.jumpset.cuts += 1;
}

$("save").onclick = guarded(async () => {
  const canvas = new OffscreenCanvas(view.width, view.height);
  canvas.getContext("2d").putImageData(new ImageData(view.output, view.width, view.height), 0, 0);
  const count = $("regions").value;
  save(await canvas.convertToBlob({ type: "image/png" }), `${name.replace(/\.\w+$/, "")}-regions-${count}.png`);
});
$("sample").onclick = guarded(async () => open(await (await fetch("coffee.png")).blob(), "coffee.png"));
listenForFiles(guarded((file) => open(file, file.name || "pasted.png")));

window.jumpset = { cuts: 0, seconds: 0, view }; // for those who measure

// The slider of regions, with fields for their number and for the weight, and the requests of a worker that answers them.
import { placeOf, regionsAt } from "./cut.js";

const SLIDER = `
<label class="row" for="slider"><span>Detail</span><output id="count"></output></label>
<input type="range" id="slider" min="0" max="1000" value="500" step="1">
<div class="pair">
  <label>Regions <input type="number" id="regions" min="1" step="1" inputmode="numeric"></label>
  <label>Weight <input type="text" id="weight" inputmode="decimal"></label>
</div>`;

export class Slider {
  /** `root`: the document, or a shadow root, with an element of the id "cuts"; `ask` takes {regions} or {weight}. */
  constructor(root, ask) {
    this.root = root;
    this.get = (id) => root.getElementById(id);
    this.get("cuts").innerHTML = SLIDER;
    this.range = null;
    const from = (id, request) => () => this.range && ask(request(Number(this.get(id).value.trim().replace(",", "."))));
    this.get("slider").oninput = from("slider", (place) => ({ regions: regionsAt(place, this.range) }));
    this.get("regions").onchange = from("regions", (regions) => ({ regions: Math.round(regions) || this.range.least }));
    this.get("weight").onchange = from("weight", (weight) => ({ weight: weight >= 0 ? weight : 0 }));
  }

  open(range) {
    this.range = range;
    this.get("regions").min = range.least;
    this.get("regions").max = range.most;
  }

  /** Show the cut; a field that is being written in is left alone. */
  show({ regions, weight }) {
    const texts = { slider: placeOf(regions, this.range), regions, weight: Number(weight.toPrecision(4)) };
    for (const [id, text] of Object.entries(texts)) {
      if (this.root.activeElement !== this.get(id)) this.get(id).value = text;
    }
    this.get("count").textContent = `${regions.toLocaleString("en")} region${regions === 1 ? "" : "s"}`;
    this.get("slider").setAttribute("aria-valuetext", `${regions} regions`);
  }
}

/** Passes requests on one at a time; of those that come while one is answered, only the last. */
export class Requests {
  constructor(send) {
    this.send = send;
    this.clear();
  }

  clear() {
    this.isWaiting = false;
    this.next = null;
  }

  ask(request) {
    if (this.isWaiting) { this.next = request; return; }
    this.isWaiting = true;
    this.send(request);
  }

  /** The request that was passed on is answered. */
  finish() {
    const request = this.next;
    this.clear();
    if (request) this.ask(request);
  }
}

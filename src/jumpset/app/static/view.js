// The stage: two canvases above each other or side by side, a divider, zoom and pan.

const STAGE = `
<div id="sheet"><canvas id="before"></canvas><canvas id="after"></canvas><div id="line" aria-hidden="true"></div></div>
<span class="tag before" aria-hidden="true">Before</span><span class="tag after" aria-hidden="true">After</span>
<p id="busy" role="status" aria-live="polite" hidden></p>`;
const VIEWS = `
<div class="segments">
  <label><input type="radio" name="view" value="split" checked><span>Before / after</span></label>
  <label><input type="radio" name="view" value="sides"><span>Side by side</span></label>
  <label><input type="radio" name="view" value="after"><span>After</span></label>
  <label><input type="radio" name="view" value="before"><span>Before</span></label>
  <label><input type="radio" name="view" value="difference"><span>Difference</span></label>
</div>
<div class="buttons">
  <button type="button" id="out" aria-label="Zoom out">−</button>
  <output id="zoom">fit</output>
  <button type="button" id="in" aria-label="Zoom in">+</button>
  <button type="button" id="fit">Fit</button>
  <button type="button" id="one">1 : 1</button>
</div>`;

export class View {
  /** `root`: the document, or a shadow root, that has elements of the ids "stage" and "views". */
  constructor(root = document) {
    this.get = (id) => root.getElementById(id);
    this.stage = this.get("stage");
    this.stage.innerHTML = STAGE;
    this.stage.tabIndex = 0;
    for (const [id, label] of [
      ["stage", "Before and after. Arrow keys move the divider or the image, plus and minus zoom."], ["views", "View"],
    ]) {
      this.get(id).setAttribute("role", "group");
      this.get(id).setAttribute("aria-label", label);
    }
    this.get("views").innerHTML = VIEWS;
    this.sheet = this.get("sheet");
    this.scale = 0; // 0: fit
    this.cut = 0.5;
    this.x = this.y = 0;
    this.mode = "split";
    this.pointers = new Map();
    this.listen();
  }

  /** Say what is being waited for; nothing hides the message. */
  busy(text = "") {
    this.get("busy").textContent = text;
    this.get("busy").hidden = !text;
  }

  /** Show a new image; `levels` are RGBA. */
  open(width, height, levels) {
    this.width = width;
    this.height = height;
    for (const id of ["before", "after"]) {
      this.get(id).width = width;
      this.get(id).height = height;
    }
    this.input = levels;
    this.put("before", levels);
    this.show(levels);
    this.scale = 0;
    this.x = this.y = 0;
    this.layout();
  }

  show(levels) {
    this.output = levels;
    this.draw();
  }

  setMode(mode) {
    this.mode = mode;
    this.draw();
    this.layout();
  }

  draw() {
    if (!this.output) return;
    this.put("after", this.mode === "difference" ? this.difference() : this.output);
  }

  difference() {
    const out = new Uint8ClampedArray(this.output.length);
    for (let p = 0; p < out.length; p += 4) {
      for (let b = 0; b < 3; b++) out[p + b] = 128 + 2 * (this.output[p + b] - this.input[p + b]);
      out[p + 3] = 255;
    }
    return out;
  }

  put(id, levels) {
    this.get(id).getContext("2d").putImageData(new ImageData(levels, this.width, this.height), 0, 0);
  }

  /** The room of one image: the stage, or half of it where two images stand side by side. */
  room() {
    const { width, height } = this.stage.getBoundingClientRect();
    if (this.mode !== "sides") return { width, height, right: 0, down: 0 };
    return width >= height ? { width: width / 2, height, right: width / 2, down: 0 }
      : { width, height: height / 2, right: 0, down: height / 2 };
  }

  fitScale() {
    const room = this.room();
    return Math.min((room.width - 2) / this.width, (room.height - 2) / this.height, 8) || 1;
  }

  layout() {
    if (!this.width) return;
    const room = this.room(), sides = this.mode === "sides";
    const scale = this.scale || this.fitScale();
    const w = this.width * scale, h = this.height * scale;
    const limit = (value, size, most) => size <= most ? (most - size) / 2 : Math.min(0, Math.max(most - size, value));
    this.x = limit(this.x, w, room.width);
    this.y = limit(this.y, h, room.height);
    const { x, y } = this;
    Object.assign(this.sheet.style, { width: `${w}px`, height: `${h}px`, transform: `translate(${x}px, ${y}px)` });
    this.sheet.classList.toggle("near", scale >= 2);
    const split = this.mode === "split" ? this.cut : this.mode === "before" ? 1 : 0;
    const part = [-y, x + w - room.width, y + h - room.height, -x].map((out) => `${Math.max(0, out)}px`).join(" ");
    this.get("before").style.clipPath = sides ? `inset(${part})` : "none";
    this.get("after").style.clipPath = sides ? `inset(${part})` : `inset(0 0 0 ${100 * split}%)`;
    this.get("after").style.transform = sides ? `translate(${room.right}px, ${room.down}px)` : "none";
    this.stage.dataset.mode = sides ? (room.right ? "beside" : "below") : this.mode;
    this.get("line").hidden = this.mode !== "split";
    this.get("line").style.left = `${100 * this.cut}%`;
    this.get("zoom").textContent = this.scale ? `${Math.round(100 * scale)} %` : "fit";
  }

  /** A place on the page as a place on the image's room. */
  at(clientX, clientY) {
    const box = this.stage.getBoundingClientRect(), room = this.room();
    const x = clientX - box.left, y = clientY - box.top;
    return [room.right && x >= room.right ? x - room.right : x, room.down && y >= room.down ? y - room.down : y];
  }

  zoom(factor, atX, atY) {
    const room = this.room();
    const x = atX ?? room.width / 2, y = atY ?? room.height / 2;
    const old = this.scale || this.fitScale();
    const scale = Math.min(32, Math.max(Math.min(this.fitScale(), 1), old * factor));
    this.x = x - (x - this.x) * scale / old;
    this.y = y - (y - this.y) * scale / old;
    this.scale = scale;
    this.layout();
  }

  setScale(scale) {
    this.scale = 0;
    this.layout();
    if (scale) this.zoom(scale / this.fitScale());
  }

  moveCut(clientX) {
    const box = this.sheet.getBoundingClientRect();
    this.cut = Math.min(1, Math.max(0, (clientX - box.left) / box.width));
    this.layout();
  }

  listen() {
    const stage = this.stage;
    stage.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 400), ...this.at(event.clientX, event.clientY));
    }, { passive: false });
    stage.addEventListener("pointerdown", (event) => {
      stage.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, event);
      const line = this.sheet.getBoundingClientRect();
      const near = Math.abs(event.clientX - line.left - this.cut * line.width) < 24;
      const fits = !this.scale || this.width * this.scale <= stage.clientWidth + 1;
      this.drag = this.mode === "split" && (near || fits) ? "cut" : "pan";
      if (this.drag === "cut") this.moveCut(event.clientX);
    });
    stage.addEventListener("pointermove", (event) => {
      const last = this.pointers.get(event.pointerId);
      if (!last) return;
      if (this.pointers.size === 2) {
        const other = [...this.pointers.values()].find((p) => p.pointerId !== event.pointerId);
        const gap = (p) => Math.hypot(p.clientX - other.clientX, p.clientY - other.clientY) || 1;
        const middle = this.at((event.clientX + other.clientX) / 2, (event.clientY + other.clientY) / 2);
        this.zoom(gap(event) / gap(last), ...middle);
      } else if (this.drag === "cut") {
        this.moveCut(event.clientX);
      } else {
        this.x += event.clientX - last.clientX;
        this.y += event.clientY - last.clientY;
        if (this.scale) this.layout();
      }
      this.pointers.set(event.pointerId, event);
    });
    for (const name of ["pointerup", "pointercancel"]) {
      stage.addEventListener(name, (event) => this.pointers.delete(event.pointerId));
    }
    stage.addEventListener("keydown", (event) => {
      const [right, down] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
      if (right && this.mode === "split") {
        this.cut = Math.min(1, Math.max(0, this.cut + right * (event.shiftKey ? 0.1 : 0.02)));
      } else if ((right || down) && this.scale) {
        this.x -= 60 * right;
        this.y -= 60 * down;
      } else if (event.key === "+" || event.key === "=") this.zoom(1.25);
      else if (event.key === "-") this.zoom(0.8);
      else return;
      event.preventDefault();
      this.layout();
    });
    for (const choice of this.get("views").querySelectorAll("input")) choice.onchange = () => this.setMode(choice.value);
    this.get("in").onclick = () => this.zoom(1.5);
    this.get("out").onclick = () => this.zoom(1 / 1.5);
    this.get("fit").onclick = () => this.setScale(0);
    this.get("one").onclick = () => this.setScale(1 / window.devicePixelRatio);
    new ResizeObserver(() => this.layout()).observe(stage);
  }
}

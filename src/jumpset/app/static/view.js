// The stage: two canvases above each other, a divider, zoom and pan.

const $ = (id) => document.getElementById(id);

export class View {
  constructor() {
    this.stage = $("stage");
    this.sheet = $("sheet");
    this.scale = 0; // 0: fit
    this.cut = 0.5;
    this.x = this.y = 0;
    this.mode = "split";
    this.pointers = new Map();
    this.listen();
  }

  /** Show a new image; `levels` are RGBA. */
  open(width, height, levels) {
    this.width = width;
    this.height = height;
    for (const id of ["before", "after"]) {
      $(id).width = width;
      $(id).height = height;
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
    $(id).getContext("2d").putImageData(new ImageData(levels, this.width, this.height), 0, 0);
  }

  fitScale() {
    const box = this.stage.getBoundingClientRect();
    return Math.min((box.width - 2) / this.width, (box.height - 2) / this.height, 8) || 1;
  }

  layout() {
    if (!this.width) return;
    const box = this.stage.getBoundingClientRect();
    const scale = this.scale || this.fitScale();
    const w = this.width * scale, h = this.height * scale;
    const limit = (value, size, room) => size <= room ? (room - size) / 2 : Math.min(0, Math.max(room - size, value));
    this.x = limit(this.x, w, box.width);
    this.y = limit(this.y, h, box.height);
    Object.assign(this.sheet.style, { width: `${w}px`, height: `${h}px`, transform: `translate(${this.x}px, ${this.y}px)` });
    this.sheet.classList.toggle("near", scale >= 2);
    const split = this.mode === "split" ? this.cut : this.mode === "before" ? 1 : 0;
    $("after").style.clipPath = `inset(0 0 0 ${100 * split}%)`;
    $("line").hidden = this.mode !== "split";
    $("line").style.left = `${100 * this.cut}%`;
    $("zoom").textContent = this.scale ? `${Math.round(100 * scale)} %` : "fit";
  }

  zoom(factor, atX, atY) {
    const box = this.stage.getBoundingClientRect();
    const x = atX ?? box.width / 2, y = atY ?? box.height / 2;
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
      const box = stage.getBoundingClientRect();
      this.zoom(Math.exp(-event.deltaY / 400), event.clientX - box.left, event.clientY - box.top);
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
        const box = stage.getBoundingClientRect();
        this.zoom(gap(event) / gap(last), (event.clientX + other.clientX) / 2 - box.left,
          (event.clientY + other.clientY) / 2 - box.top);
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
      const step = event.shiftKey ? 0.1 : 0.02;
      if (event.key === "ArrowLeft") this.cut = Math.max(0, this.cut - step);
      else if (event.key === "ArrowRight") this.cut = Math.min(1, this.cut + step);
      else if (event.key === "+" || event.key === "=") return this.zoom(1.25);
      else if (event.key === "-") return this.zoom(0.8);
      else return;
      event.preventDefault();
      this.layout();
    });
    new ResizeObserver(() => this.layout()).observe(stage);
  }
}

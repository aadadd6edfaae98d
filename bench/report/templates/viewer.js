// The slices in HU: window and level, zoom, comparison. No request: the images stand in the page (render/pixels.py).
(() => {
  "use strict";
  const LOW = [88, 176, 255], HIGH = [255, 158, 66];  // too low, too high; as in render/png.py
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  async function decode(holder) {
    const packed = Uint8Array.from(atob(holder.textContent), (letter) => letter.charCodeAt(0));
    const stream = new Response(packed).body.pipeThrough(new DecompressionStream("deflate"));
    const planes = new Uint8Array(await new Response(stream).arrayBuffer());
    const rows = Number(holder.dataset.rows), columns = Number(holder.dataset.columns);
    const size = rows * columns, hu = new Int16Array(size);
    for (let at = 0; at < size; at++) {
      const inside = at % columns > 0, below = at >= columns;
      const left = inside ? hu[at - 1] : 0, up = below ? hu[at - columns] : 0;
      const corner = inside && below ? hu[at - columns - 1] : 0;
      const guess = clamp(left + up - corner, Math.min(left, up), Math.max(left, up));
      const word = planes[at] | (planes[size + at] << 8);
      hu[at] = guess + ((word >>> 1) ^ -(word & 1));
    }
    return { rows, columns, hu };
  }

  // Colours of all 65536 values of an int16, as canvas words: grey through the window, or two-sided to the scale.
  function palette(state, difference) {
    const words = new Uint32Array(65536), bytes = new Uint8ClampedArray(words.buffer);
    const black = state.centre - state.width / 2;
    for (let value = -32768; value < 32768; value++) {
      const at = 4 * (value & 65535);
      if (difference) {
        const share = clamp(Math.abs(value) / state.scale, 0, 1) ** 0.8;
        (value < 0 ? LOW : HIGH).forEach((full, channel) => { bytes[at + channel] = share * full; });
      } else {
        bytes.fill(255 * (value - black) / state.width, at, at + 3);
      }
      bytes[at + 3] = 255;
    }
    return words;
  }

  class Viewer {
    constructor(gallery) {
      this.root = gallery.querySelector(".viewer");
      this.tiles = this.root.querySelector(".tiles");
      this.index = JSON.parse(gallery.querySelector(".index").textContent);
      this.holders = gallery.querySelectorAll(".hu");
      this.decoded = new Map();
      this.parts = {};
      for (const part of this.root.querySelectorAll("[data-role]")) this.parts[part.dataset.role] = part;
      this.state = { condition: 0, slice: 0, scale: this.index.scale, swipe: false, difference: false, lesions: true,
        hidden: new Set(), left: 0, right: Math.min(2, this.sampleAt(0, 0).panels.length - 1), split: 0.5 };
      this.state.slice = Math.max(0, this.index.conditions[0].findIndex((sample) => sample.start));
      this.preset(0);
      this.reset();
      this.listen();
    }

    sampleAt(condition, slice) { return this.index.conditions[condition][slice]; }
    get sample() { return this.sampleAt(this.state.condition, this.state.slice); }

    image(place) {
      if (!this.decoded.has(place)) this.decoded.set(place, decode(this.holders[place]));
      return this.decoded.get(place);
    }

    preset(number) {
      const window = this.index.windows[number];
      Object.assign(this.state, { centre: window.centre, width: window.width });
    }

    reset() { Object.assign(this.state, { zoom: 1, x: 0.5, y: 0.5 }); }

    change(changes) {
      Object.assign(this.state, changes);
      const slices = this.index.conditions[this.state.condition].length;
      this.state.slice = clamp(this.state.slice, 0, slices - 1);
      return this.build();
    }

    // Buttons, captions and canvases of this slice; then its pixels.
    async build() {
      const { state, parts, sample } = this, names = sample.panels.map((panel) => panel.name);
      this.choices("slices", this.index.conditions[state.condition].map((one) => one.label.split(" of ")[0]),
        (at) => at === state.slice, (at) => this.change({ slice: at }));
      this.choices("view", ["Side by side", "Swipe"], (at) => state.swipe === (at === 1),
        (at) => this.change({ swipe: at === 1 }));
      this.choices("shown", names, (at) => !state.hidden.has(at), (at) => {
        if (!state.hidden.delete(at) && state.hidden.size < names.length - 1) state.hidden.add(at);
        this.build();
      });
      const lesions = sample.lesions.length ? ["Lesions"] : [];
      this.choices("tools", ["Difference", "Zoom in", "Zoom out", "Reset", ...lesions],
        (at) => [state.difference, null, null, null, state.lesions][at], (at) => this.press(["d", "+", "-", "0", "n"][at]));
      for (const side of ["left", "right"]) {
        parts[side].replaceChildren(...names.map((name, at) => new Option(name, at, false, at === state[side])));
      }
      parts.condition.value = state.condition;
      parts.status.textContent = `${sample.condition}: slice ${sample.name}, ${sample.label}.` +
        sample.lesions.map((lesion) => ` ${lesion.text}.`).join("");
      const shown = state.swipe ? [[state.left, state.right]]
        : names.map((name, at) => [at]).filter(([at]) => !state.hidden.has(at));
      this.shown = shown.map((places) => this.tile(places));
      this.root.classList.toggle("swiping", state.swipe);
      this.tiles.style.setProperty("--across", shown.length > 4 ? 3 : shown.length);
      this.tiles.replaceChildren(...this.shown.map((tile) => tile.element));
      const tiles = this.shown, reference = await this.image(sample.panels[1].image);
      for (const layer of tiles.flatMap((tile) => tile.layers)) {
        if (layer.panel.image !== null) layer.pixels = await this.image(layer.panel.image);
      }
      if (tiles !== this.shown) return;  // another slice has been chosen since
      this.reference = reference;
      this.paint();
    }

    choices(role, labels, pressed, pick) {
      const part = this.parts[role], focused = [...part.children].indexOf(document.activeElement);
      part.replaceChildren(...labels.map((label, at) => {
        const button = document.createElement("button"), on = pressed(at);
        button.type = "button";
        button.textContent = label;
        if (on !== null) button.setAttribute("aria-pressed", on);
        button.addEventListener("click", () => pick(at));
        return button;
      }));
      part.children[focused]?.focus();
    }

    tile(places) {
      const panels = places.map((at) => this.sample.panels[at]), element = document.createElement("div");
      const line = (kind, text) => Object.assign(document.createElement("p"), { className: kind, textContent: text });
      const canvas = document.createElement("canvas"), title = panels.map((panel) => panel.name).join(" | ");
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `${title}, ${this.sample.condition}, ${this.sample.label}`);
      const readout = line("hu", "\u00a0"), score = panels.map((panel) => panel.text).join(" | ");
      const caption = document.createElement("div");
      caption.append(line("name", title), line("quiet", score || "\u00a0"));
      element.className = "tile";
      element.append(caption, canvas, readout);
      const layers = panels.map((panel) => ({ panel, sheet: document.createElement("canvas") }));
      return { element, canvas, readout, layers };
    }

    paint() {
      cancelAnimationFrame(this.frame);
      this.frame = requestAnimationFrame(() => {
        const { state, parts } = this;
        if (!this.reference) return;
        this.root.classList.toggle("difference", state.difference);
        this.root.classList.toggle("zoomed", state.zoom > 1);
        for (const key of ["centre", "width", "scale"]) {
          if (document.activeElement !== parts[key]) parts[key].value = Math.round(state[key]);
        }
        parts.divider.value = 100 * state.split;
        this.choices("windows", this.index.windows.map((window) => window.label), (at) =>
          this.index.windows[at].centre === state.centre && this.index.windows[at].width === state.width,
        (at) => { this.preset(at); this.paint(); });
        const palettes = [palette(state, false), palette(state, true)];
        for (const tile of this.shown) this.draw(tile, palettes);
      });
    }

    colour(layer, palettes) {
      const { rows, columns, hu } = layer.pixels, reference = this.reference.hu;
      const difference = this.state.difference && layer.panel !== this.sample.panels[1];
      const sheet = layer.sheet, words = palettes[Number(difference)];
      const key = `${difference} ${difference ? this.state.scale : `${this.state.centre} ${this.state.width}`}`;
      if (layer.key === key) return;
      Object.assign(sheet, { width: columns, height: rows });
      const picture = new ImageData(columns, rows), out = new Uint32Array(picture.data.buffer);
      for (let at = 0; at < out.length; at++) out[at] = words[(hu[at] - (difference ? reference[at] : 0)) & 65535];
      sheet.getContext("2d").putImageData(picture, 0, 0);
      layer.key = key;
    }

    draw(tile, palettes) {
      const { state, reference } = this, { canvas } = tile, context = canvas.getContext("2d");
      canvas.style.aspectRatio = `${reference.columns} / ${reference.rows}`;
      canvas.width = Math.max(1, Math.round(canvas.clientWidth * devicePixelRatio));
      canvas.height = Math.max(1, Math.round(canvas.width * reference.rows / reference.columns));
      const wide = reference.columns / state.zoom, high = reference.rows / state.zoom, scale = canvas.width / wide;
      const x = state.x * reference.columns - wide / 2, y = state.y * reference.rows - high / 2;
      context.imageSmoothingEnabled = !this.index.crisp && scale < 3;
      tile.layers.forEach((layer, at) => {
        const from = at ? Math.round(state.split * canvas.width) : 0;
        context.save();
        context.beginPath();
        context.rect(from, 0, canvas.width, canvas.height);
        context.clip();
        if (layer.pixels) {
          this.colour(layer, palettes);
          context.drawImage(layer.sheet, x, y, wide, high, 0, 0, canvas.width, canvas.height);
        } else if (layer.panel.image === null) {
          Object.assign(context, { fillStyle: "#333", font: `${14 * devicePixelRatio}px sans-serif` });
          context.fillRect(0, 0, canvas.width, canvas.height);
          context.fillStyle = "#ddd";
          context.fillText(layer.panel.text, from + 12 * devicePixelRatio, 28 * devicePixelRatio);
        }
        context.restore();
        if (at) {
          context.fillStyle = "#ffd84d";
          context.fillRect(from - devicePixelRatio, 0, 2 * devicePixelRatio, canvas.height);
        }
      });
      context.lineWidth = 1.5 * devicePixelRatio;
      context.strokeStyle = "#ffd84d";
      for (const lesion of state.lesions ? this.sample.lesions : []) {
        context.beginPath();
        context.arc((lesion.column + 0.5 - x) * scale, (lesion.row + 0.5 - y) * scale,
          lesion.radius * scale + 4 * devicePixelRatio, 0, 2 * Math.PI);
        context.stroke();
      }
    }

    // Column and row of the pixel under the pointer; null outside of the image.
    pixel(event) {
      const box = event.target.getBoundingClientRect(), { state, reference } = this;
      if (event.target.tagName !== "CANVAS" || !reference) return null;
      const column = Math.floor((state.x + ((event.clientX - box.left) / box.width - 0.5) / state.zoom) * reference.columns);
      const row = Math.floor((state.y + ((event.clientY - box.top) / box.height - 0.5) / state.zoom) * reference.rows);
      return column >= 0 && row >= 0 && column < reference.columns && row < reference.rows ? [column, row] : null;
    }

    read(place) {
      const at = place && place[1] * this.reference.columns + place[0];
      for (const tile of this.shown) {
        const values = tile.layers.filter((layer) => layer.pixels).map(({ panel, pixels }) => {
          const off = pixels.hu[at] - this.reference.hu[at], sign = off < 0 ? "−" : "+";
          const more = panel === this.sample.panels[1] ? "" : ` (${sign}${Math.abs(off)})`;
          return `${pixels.hu[at]} HU${more}`.replace(/^-/, "−");
        });
        tile.readout.textContent = place && values.length ? `${values.join(" | ")} at ${place.join(", ")}` : "\u00a0";
      }
    }

    zoom(factor, x = 0.5, y = 0.5) {  // x and y, in shares of the canvas, stay where they are
      const { state } = this, before = 1 / state.zoom;
      state.zoom = clamp(state.zoom * factor, 1, 32);
      this.move((x - 0.5) * (before - 1 / state.zoom), (y - 0.5) * (before - 1 / state.zoom));
    }

    move(x, y) {
      const edge = 0.5 / this.state.zoom;
      this.state.x = clamp(this.state.x + x, edge, 1 - edge);
      this.state.y = clamp(this.state.y + y, edge, 1 - edge);
      this.paint();
    }

    press(key) {
      const { state } = this, keys = {
        ArrowLeft: () => this.change({ slice: state.slice - 1 }), ArrowRight: () => this.change({ slice: state.slice + 1 }),
        d: () => this.change({ difference: !state.difference }), s: () => this.change({ swipe: !state.swipe }),
        n: () => this.change({ lesions: !state.lesions }),
        "+": () => this.zoom(1.5), "=": () => this.zoom(1.5), "-": () => this.zoom(1 / 1.5),
        0: () => { this.reset(); this.paint(); },
      };
      if (this.index.windows[key - 1]) keys[key] = () => { this.preset(key - 1); this.paint(); };
      keys[key]?.();
      return key in keys;
    }

    drag(event) {
      const { state } = this, start = this.start, box = start.canvas.getBoundingClientRect();
      const right = event.clientX - start.x, down = event.clientY - start.y;
      if (start.kind === "divider") {
        state.split = clamp((event.clientX - box.left) / box.width, 0, 1);
      } else if (start.kind === "move") {
        Object.assign(state, { x: start.state.x, y: start.state.y });
        this.move(-right / box.width / state.zoom, -down / box.height / state.zoom);
      } else if (state.difference) {
        state.scale = clamp(start.state.scale * Math.exp(right / 200), 1, 8000);
      } else {
        state.width = clamp(start.state.width * Math.exp(right / 200), 1, 16000);
        state.centre = start.state.centre + down * start.state.width / 300;
      }
      this.paint();
    }

    listen() {
      const { tiles, parts, state } = this;
      tiles.addEventListener("pointerdown", (event) => {
        if (event.target.tagName !== "CANVAS" || event.button > 1) return;
        const box = event.target.getBoundingClientRect(), x = (event.clientX - box.left) / box.width;
        const divider = state.swipe && Math.abs(x - state.split) * box.width < 14;
        const moves = event.shiftKey || event.button === 1 || (event.pointerType === "touch" && state.zoom > 1);
        this.start = { x: event.clientX, y: event.clientY, canvas: event.target, state: { ...state },
          kind: divider ? "divider" : moves ? "move" : "window" };
        event.target.setPointerCapture(event.pointerId);
        tiles.focus({ preventScroll: true });
        event.preventDefault();
      });
      tiles.addEventListener("pointermove", (event) => {
        if (this.start) this.drag(event);
        this.read(this.pixel(event));
      });
      for (const end of ["pointerup", "pointercancel"]) tiles.addEventListener(end, () => { this.start = null; });
      tiles.addEventListener("pointerleave", () => this.read(null));
      tiles.addEventListener("dblclick", () => { this.reset(); this.paint(); });
      tiles.addEventListener("wheel", (event) => {  // a page that is only read past goes on scrolling
        if (event.target.tagName !== "CANVAS" || !(event.ctrlKey || this.root.contains(document.activeElement))) return;
        const box = event.target.getBoundingClientRect();
        this.zoom(Math.exp(-event.deltaY / 300), (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
        event.preventDefault();
      }, { passive: false });
      this.root.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey || ["INPUT", "SELECT"].includes(event.target.tagName)) return;
        if (this.press(event.key.length === 1 ? event.key.toLowerCase() : event.key)) event.preventDefault();
      });
      for (const key of ["condition", "left", "right"]) {
        parts[key].addEventListener("change", () => this.change({ [key]: Number(parts[key].value) }));
      }
      for (const key of ["centre", "width", "scale"]) {
        parts[key].addEventListener("input", () => {
          const value = Number(parts[key].value);
          if (parts[key].value === "" || (value < 1 && key !== "centre")) return;
          state[key] = value;
          this.paint();
        });
      }
      parts.divider.addEventListener("input", () => { state.split = parts.divider.value / 100; this.paint(); });
      addEventListener("resize", () => this.paint());
    }
  }

  for (const gallery of document.querySelectorAll(".gallery")) {
    const viewer = gallery.querySelector(".viewer");
    viewer.hidden = false;
    gallery.classList.add("live");
    gallery.viewer = new Viewer(gallery);
    gallery.viewer.build().catch((error) => {  // too old a browser: the static images stay
      viewer.hidden = true;
      gallery.classList.remove("live");
      console.error(error);
    });
  }
})();

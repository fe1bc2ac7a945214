// The spikes of one sample: the part in view, zoom, brush and cursor, and the strip of the whole sample.
import { LEFT, RIGHT, colours, fit, frequencyTicks, hertz, ticks } from "./axes.js";
import { count, many } from "./data.js";
import { brushing, choosing } from "./pointer.js";

const TOP = 6, BOTTOM = 36, SHORTEST = 1e-3, FEWEST = 4, NEAR = 8;

export class Raster {
  constructor({ raster, cursor, overview, readout, moved }) {
    Object.assign(this, { raster, overlay: cursor, overview, readout, moved });
    this.cursor = 0;
    this.sample = null;
    this.brush = null;
    this.view = { t0: 0, t1: 1, u0: -0.5, u1: 0.5 };
    this.pending = false;
    new ResizeObserver(() => this.redraw()).observe(raster);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
    brushing(this);
    choosing(this);
  }

  show(sample) {
    this.sample = sample;
    this.cursor = 0;
    this.hovered = "";
    this.whole();
  }

  whole() {
    if (!this.sample) return;
    this.view = { t0: 0, t1: this.sample.length, u0: -0.5, u1: this.sample.units - 0.5 };
    this.redraw();
  }

  // Show a part, moved and widened so that it lies within the sample.
  look(t0, t1, u0 = this.view.u0, u1 = this.view.u1) {
    if (!this.sample) return;
    const { length, units } = this.sample;
    [t0, t1] = inside(t0, t1, 0, length, Math.min(SHORTEST, length));
    [u0, u1] = inside(u0, u1, -0.5, units - 0.5, Math.min(FEWEST, units));
    this.view = { t0, t1, u0, u1 };
    this.redraw();
  }

  zoomTime(factor, about = null) {
    const { t0, t1 } = this.view;
    const seen = this.cursor > t0 && this.cursor < t1;
    const at = about ?? (seen ? this.cursor : (t0 + t1) / 2);
    this.look(at - (at - t0) * factor, at + (t1 - at) * factor);
  }

  zoomUnits(factor, about = null) {
    const { t0, t1, u0, u1 } = this.view, at = about ?? (u0 + u1) / 2;
    this.look(t0, t1, at - (at - u0) * factor, at + (u1 - at) * factor);
  }

  moveUnits(share) {
    const { t0, t1, u0, u1 } = this.view, by = share * (u1 - u0);
    this.look(t0, t1, u0 + by, u1 + by);
  }

  setCursor(time, told = false) {
    if (!this.sample) return;
    this.cursor = Math.max(0, Math.min(time, this.sample.length));
    const { t0, t1 } = this.view;
    if (this.cursor < t0) this.look(this.cursor, this.cursor + t1 - t0);
    if (this.cursor > t1) this.look(this.cursor - 0.1 * (t1 - t0), this.cursor + 0.9 * (t1 - t0));
    this.drawOverlay();
    this.drawOverview();
    this.moved({ cursor: this.cursor, byHand: told });
  }

  redraw() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.draw();
      this.drawOverlay();
      this.drawOverview();
      this.moved({ cursor: this.cursor, byHand: false });
    });
  }

  area() {
    const { clientWidth: width, clientHeight: height } = this.raster, { t0, t1, u0, u1 } = this.view;
    const w = Math.max(width - LEFT - RIGHT, 1), h = Math.max(height - TOP - BOTTOM, 1);
    return {
      w, h, sx: w / (t1 - t0), sy: h / (u1 - u0),
      x: (t) => LEFT + ((t - t0) * w) / (t1 - t0), y: (u) => TOP + ((u - u0) * h) / (u1 - u0),
      time: (x) => t0 + ((x - LEFT) * (t1 - t0)) / w, unit: (y) => u0 + ((y - TOP) * (u1 - u0)) / h,
    };
  }

  draw() {
    const { context, width, height, ratio } = fit(this.raster);
    if (!this.sample) return;
    const colour = colours(), area = this.area(), { t0, t1, u0, u1 } = this.view;
    const { times, spikeUnits } = this.sample;
    const first = place(times, t0), last = place(times, t1);
    context.fillStyle = colour("spike");
    const seen = this.countSeen(first, last);
    const side = Math.max(1.5, Math.min(7, Math.sqrt((0.06 * area.w * area.h) / Math.max(seen, 1))));
    const tall = Math.max(side, Math.min(0.85 * area.sy, 26)), wide = Math.min(side, 3);
    const snap = (size) => Math.round(size * ratio) / ratio; // sharp edges
    // A pixel is painted once, however many spikes fall on it.
    const columns = Math.ceil(width * ratio), painted = new Uint8Array(columns * Math.ceil(height * ratio));
    for (let k = first; k < last; k++) {
      const unit = spikeUnits[k];
      if (unit < u0 || unit > u1) continue;
      const x = area.x(times[k]), y = area.y(unit);
      const pixel = Math.floor(y * ratio) * columns + Math.floor(x * ratio);
      if (painted[pixel]) continue;
      painted[pixel] = 1;
      context.fillRect(snap(x - wide / 2), snap(y - tall / 2), snap(wide), snap(tall));
    }
    this.drawAxes(context, area, colour);
    this.describe(seen);
  }

  countSeen(first, last) {
    const { u0, u1 } = this.view, { spikeUnits } = this.sample;
    let seen = 0;
    for (let k = first; k < last; k++) if (spikeUnits[k] >= u0 && spikeUnits[k] <= u1) seen++;
    return seen;
  }

  drawAxes(context, area, colour) {
    const { t0, t1, u0, u1 } = this.view, bottom = TOP + area.h, right = LEFT + area.w;
    context.clearRect(0, 0, LEFT - 4, bottom + BOTTOM);
    context.clearRect(right + 4, 0, RIGHT, bottom + BOTTOM);
    context.strokeStyle = colour("line");
    context.strokeRect(LEFT - 3.5, TOP - 3.5, area.w + 7, area.h + 7);
    context.fillStyle = colour("soft");
    context.textBaseline = "middle";
    context.textAlign = "right";
    const unitTicks = ticks(Math.max(u0, 0), Math.min(u1, this.sample.units - 1), area.h / 60, true).found;
    for (const unit of unitTicks) context.fillText(unit.toFixed(0), LEFT - 9, area.y(unit));
    context.textAlign = "center";
    const seconds = ticks(t0, t1, area.w / 90);
    for (const time of seconds.found) context.fillText(time.toFixed(seconds.digits), area.x(time), bottom + 13);
    context.fillText("time [s]", LEFT + area.w / 2, bottom + 28);
    context.textAlign = "left";
    context.fillText("unit", 4, bottom + 28);
    const cf = this.sample.frequencies;
    if (!cf) return;
    const round = frequencyTicks(cf, u0, u1);
    const marks = round.length > 1 ? round : unitTicks.map((unit) => [unit, hertz(cf[unit])]);
    let before = -Infinity;
    for (const [unit, text] of marks.sort((a, b) => a[0] - b[0])) {
      const y = area.y(unit);
      if (y - before < 14) continue;
      context.fillText(text, right + 9, y);
      before = y;
    }
    context.textAlign = "right";
    context.fillText("CF [Hz]", right + RIGHT - 2, bottom + 28);
  }

  drawOverlay() {
    const { context } = fit(this.overlay);
    if (!this.sample) return;
    const colour = colours(), area = this.area(), { t0, t1 } = this.view;
    context.strokeStyle = colour("orange");
    context.lineWidth = 2;
    if (this.cursor >= t0 && this.cursor <= t1) line(context, area.x(this.cursor), TOP - 3, TOP + area.h + 3);
    if (this.brush) {
      const { x0, x1, y0, y1 } = this.brush;
      context.setLineDash([5, 3]);
      context.strokeRect(x0, y0, x1 - x0, y1 - y0);
      context.setLineDash([]);
    }
  }

  drawOverview() {
    const { context, width, height } = fit(this.overview);
    if (!this.sample) return;
    const { length, rates } = this.sample, colour = colours(), w = width - LEFT - RIGHT, h = height - 6;
    const most = Math.max(...rates, 1);
    context.fillStyle = colour("line");
    rates.forEach((rate, k) => {
      const tall = (rate / most) * h;
      context.fillRect(LEFT + (k * w) / rates.length, 3 + h - tall, Math.max(w / rates.length - 0.5, 0.5), tall);
    });
    const x = (t) => LEFT + (t / length) * w;
    context.strokeStyle = colour("blue");
    context.lineWidth = 2;
    context.strokeRect(x(this.view.t0), 2, Math.max(x(this.view.t1) - x(this.view.t0), 2), h + 2);
    context.strokeStyle = colour("orange");
    line(context, x(this.cursor), 0, height);
  }

  describe(seen) {
    const { t0, t1, u0, u1 } = this.view, { times, units, title } = this.sample;
    const digits = t1 - t0 < 0.1 ? 4 : 2, [low, high] = [Math.ceil(u0), Math.min(Math.floor(u1), units - 1)];
    const part = `${t0.toFixed(digits)} to ${t1.toFixed(digits)} s, units ${low} to ${high}`;
    const text = `${count(seen)} of ${many(times.length, "spike")} shown: ${part}`;
    this.raster.setAttribute("aria-label", `Raster of ${title}. ${text}.`);
    this.shownText = text;
    this.readout.textContent = this.hovered ? `${text}. ${this.hovered}` : text;
  }

  // Tell of the spike at a place on the canvas.
  point(x, y) {
    this.hovered = this.near(x, y);
    this.readout.textContent = this.hovered ? `${this.shownText}. ${this.hovered}` : this.shownText;
  }

  // The spike next to a place on the canvas, if one is near.
  near(x, y) {
    const area = this.area(), { times, spikeUnits, frequencies } = this.sample;
    const reach = Math.max(NEAR, area.sy / 2);
    let best = -1, least = reach * reach;
    const last = place(times, area.time(x + NEAR));
    for (let k = place(times, area.time(x - NEAR)); k < last; k++) {
      const distance = (area.x(times[k]) - x) ** 2 + (area.y(spikeUnits[k]) - y) ** 2;
      if (distance < least) [best, least] = [k, distance];
    }
    if (best < 0) return "";
    const unit = spikeUnits[best], cf = frequencies ? ` (${hertz(frequencies[unit])}Hz)` : "";
    return `Spike at ${times[best].toFixed(5)} s, unit ${unit}${cf}.`;
  }
}

// First position in sorted times that is not before `time`.
function place(times, time) {
  let low = 0, high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

function inside(a, b, low, high, least) {
  const size = Math.min(Math.max(b - a, least), high - low), middle = (a + b) / 2;
  const start = Math.max(low, Math.min(b - a < least ? middle - size / 2 : a, high - size));
  return [start, start + size];
}

function line(context, x, y0, y1) {
  context.beginPath();
  context.moveTo(x, y0);
  context.lineTo(x, y1);
  context.stroke();
}

// Mouse, pen and finger on the raster and on the strip below it.
import { LEFT, RIGHT } from "./axes.js";

const CLICK = 4, FLAT = 8, STEADY = 0.01;

// A drag zooms in on a rectangle, a click sets the cursor, Ctrl and the wheel zoom.
export function brushing(raster) {
  const canvas = raster.raster;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (!raster.sample || event.button) return;
    const [x, y] = at(event);
    raster.brush = { x0: x, y0: y, x1: x, y1: y };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!raster.sample) return;
    const [x, y] = at(event);
    if (raster.brush) Object.assign(raster.brush, { x1: x, y1: y });
    raster.point(x, y);
    raster.drawOverlay();
  });
  canvas.addEventListener("pointerup", () => finish(raster));
  canvas.addEventListener("pointercancel", () => {
    raster.brush = null;
    raster.drawOverlay();
  });
  canvas.addEventListener("dblclick", () => raster.whole());
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey || !raster.sample) return;
    event.preventDefault();
    const factor = Math.exp((event.deltaY || event.deltaX) * 0.003), [x, y] = at(event);
    if (event.shiftKey) raster.zoomUnits(factor, raster.area().unit(y));
    else raster.zoomTime(factor, raster.area().time(x));
  }, { passive: false });
}

function finish(raster) {
  const { brush } = raster, area = raster.area();
  raster.brush = null;
  if (!brush) return;
  const [x0, x1] = [brush.x0, brush.x1].sort((a, b) => a - b);
  const [y0, y1] = [brush.y0, brush.y1].sort((a, b) => a - b);
  if (x1 - x0 < CLICK && y1 - y0 < CLICK) return void raster.setCursor(area.time(x0), true);
  // A flat or narrow rectangle chooses one axis.
  const { t0, t1, u0, u1 } = raster.view;
  const times = x1 - x0 < FLAT ? [t0, t1] : [area.time(x0), area.time(x1)];
  const units = y1 - y0 < FLAT ? [u0, u1] : [area.unit(y0), area.unit(y1)];
  raster.look(...times, ...units);
}

// A drag in the strip chooses the part that is shown, a click moves it.
export function choosing(raster) {
  const strip = raster.overview;
  let from = null;
  const time = (event) => {
    const box = strip.getBoundingClientRect();
    const share = (event.clientX - box.left - LEFT) / Math.max(box.width - LEFT - RIGHT, 1);
    return Math.max(0, Math.min(1, share)) * raster.sample.length;
  };
  const steady = (to) => Math.abs(to - from) <= STEADY * raster.sample.length;
  strip.addEventListener("pointerdown", (event) => {
    if (!raster.sample || event.button) return;
    from = time(event);
    strip.setPointerCapture(event.pointerId);
  });
  strip.addEventListener("pointermove", (event) => {
    if (from === null) return;
    const to = time(event);
    if (!steady(to)) raster.look(Math.min(from, to), Math.max(from, to));
  });
  strip.addEventListener("pointerup", (event) => {
    if (from === null) return;
    const to = time(event), half = (raster.view.t1 - raster.view.t0) / 2;
    if (steady(to)) raster.look(to - half, to + half);
    from = null;
  });
  strip.addEventListener("pointercancel", () => { from = null; });
}

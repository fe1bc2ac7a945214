// Canvases in device pixels, colours of the style sheet, and ticks.

export const LEFT = 46, RIGHT = 52;

export function colours() {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(`--${name}`).trim();
}

// Fit a canvas to its place; its context in CSS pixels, and its size.
export function fit(canvas) {
  const ratio = devicePixelRatio || 1, { clientWidth: width, clientHeight: height } = canvas;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = "12px system-ui, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif";
  return { context, width, height, ratio };
}

// Multiples of 1, 2 or 5 times a power of ten within a range, about `wanted` of them.
export function ticks(low, high, wanted, whole = false) {
  const rough = (high - low) / wanted, power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max([1, 2, 5, 10].find((k) => k * power >= rough * 0.999) * power, whole ? 1 : 0);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) found.push(k * step);
  return { found, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

export const hertz = (f) => (f >= 1000 ? `${Number((f / 1000).toPrecision(3))} k` : `${Number(f.toPrecision(3))} `);

// Places of round frequencies among the units: pairs of unit and text.
export function frequencyTicks(cf, first, last) {
  const found = [], ascending = cf[cf.length - 1] > cf[0];
  for (let power = 1; power <= 1e5; power *= 10) {
    for (const f of [power, 2 * power, 5 * power]) {
      const k = cf.findIndex((value, i) => i + 1 < cf.length && (ascending
        ? value <= f && f < cf[i + 1] : value >= f && f > cf[i + 1]));
      if (k < 0) continue;
      const unit = k + Math.log(f / cf[k]) / Math.log(cf[k + 1] / cf[k]);
      if (unit >= first && unit <= last) found.push([unit, hertz(f)]);
    }
  }
  return found;
}

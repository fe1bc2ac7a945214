// What a trained model answers over the time heard: lines of the likeliest classes, and the answer at the cursor.
import { LEFT, RIGHT, colours, fit } from "./axes.js";
import { element } from "./data.js";

const LINES = 5, TOP = 8, BOTTOM = 8;
const DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3], [12, 4]];

export class Answers {
  constructor({ canvas, text, legend }, classes) {
    Object.assign(this, { canvas, text, legend, classes, given: null });
  }

  clear(reason) {
    this.given = null;
    this.text.textContent = reason;
    this.legend.replaceChildren();
    this.canvas.hidden = true;
  }

  show(given, truth) {
    const best = this.classes.map((_, c) => Math.max(...given.shares.map((shares) => shares[c])));
    const order = best.map((_, c) => c).sort((a, b) => best[b] - best[a]);
    this.given = { ...given, truth, drawn: order.slice(0, LINES) };
    this.canvas.hidden = false;
    this.legend.replaceChildren(...this.given.drawn.map((c, k) => this.key(c, k)));
  }

  key(c, k) {
    const item = element("li");
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 32 10");
    svg.setAttribute("aria-hidden", "true");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", "M0 5H32");
    path.setAttribute("stroke-width", "3");
    path.setAttribute("stroke-dasharray", DASHES[k].join(" "));
    path.style.stroke = `var(--c${k})`;
    svg.append(path);
    item.append(svg, element("span", this.classes[c]));
    return item;
  }

  // Draw below the part of the raster in view.
  draw(view, cursor) {
    if (!this.given) return;
    const { context, width, height } = fit(this.canvas), colour = colours();
    const w = width - LEFT - RIGHT, h = height - TOP - BOTTOM, { times, shares, drawn } = this.given;
    const x = (t) => LEFT + ((t - view.t0) / (view.t1 - view.t0)) * w, y = (share) => TOP + (1 - share) * h;
    context.fillStyle = colour("soft");
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const share of [0, 0.5, 1]) context.fillText(`${100 * share} %`, LEFT - 6, y(share));
    context.strokeStyle = colour("hair");
    for (const share of [0, 0.5, 1]) stroke(context, [[LEFT, y(share)], [LEFT + w, y(share)]]);
    context.save();
    context.beginPath();
    context.rect(LEFT, 0, w, height);
    context.clip();
    drawn.forEach((c, k) => {
      context.strokeStyle = colour(`c${k}`);
      context.lineWidth = 2;
      context.setLineDash(DASHES[k]);
      stroke(context, times.map((t, i) => [x(t), y(shares[i][c])]));
    });
    context.setLineDash([]);
    context.strokeStyle = colour("orange");
    stroke(context, [[x(cursor), 0], [x(cursor), height]]);
    context.restore();
    this.say(cursor);
  }

  say(cursor) {
    const { times, shares, decided, truth } = this.given, end = times.length - 1;
    let k = -1;
    while (k < end && times[k + 1] <= cursor) k++;
    const last = likeliest(shares[end]);
    const parts = [
      element("span", "At the end: "), element("strong", this.classes[last]),
      element("span", ` (${percent(shares[end][last])}), unchanged since ${decided.toFixed(2)} s`),
    ];
    if (truth) parts.push(element("span", truth === this.classes[last] ? "; right" : "; wrong"));
    if (k >= 0) {
      const now = likeliest(shares[k]);
      parts.push(element("span", `. Up to ${times[k].toFixed(2)} s: `), element("strong", this.classes[now]),
        element("span", ` (${percent(shares[k][now])})`));
    }
    parts.push(element("span", "."));
    this.text.replaceChildren(...parts);
    this.canvas.setAttribute("aria-label", `Confidence over the time heard. ${this.text.textContent}`);
  }
}

const likeliest = (shares) => shares.indexOf(Math.max(...shares));
const percent = (share) => `${(100 * share).toFixed(0)} %`;

function stroke(context, points) {
  context.beginPath();
  points.forEach(([x, y], k) => (k ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.stroke();
}

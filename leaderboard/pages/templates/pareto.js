"use strict";
// Accuracy against a cost, for the entries of one tier on the same data that pass the filter.
function paretoPlot({ data, groups, make, draw, change, cost, percent }) {
  const MOST = 400;
  const LABELS = 6;
  const byId = (id) => document.getElementById(id);
  const figure = byId("plot");
  const COSTS = new Map([
    ["parameters", ["parameters", (entry) => entry.parameters]],
    ["operations", ["synaptic operations per sample (AC + MAC)", (entry) => entry.operations]],
    ["spikes", ["spikes per inference", (entry) => entry.spikes]],
    ["latency", ["latency in seconds", (entry) => entry.latency]],
    ...data.tables.map((table, number) => [
      `energy-${table}`, [`energy in pJ per sample, table ${table}`, (entry) => entry.energy[number]],
    ]),
  ]);
  const KINDS = [
    ["spiking", "spiking", "circle"], ["conventional-spikes", "conventional on spikes", "square"],
    ["conventional-audio", "conventional on audio", "triangle"], ["other", "other tracks", "diamond"],
  ];
  const kindOf = (item) => (KINDS.some(([name]) => name === item.track) ? item.track : "other");
  const placeOf = ({ group, tier, task }) => `${group.dataset}/${group.protocol}/${group.sha256}/${tier}/${task}`;

  const places = new Map();
  for (const [number, tier, , , , task] of data.boards) {
    const group = groups[number];
    const same = groups.filter((one) => one.dataset === group.dataset && one.protocol === group.protocol);
    const where = `${group.dataset}, ${group.protocol}${same.length > 1 ? ` (${group.sha256})` : ""}`;
    const words = `${where}, ${tier}${task ? `: ${task}` : ""}`;
    places.set(placeOf({ group, tier, task }), words.replace("-training", " training").replace("-inference", " inference"));
  }
  for (const [place, words] of places) byId("points").append(make("option", { value: place }, words));
  for (const [name, [words]] of COSTS) byId("x").append(make("option", { value: name }, words));
  let chosen = ""; // the requested place; else the one with most entries left
  for (const field of [byId("points"), byId("x")]) {
    field.addEventListener("change", () => {
      if (field.id === "points") chosen = field.value;
      change();
    });
  }

  let items = [];
  let drawn = 0;
  const paint = () => {
    cancelAnimationFrame(drawn);
    drawn = requestAnimationFrame(() => {
      if (!figure.clientWidth) return;
      render();
    });
  };
  let width = 0;
  new ResizeObserver(() => {
    if (figure.clientWidth === width) return;
    width = figure.clientWidth;
    paint();
  }).observe(figure);

  function update(matching) {
    items = matching;
    const counts = new Map();
    for (const item of items) counts.set(placeOf(item), (counts.get(placeOf(item)) ?? 0) + 1);
    let best = [...places.keys()][0];
    for (const [place, count] of counts) if (count > (counts.get(best) ?? 0)) best = place;
    byId("points").value = places.has(chosen) ? chosen : best;
    paint();
  }

  // An entry in two tracks is one point, in its own track.
  function points() {
    const own = new Map();
    for (const item of items) {
      if (placeOf(item) !== byId("points").value) continue;
      if (!own.has(item.entry) || item.track !== "constrained") own.set(item.entry, item);
    }
    return [...own.values()];
  }

  function ticksOf(low, high, isLog, most) {
    if (isLog) {
      const from = Math.floor(Math.log10(low));
      const to = Math.ceil(Math.log10(high));
      const steps = to - from <= 1 ? [1, 2, 3, 5] : to - from <= 2 ? [1, 2, 5] : [1];
      const all = [];
      for (let power = from; power <= to; power += 1) for (const step of steps) all.push(step * 10 ** power);
      const inside = all.filter((value) => value >= low * 0.999 && value <= high * 1.001);
      const every = Math.ceil(inside.length / most);
      return inside.filter((_, number) => number % every === 0);
    }
    const rough = (high - low) / most;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 2.5, 5, 10].find((one) => one * power >= rough) * power;
    const ticks = [];
    for (let number = Math.ceil(low / step - 1e-9); number * step <= high + step * 1e-9; number += 1) {
      ticks.push(number * step);
    }
    return ticks;
  }
  const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

  // Cheaper first; of equal cost the more accurate. On the front: more accurate than all that cost no more.
  function frontOf(sorted) {
    const front = [];
    let best = -1;
    for (const point of sorted) {
      if (point.item.entry.test > best) front.push(point);
      best = Math.max(best, point.item.entry.test);
    }
    return front;
  }

  function shape(kind, x, y, size) {
    const paths = {
      square: `M${x - size} ${y - size}h${2 * size}v${2 * size}h${-2 * size}z`,
      triangle: `M${x} ${y - 1.25 * size}l${1.25 * size} ${2.2 * size}h${-2.5 * size}z`,
      diamond: `M${x} ${y - 1.4 * size}l${1.4 * size} ${1.4 * size}l${-1.4 * size} ${1.4 * size}l${-1.4 * size} ${-1.4 * size}z`,
    };
    const form = KINDS.find(([name]) => name === kind)[2];
    return form === "circle" ? draw("circle", { cx: x, cy: y, r: 1.12 * size }) : draw("path", { d: paths[form] });
  }

  function render() {
    const [words, valueOf] = COSTS.get(byId("x").value);
    const all = points();
    const standing = all.filter((item) => !item.entry.withdrawn);
    const known = standing.filter((item) => valueOf(item.entry) !== null)
      .map((item) => ({ item, cost: valueOf(item.entry) }))
      .sort((a, b) => a.cost - b.cost || b.item.entry.test - a.item.entry.test);
    const front = frontOf(known);
    const onFront = new Set(front);
    const ranked = [...known].sort((a, b) => b.item.entry.test - a.item.entry.test);
    const kept = new Set([...front, ...ranked].slice(0, MOST));
    const shown = known.filter((point) => kept.has(point));

    const said = [`${shown.length.toLocaleString("en")} ${shown.length === 1 ? "entry" : "entries"} drawn`];
    if (shown.length < known.length) {
      said.push(`${(known.length - shown.length).toLocaleString("en")} less accurate ones left out`);
    }
    const without = standing.length - known.length;
    if (without) said.push(`${without.toLocaleString("en")} without this figure`);
    if (all.length > standing.length) said.push(`${all.length - standing.length} withdrawn`);
    const caption = make("figcaption", {}, said.join(", ") + ".");
    if (!shown.length) {
      figure.replaceChildren(caption);
      return;
    }

    width = figure.clientWidth;
    const narrow = width < 560;
    const height = narrow ? 300 : 400;
    const left = 40;
    const top = 28;
    const right = width - 14;
    const bottom = height - 44;
    const costs = shown.map((point) => point.cost);
    const least = Math.min(...costs);
    const most = Math.max(...costs);
    const isLog = least > 0 && most / least > 8;
    const spread = isLog ? 1.25 : Math.max((most - least) * 0.06, most * 0.02, 1e-9);
    const from = isLog ? least / spread : Math.max(least - spread, 0);
    const to = isLog ? most * spread : most + spread;
    const scale = isLog ? Math.log : (value) => value;
    const x = (value) => left + ((right - left) * (scale(value) - scale(from))) / (scale(to) - scale(from));
    const floor = Math.max(Math.floor(Math.min(...shown.map((p) => p.item.entry.low)) * 20 - 0.2) / 20, 0);
    const ceiling = Math.min(Math.ceil(Math.max(...shown.map((p) => p.item.entry.high)) * 20 + 0.2) / 20, 1);
    const y = (value) => top + ((bottom - top) * (ceiling - value)) / (ceiling - floor);

    const picture = draw("svg", {
      viewBox: `0 0 ${width} ${height}`, width, height, role: "group",
      "aria-label": `Test accuracy against ${words}; every point is a link to its entry`,
    });
    for (const value of ticksOf(100 * floor, 100 * ceiling, false, 7)) {
      const at = y(value / 100).toFixed(1);
      picture.append(
        draw("path", { class: "grid", d: `M${left} ${at}H${right}` }),
        draw("text", { class: "lane", x: left - 6, y: Number(at) + 4.5 }, String(Number(value.toFixed(1)))),
      );
    }
    for (const value of ticksOf(from, to, isLog, narrow ? 4 : 8)) {
      const at = x(value).toFixed(1);
      picture.append(
        draw("path", { class: "grid", d: `M${at} ${top}V${bottom}` }),
        draw("text", { class: "tick", x: at, y: bottom + 18 }, compact.format(value).replace("K", "k")),
      );
    }
    const axis = narrow ? words.replace(" per sample", "").replace("synaptic operations", "operations") : words;
    picture.append(
      draw("text", { class: "axis-name", x: right, y: height - 6 }, axis + (isLog ? ", logarithmic" : "")),
      draw("text", { class: "axis-unit", x: 0, y: 9 }, "test accuracy, %"),
    );
    if (front.length > 1) {
      // Steps: between two entries of the front, the cheaper one is the best known.
      const steps = front.map(({ item, cost: value }, number) => (
        `${number ? `H${x(value).toFixed(1)}V` : `M${x(value).toFixed(1)} `}${y(item.entry.test).toFixed(1)}`
      ));
      picture.append(draw("path", { class: "front", d: steps.join("") }));
    }
    const taken = [];
    for (const point of shown) {
      const { entry } = point.item;
      const kind = kindOf(point.item);
      const at = x(point.cost);
      const middle = y(entry.test);
      const label = `${entry.name}: ${percent(entry.test)} % (${percent(entry.low)}–${percent(entry.high)}), `
        + `${cost(point.cost)} ${words}, ${KINDS.find(([name]) => name === kind)[1]}`
        + `${point.item.rank === null ? ", no rank" : ""}${onFront.has(point) ? ", on the front" : ""}`;
      const link = draw(
        "a", { href: entry.page + (location.hash.includes("=") ? location.hash : ""), "aria-label": label },
        draw("path", { class: "whisker", d: `M${at.toFixed(1)} ${y(entry.low).toFixed(1)}V${y(entry.high).toFixed(1)}` }),
        shape(kind, Number(at.toFixed(1)), Number(middle.toFixed(1)), onFront.has(point) ? 5 : 4),
        draw("title", {}, label),
      );
      link.setAttribute("class", `point ${kind}${point.item.rank === null ? " unranked" : ""}`);
      picture.append(link);
      taken.push([at - 8, middle - 8, at + 8, middle + 8]);
    }
    // Names beside the front, the best first, where there is room.
    let names = 0;
    for (const point of [...front].reverse()) {
      const name = point.item.entry.name.slice(0, 24);
      const at = x(point.cost);
      const middle = y(point.item.entry.test);
      const size = 7.6 * name.length;
      const end = at - size - 10 > left;
      const box = end ? [at - size - 10, middle - 20, at - 9, middle - 5] : [at + 9, middle - 20, at + size + 10, middle - 5];
      const covers = taken.some((o) => box[0] < o[2] && o[0] < box[2] && box[1] < o[3] && o[1] < box[3]);
      if (names === LABELS || covers || box[2] > width || box[1] < 0) continue;
      names += 1;
      taken.push(box);
      const place = { class: end ? "name-before" : "name-after", x: at + (end ? -9 : 9), y: middle - 8, "aria-hidden": "true" };
      picture.append(draw("text", place, name));
    }
    const used = new Set(shown.map((point) => kindOf(point.item)));
    const key = make("ul", { class: "legend" });
    for (const [name, title] of KINDS.filter(([kind]) => used.has(kind))) {
      const mark = draw("svg", { width: 14, height: 14, viewBox: "0 0 14 14", "aria-hidden": "true" });
      mark.append(draw("g", { class: `point ${name}` }, shape(name, 7, 7, 4)));
      key.append(make("li", {}, mark, title));
    }
    if (shown.some((point) => point.item.rank === null)) {
      const mark = draw("svg", { width: 14, height: 14, viewBox: "0 0 14 14", "aria-hidden": "true" });
      mark.append(draw("g", { class: "point unranked other" }, shape("spiking", 7, 7, 4)));
      key.append(make("li", {}, mark, "hollow: no rank"));
    }
    figure.replaceChildren(picture, key, caption);
  }

  return {
    update,
    state: () => [
      ...(chosen ? [["points", chosen]] : []),
      ...(byId("x").value === "parameters" ? [] : [["x", byId("x").value]]),
    ],
    restore(known) {
      chosen = known.get("points") ?? "";
      byId("x").value = COSTS.has(known.get("x")) ? known.get("x") : "parameters";
    },
  };
}

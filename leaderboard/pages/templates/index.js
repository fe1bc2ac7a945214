// Draws the rows from the JSON in the page, sorts and filters them. The state is stored in the URL.
// Texts of users are inserted as text nodes and attributes only.
(() => {
  const PIECE = 100; // rows added by a button
  const AT_FIRST = 200; // rows of all tables together, before a button is used
  const byId = (id) => document.getElementById(id);
  const FIELDS = ["find", "dataset", "tier", "track", "protocol", "spiking", "parameters", "selected"];
  const filters = FIELDS.map(byId);
  const data = JSON.parse(byId("data").textContent);
  const COLUMNS = [
    "name", "id", "slug", "authors", "model", "spiking", "test", "low", "high", "method", "unseen", "validation",
    "parameters", "operations", "spikes", "latency", "seeds", "selected", "refitted", "claimed", "unlabelled", "flags",
    "reason", "withdrawn", "note",
  ];
  const TEXTS = ["slug", "authors", "model", "method", "selected", "reason", "note"];
  const entries = data.entries.map((values) => {
    const entry = { energy: values.slice(COLUMNS.length) };
    COLUMNS.forEach((name, column) => (entry[name] = values[column]));
    for (const name of TEXTS) entry[name] = data.texts[entry[name]];
    // Both parts come from a checked folder name; anything else gives no link.
    const safe = /^[a-z0-9-]+$/.test(entry.slug) && /^[a-z0-9-]+$/.test(entry.id);
    entry.page = safe ? `entries/${entry.slug}/${entry.id}.html` : "";
    return entry;
  });
  const groups = data.groups.map(([dataset, protocol, sha256, classes, synthetic]) => (
    { dataset, protocol, sha256, classes, synthetic }
  ));

  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }
  function draw(tag, attributes, ...children) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }
  const percent = (value) => (value === null ? "–" : (100 * value).toFixed(1));
  const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
  const digits = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
  const cost = (value) => (value === null ? "–" : (Math.abs(value) >= 100 ? whole : digits).format(value));
  const seconds = (value) => (value === null || value < 0.01 ? cost(value) : value.toFixed(2));

  // ---- rows of the measured tables

  function glyph(entry, chance) {
    const x = (value) => (2 + 196 * value).toFixed(1);
    const picture = draw(
      "svg", { class: "glyph", viewBox: "0 0 200 14", width: 140, height: 14, "aria-hidden": "true" },
      draw("path", { class: "axis", d: "M2 7h196" }),
      draw("path", { class: "chance", d: `M${x(chance)} 3v8` }),
      draw("path", { class: "interval", d: `M${x(entry.low)} 7H${x(entry.high)}` }),
    );
    if (entry.validation !== null) {
      picture.append(draw("circle", { class: "validation", cx: x(entry.validation), cy: 7, r: 3 }));
    }
    picture.append(draw("circle", { class: "mean", cx: x(entry.test), cy: 7, r: 3.2 }));
    return picture;
  }

  function nameCell({ entry, group }) {
    const cell = make("th", { scope: "row", class: "name" });
    cell.append(make("a", { href: entry.page + state() }, entry.name));
    if (entry.flags) {
      const words = entry.flags === 1 ? " oddity, see its page" : " oddities, see its page";
      cell.append(" ", make("span", { class: "flag" }, `⚑ ${entry.flags}`, make("span", { class: "unseen" }, words)));
    }
    const kind = (entry.spiking ? "spiking" : "conventional") + (entry.refitted ? ", refitted" : "")
      + (group.synthetic ? ", synthetic voices" : "");
    cell.append(make("small", {}, (entry.name === entry.model ? "" : entry.model + ", ") + kind));
    if (entry.authors) cell.append(make("small", {}, entry.authors));
    if (entry.unlabelled) cell.append(make("small", { class: "why" }, "labels not compared with the data"));
    if (entry.reason) cell.append(make("small", { class: "why" }, entry.reason));
    return cell;
  }

  function row(item) {
    const { entry, chance, rank, tied } = item;
    const place = make("td", { class: "rank" });
    if (rank === null) {
      place.append(make("span", { "aria-hidden": "true" }, "–"), make("span", { class: "unseen" }, "no rank"));
    } else {
      place.append(String(rank));
      if (tied) place.append(make("small", {}, "tie"));
    }
    const figures = make(
      "span", {}, make("span", { class: "figure" }, percent(entry.test)), " ",
      make("span", { class: "range" }, `${percent(entry.low)}–${percent(entry.high)}`),
      make("small", {}, entry.method),
    );
    const numbers = [
      percent(entry.unseen), percent(entry.validation), whole.format(entry.parameters) + (entry.claimed ? " claimed" : ""), cost(entry.operations),
      cost(entry.spikes), seconds(entry.latency), String(entry.seeds),
    ];
    return make(
      "tbody", {},
      make(
        "tr", {}, place, nameCell(item),
        make("td", { class: "wide" }, make("div", {}, figures, glyph(entry, chance))),
        ...numbers.map((text) => make("td", { class: "num" }, text)),
      ),
    );
  }

  // ---- tables: each has items {values, words(), facts, body()}, in their original order

  function measuredItems(board) {
    const [groupNumber, tier, track, places, chance, task] = board;
    const group = groups[groupNumber];
    const items = [];
    for (let at = 0; at < places.length; at += 3) {
      const entry = entries[places[at]];
      const item = { entry, group, tier, track, chance, task, rank: places[at + 1] || null, tied: places[at + 2] === 1 };
      item.value = (key) => (key === "rank" ? item.rank : entry[key]);
      item.facts = {
        dataset: group.dataset, protocol: group.protocol, tier, track,
        spiking: entry.spiking ? "yes" : "no", parameters: entry.parameters, selected: entry.selected,
      };
      item.words = () => (
        [
          entry.name, entry.authors, entry.model, entry.note, entry.reason, group.dataset, group.protocol,
          entry.refitted ? "refitted" : "",
        ].join(" ")
      );
      item.body = () => row(item);
      items.push(item);
    }
    return items;
  }

  function reportedItems(table) {
    const keys = [...table.tHead.rows[0].cells].map((head) => head.dataset.key);
    const isNumber = [...table.tHead.rows[0].cells].map((head) => head.dataset.sort === "number");
    return [...table.tBodies].map((body) => {
      const values = new Map(keys.map((key, column) => {
        const text = body.rows[0].cells[column].dataset.value;
        return [key, text === "" ? null : isNumber[column] ? Number(text) : text];
      }));
      const { dataset, spiking, selected, parameters } = body.dataset;
      return {
        value: (key) => values.get(key),
        facts: {
          dataset, spiking, selected, tier: "reported", track: "", protocol: "",
          parameters: parameters === "" ? null : Number(parameters),
        },
        words: () => body.textContent,
        body: () => body,
      };
    });
  }

  const tables = [...document.querySelectorAll("table.sortable")].map((element) => {
    const measured = element.classList.contains("measured");
    const items = measured ? measuredItems(data.boards[Number(element.dataset.board)]) : reportedItems(element);
    const region = measured ? element.closest(".board") : element.closest(".scroll");
    const rest = measured ? region.querySelector(".rest") : null;
    const table = { element, measured, items, region, rest, matching: items, limit: PIECE, heads: [] };
    if (rest) {
      table.more = make("button", { type: "button" });
      rest.replaceChildren(table.more);
      table.more.addEventListener("click", () => {
        const from = table.limit;
        table.limit += PIECE;
        show(table);
        table.element.tBodies[from].querySelector("a").focus();
      });
    }
    return table;
  });
  const total = tables.reduce((sum, table) => sum + table.items.length, 0);
  const sorting = { measured: null, reported: null };

  function matcher() {
    const [find, dataset, tier, track, protocol, spiking, parameters, selected] = filters.map((f) => f.value);
    const words = find.toLowerCase().split(/\s+/).filter(Boolean);
    const most = parameters === "" ? null : Number(parameters);
    return (item) => {
      const facts = item.facts;
      if (dataset && facts.dataset !== dataset) return false;
      if (tier && facts.tier !== tier) return false;
      if (track && facts.track !== track) return false;
      if (protocol && facts.protocol !== protocol) return false;
      if (spiking && facts.spiking !== spiking) return false;
      if (most !== null && (facts.parameters === null || facts.parameters > most)) return false;
      if (selected) {
        const chosen = facts.selected.split(", ");
        if (selected === "honest" ? chosen.includes("test") : !chosen.includes(selected)) return false;
      }
      if (!words.length) return true;
      item.text ??= item.words().toLowerCase();
      return words.every((word) => item.text.includes(word));
    };
  }

  const collator = new Intl.Collator("en");
  function compare(key, direction) {
    return (left, right) => {
      const a = left.value(key);
      const b = right.value(key);
      // Unknown values are last in both directions.
      if (a === null || b === null) return (a === null) - (b === null);
      return direction * (typeof a === "number" ? a - b : collator.compare(a, b));
    };
  }

  function show(table) {
    const shown = table.matching.slice(0, table.limit);
    const bodies = shown.map((item) => (item.drawn ??= item.body()));
    const now = table.element.tBodies;
    if (now.length !== bodies.length || bodies.some((body, number) => body !== now[number])) {
      // The head is not moved, since its buttons would lose the focus.
      for (const body of [...now]) body.remove();
      table.element.append(...bodies);
    }
    if (!table.rest) return;
    const left = table.matching.length - shown.length;
    table.rest.hidden = left === 0;
    table.more.textContent = `Show ${Math.min(left, PIECE)} more of ${left.toLocaleString("en")}`;
  }

  function update() {
    const matches = matcher();
    let count = 0;
    for (const table of tables) {
      table.matching = table.items.filter(matches);
    }
    const filled = tables.filter((table) => table.measured && table.matching.length).length;
    const piece = Math.max(10, Math.min(PIECE, Math.floor(AT_FIRST / filled)));
    for (const table of tables) {
      const by = sorting[table.measured ? "measured" : "reported"];
      if (by) table.matching.sort(compare(by.key, by.direction));
      table.limit = table.measured ? piece : Infinity;
      for (const { head, key } of table.heads) {
        const order = !by || by.key !== key ? "none" : by.direction > 0 ? "ascending" : "descending";
        head.setAttribute("aria-sort", order);
      }
      count += table.matching.length;
      table.region.hidden = table.matching.length === 0;
      show(table);
    }
    for (const part of document.querySelectorAll(".tier, .group, #older")) {
      part.hidden = !part.querySelector(".board:not([hidden])");
    }
    for (const section of document.querySelectorAll("#measured, #literature")) {
      const empty = !section.querySelector(".board:not([hidden]), .reported tbody");
      for (const line of section.querySelectorAll(".nothing")) line.hidden = !empty;
      for (const key of section.querySelectorAll(".key")) key.hidden = empty;
    }
    const said = `${count.toLocaleString("en")} of ${total.toLocaleString("en")} rows`;
    if (byId("count").textContent !== said) byId("count").textContent = said;
    plot?.update(tables.filter((table) => table.measured).flatMap((table) => table.matching));
  }

  // ---- the URL

  function remember() {
    const said = new URLSearchParams();
    for (const field of filters) if (field.value) said.set(field.id, field.value);
    for (const [name, by] of Object.entries(sorting)) {
      if (by) said.set(`sort-${name}`, `${by.key}.${by.direction > 0 ? "up" : "down"}`);
    }
    for (const [name, value] of plot?.state() ?? []) said.set(name, value);
    const hash = said.toString();
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
    carry();
  }

  function carry() {
    // Pages of entries link back with this state.
    for (const link of document.querySelectorAll(".measured .name a, #plot a")) {
      link.setAttribute("href", link.getAttribute("href").split("#")[0] + state());
    }
  }
  const state = () => (location.hash.includes("=") ? location.hash : "");

  function restore() {
    // A hash without "=" is a place on the page, such as #literature.
    const known = new URLSearchParams(state().slice(1));
    for (const field of filters) {
      field.value = known.get(field.id) || "";
      if (field.selectedIndex === -1) field.value = "";
    }
    for (const name of Object.keys(sorting)) {
      const [key, direction] = (known.get(`sort-${name}`) || "").split(".");
      const has = tables.some((t) => t.measured === (name === "measured") && t.heads.some((h) => h.key === key));
      sorting[name] = has ? { key, direction: direction === "up" ? 1 : -1 } : null;
    }
    plot?.restore(known);
    update();
    carry();
  }

  function change() {
    update();
    remember();
  }

  for (const table of tables) {
    for (const head of table.element.tHead.rows[0].cells) {
      const key = head.dataset.key;
      const name = table.measured ? "measured" : "reported";
      const button = make("button", { type: "button" }, ...head.childNodes);
      head.append(button);
      table.heads.push({ head, key });
      button.addEventListener("click", () => {
        const first = head.dataset.first === "up" || head.dataset.sort === "text" ? 1 : -1;
        const now = sorting[name];
        sorting[name] = { key, direction: now && now.key === key ? -now.direction : first };
        change();
      });
    }
  }
  for (const field of filters) field.addEventListener("input", change);
  byId("clear").addEventListener("click", () => {
    for (const field of filters) field.value = "";
    change();
    byId("find").focus();
  });
  for (const part of document.querySelectorAll(".scripted")) part.hidden = false;
  const plot = byId("plot") && paretoPlot({ data, groups, make, draw, change, cost, percent });
  addEventListener("hashchange", restore);
  byId("filter").hidden = false;
  restore();
})();

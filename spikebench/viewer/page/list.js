// The list of samples: any number of rows, of which only those in sight exist.
import { count, element, json, many } from "./data.js";

const HEIGHT = 40, PAGE = 100, SPARE = 6;

export class List {
  constructor(box, chosen, failed) {
    Object.assign(this, { box, chosen, failed, total: 0, position: -1, generation: 0 });
    this.all = box.appendChild(element("div", "", "all"));
    this.all.setAttribute("role", "presentation");
    this.rows = new Map();
    this.pages = new Map();
    this.shown = new Map();
    box.addEventListener("scroll", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(box);
    this.all.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) this.select(Number(option.dataset.position));
    });
  }

  // Show the samples of a query; keep the sample `index` selected if it is among them.
  async open(query, index, names) {
    const generation = ++this.generation;
    query.set("count", PAGE);
    const first = new URLSearchParams(query);
    if (index !== null) first.set("find", index);
    const answer = await json(`api/samples?${first}`);
    if (generation !== this.generation) return;
    Object.assign(this, { query, names, total: answer.total });
    this.rows.clear();
    this.pages = new Map([[0, Promise.resolve()]]);
    this.keep(answer);
    this.all.style.height = `${this.total * HEIGHT}px`;
    for (const option of this.shown.values()) option.remove();
    this.shown.clear();
    this.position = -1;
    this.box.scrollTop = 0;
    const position = answer.position ?? -1;
    if (this.total) await this.select(Math.max(position, 0), position < 0);
    this.draw();
  }

  keep(answer) {
    answer.rows.forEach((row, k) => this.rows.set(answer.from + k, row));
  }

  load(page) {
    if (!this.pages.has(page)) {
      const query = new URLSearchParams(this.query), generation = this.generation;
      query.set("from", page * PAGE);
      this.pages.set(page, json(`api/samples?${query}`).then((answer) => {
        if (generation === this.generation) this.keep(answer);
      }).catch((error) => {
        if (generation === this.generation) this.pages.delete(page); // to try again
        throw error;
      }));
    }
    return this.pages.get(page);
  }

  async select(position, tell = true) {
    position = Math.max(0, Math.min(position, this.total - 1));
    if (!this.total || position === this.position) return;
    this.position = position;
    this.reveal();
    this.draw();
    const generation = this.generation;
    try {
      await this.load(Math.floor(position / PAGE));
      this.draw();
    } catch (error) {
      this.failed(error);
    }
    const row = this.rows.get(position);
    if (tell && row && generation === this.generation && position === this.position) this.chosen(row);
  }

  reveal() {
    const top = this.position * HEIGHT, { scrollTop, clientHeight } = this.box;
    if (top < scrollTop) this.box.scrollTop = top;
    if (top + HEIGHT > scrollTop + clientHeight) this.box.scrollTop = top + HEIGHT - clientHeight;
  }

  draw() {
    const first = Math.max(0, Math.floor(this.box.scrollTop / HEIGHT) - SPARE);
    const last = Math.min(this.total, Math.ceil((this.box.scrollTop + this.box.clientHeight) / HEIGHT) + SPARE);
    for (const [position, option] of this.shown) {
      if (position < first || position >= last) {
        option.remove();
        this.shown.delete(position);
      }
    }
    const missing = new Set();
    for (let position = first; position < last; position++) {
      if (!this.rows.has(position)) missing.add(Math.floor(position / PAGE));
      else if (!this.shown.has(position)) this.add(position);
      this.shown.get(position)?.setAttribute("aria-selected", String(position === this.position));
    }
    if (this.shown.has(this.position)) this.box.setAttribute("aria-activedescendant", `row${this.position}`);
    else this.box.removeAttribute("aria-activedescendant");
    for (const page of missing) {
      if (!this.pages.has(page)) this.load(page).then(() => this.draw(), this.failed);
    }
  }

  add(position) {
    const [index, label, speaker, split, spikes, seconds] = this.rows.get(position);
    const option = element("div");
    option.id = `row${position}`;
    option.dataset.position = position;
    option.style.top = `${position * HEIGHT}px`;
    option.setAttribute("role", "option");
    option.setAttribute("aria-setsize", this.total);
    option.setAttribute("aria-posinset", position + 1);
    const { classes, speakers, splits } = this.names;
    const about = [`speaker ${speakers.get(speaker)}`];
    if (splits.size > 1) about.push(splits.get(split));
    option.append(
      element("span", classes.get(label)),
      element("span", `sample ${count(index)}`, "number"),
      element("span", about.join(", "), "about"),
      element("span", (seconds === null ? "" : `${seconds.toFixed(2)} s, `) + many(spikes, "spike"), "number"),
    );
    this.shown.set(position, option);
    this.all.append(option);
  }
}

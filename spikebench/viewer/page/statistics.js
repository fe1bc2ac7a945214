// Tables of the samples per class, speaker and split, and of the spikes per sample.
import { count, element } from "./data.js";

const MOST = 60;

export function fill(place, file) {
  const { spikes } = file, groups = [["class", file.classes], ["speaker", file.speakers], ["split", file.splits]];
  const tables = groups.map(([name, rows]) => table(`Samples per ${name}`, name, "samples",
    rows.map(([, text, size]) => [text, size])));
  const edges = spikes.edges.map((edge) => count(Math.round(edge)));
  const title = `Spikes per sample: ${count(spikes.least)} to ${count(spikes.most)}, median ${count(spikes.median)}`;
  tables.push(table(title, "spikes", "samples", spikes.bars.map((size, k) => [`${edges[k]} – ${edges[k + 1]}`, size])));
  place.replaceChildren(...tables);
}

function table(title, first, second, rows) {
  const box = element("div", "", "table"), made = element("table");
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", title);
  made.append(element("caption", title));
  const head = element("tr");
  for (const [name, kind] of [[first, ""], [second, "size"], ["", "share"]]) {
    const cell = head.appendChild(element(name ? "th" : "td", name, kind));
    if (name) cell.scope = "col";
  }
  const body = element("tbody"), most = Math.max(...rows.map(([, size]) => size), 1);
  for (const [name, size] of rows.slice(0, MOST)) {
    const row = body.appendChild(element("tr")), title = row.appendChild(element("th", name));
    title.scope = "row";
    title.title = name;
    row.append(element("td", count(size), "size"));
    const bar = row.appendChild(element("td", "", "share")).appendChild(element("i"));
    bar.style.width = `${(100 * size) / most}%`;
    bar.style.visibility = size ? "" : "hidden";
  }
  if (rows.length > MOST) {
    const cell = body.appendChild(element("tr")).appendChild(element("td", `and ${count(rows.length - MOST)} more`));
    cell.colSpan = 3;
  }
  const top = element("thead");
  top.append(head);
  made.append(top, body);
  box.append(made);
  return box;
}

"use strict";
// Sorting and filtering; the tables are complete without it. The state lives in the address.
(() => {
  const byId = (id) => document.getElementById(id);
  const tables = [...document.querySelectorAll("table.sortable")];
  const filters = ["find", "dataset", "spiking", "selected"].map(byId);
  const original = new Map(tables.map((table) => [table, [...table.tBodies]]));
  const words = new Map();
  for (const rows of original.values()) {
    for (const body of rows) words.set(body, body.textContent.toLowerCase());
  }

  function matches(body) {
    const [find, dataset, spiking, selected] = filters.map((field) => field.value);
    const chosen = body.dataset.selected.split(", ");
    return (
      find.toLowerCase().split(/\s+/).every((word) => words.get(body).includes(word)) &&
      (!dataset || body.dataset.dataset === dataset) &&
      (!spiking || body.dataset.spiking === spiking) &&
      (!selected || (selected === "honest" ? !chosen.includes("test") : chosen.includes(selected)))
    );
  }

  function filter() {
    let shown = 0;
    for (const table of tables) {
      let here = 0;
      for (const body of original.get(table)) {
        body.hidden = !matches(body);
        here += !body.hidden;
      }
      shown += here;
      const region = table.closest(".board") || table.parentElement;
      region.hidden = here === 0;
    }
    for (const section of document.querySelectorAll("#measured, #literature")) {
      const empty = !section.querySelector("tbody[data-dataset]:not([hidden])");
      for (const line of section.querySelectorAll(".nothing")) line.hidden = !empty;
      for (const key of section.querySelectorAll(".key")) key.hidden = empty;
    }
    byId("count").textContent = `${shown} of ${words.size} rows`;
  }

  function compare(kind, column, direction) {
    const value = (body) => body.rows[0].cells[column].dataset.value;
    return (left, right) => {
      const a = value(left);
      const b = value(right);
      // What is not known comes last in both directions.
      if (a === "" || b === "") return (a === "") - (b === "");
      return direction * (kind === "number" ? a - b : a.localeCompare(b, "en"));
    };
  }

  function sort(table, column, direction) {
    const heads = [...table.tHead.rows[0].cells];
    const head = heads[column];
    if (!head || !head.dataset.sort) return;
    for (const other of heads) {
      if (other.dataset.sort) other.setAttribute("aria-sort", "none");
    }
    head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
    const order = [...original.get(table)].sort(compare(head.dataset.sort, column, direction));
    table.append(...order);
    table.dataset.sorted = `${column}.${direction > 0 ? "up" : "down"}`;
  }

  function remember() {
    const state = new URLSearchParams();
    for (const field of filters) if (field.value) state.set(field.id, field.value);
    for (const table of tables) if (table.dataset.sorted) state.set(table.id, table.dataset.sorted);
    const hash = state.toString();
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  }

  function restore() {
    // A hash without "=" is a place on the page, such as #literature.
    const state = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
    for (const field of filters) {
      field.value = state.get(field.id) || "";
      if (field.selectedIndex === -1) field.value = "";
    }
    for (const table of tables) {
      const [column, direction] = (state.get(table.id) || "").split(".");
      if (/^\d+$/.test(column)) sort(table, Number(column), direction === "up" ? 1 : -1);
    }
    filter();
  }

  for (const table of tables) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if (!head.dataset.sort) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const now = head.getAttribute("aria-sort");
        const first = head.dataset.sort === "number" && !head.classList.contains("rank") ? -1 : 1;
        sort(table, column, now === "none" ? first : now === "ascending" ? -1 : 1);
        remember();
      });
    });
  }
  for (const field of filters) {
    field.addEventListener("input", () => {
      filter();
      remember();
    });
  }
  byId("clear").addEventListener("click", () => {
    for (const field of filters) field.value = "";
    filter();
    remember();
    byId("find").focus();
  });
  addEventListener("hashchange", restore);
  byId("filter").hidden = false;
  restore();
})();

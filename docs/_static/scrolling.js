// What is wider than the page can be scrolled from the keyboard.
addEventListener("load", () => {
  for (const wide of document.querySelectorAll(".highlight > pre, .table-wrapper, div.math")) {
    if (wide.scrollWidth > wide.clientWidth || wide.scrollHeight > wide.clientHeight) wide.tabIndex = 0;
  }
});

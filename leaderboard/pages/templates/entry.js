"use strict";
// Back links keep the filter of the index page; buttons copy the text beside them.
(() => {
  if (location.hash.includes("=")) {
    for (const link of document.querySelectorAll("a.back")) {
      link.setAttribute("href", link.getAttribute("href").split("#")[0] + location.hash);
    }
  }
  const said = document.getElementById("said");
  for (const button of document.querySelectorAll("button.copy")) {
    const source = document.getElementById(button.dataset.copies);
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(source.textContent);
        said.textContent = "Copied.";
      } catch {
        getSelection().selectAllChildren(source);
        said.textContent = "Selected: copy it with the keyboard.";
      }
    });
  }
})();

// Filters of the gallery and of the table, and sorting by the heads of its columns. Without it everything is shown.
"use strict";

function filterGallery() {
  const gallery = document.getElementById("gallery");
  if (!gallery) return;
  const words = document.getElementById("words");
  const subject = document.getElementById("subject");
  const kind = document.getElementById("kind");
  const count = document.getElementById("count");
  const cards = [...gallery.children];
  const apply = () => {
    const asked = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const card of cards) {
      const fits =
        asked.every((word) => card.dataset.words.includes(word)) &&
        (!subject.value || card.dataset.subject === subject.value) &&
        (!kind.value || card.dataset.kinds.split(" ").includes(kind.value));
      card.hidden = !fits;
      shown += fits;
    }
    count.textContent = `${shown} of ${cards.length}`;
  };
  for (const field of [words, subject, kind]) field.addEventListener("input", apply);
  apply();
}

// A picture that is higher than wide would be a thin strip: its top is shown, as wide as the card.
function showTops() {
  for (const image of document.querySelectorAll(".gallery img")) {
    const look = () => image.classList.toggle("high", image.naturalHeight > 1.2 * image.naturalWidth);
    if (image.complete) look();
    image.addEventListener("load", look);
  }
}

function sortTable() {
  const table = document.getElementById("results");
  if (!table) return;
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const value = (row, at) => row.cells[at].textContent.trim();
  const compare = (a, b) => {
    const numbers = [Number.parseFloat(a), Number.parseFloat(b)];
    return numbers.some(Number.isNaN) ? a.localeCompare(b) : numbers[0] - numbers[1];
  };
  heads.forEach((head, at) => {
    head.querySelector("button").addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...body.rows].sort((a, b) => (up ? 1 : -1) * compare(value(a, at), value(b, at)));
      body.append(...rows);
    });
  });
  const words = document.getElementById("words");
  words.addEventListener("input", () => {
    const asked = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of body.rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !asked.every((word) => text.includes(word));
    }
  });
}

document.addEventListener("DOMContentLoaded", () => {
  filterGallery();
  showTops();
  sortTable();
});

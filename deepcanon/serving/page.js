// What the pages do while they are open. HTML comes from this server alone, which escapes every text in it.

import { cells } from "./matrix.js";
import { trainForm, trainButtons } from "./train.js";

const { up, page } = document.body.dataset;
const EVERY = 2000; // milliseconds between two questions
const get = (id) => document.getElementById(id);

/** Asks again and again, also after an answer that failed; a page that nobody sees does not ask. */
function follow(ask) {
  const again = async () => {
    let goes = true;
    if (!document.hidden) {
      try { goes = (await ask()) !== false; } catch { /* the server is gone for a moment, or for good */ }
    }
    if (goes) setTimeout(again, EVERY);
  };
  setTimeout(again, EVERY);
}

/** Replaces what an element holds; boxes that were ticked (enlarged pictures, scales of curves) stay ticked. */
function fill(element, html) {
  if (element.dataset.html === html) return;
  element.dataset.html = html;
  const ticked = [...element.querySelectorAll("input")].map((input) => [input.id, input.checked]);
  element.innerHTML = html;
  for (const [id, checked] of ticked) {
    const input = id && get(id);
    if (input) input.checked = checked;
  }
}

function listPage() {
  const body = get("rows"), words = get("words"), heads = [...document.querySelectorAll("#runs thead th")].slice(1);
  let { version } = document.body.dataset;
  let order = null; // [column, direction]
  const cells = (row) => [...row.children].slice(1);
  const value = (row, column) => {
    const cell = cells(row)[column];
    if (!cell) return "";
    return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
  };
  const show = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = [...body.rows];
    let count = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !wanted.every((word) => text.includes(word));
      count += !row.hidden;
    }
    if (order) {
      const [column, way] = order;
      const compare = (a, b) => (typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? -1 : 1);
      rows.sort((a, b) => way * compare(value(a, column), value(b, column)));
      body.append(...rows);
    }
    const runs = `${rows.length.toLocaleString("en")} run${rows.length === 1 ? "" : "s"}`;
    get("count").textContent = count === rows.length ? runs : `${count.toLocaleString("en")} of ${runs}`;
  };
  const chosen = () => {
    get("compare").disabled = body.querySelectorAll("input:checked").length < 2;
  };
  heads.forEach((head, column) => head.firstChild.addEventListener("click", () => {
    const way = order && order[0] === column ? -order[1] : head.className === "n" ? -1 : 1;
    order = [column, way];
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", way > 0 ? "ascending" : "descending");
    show();
  }));
  words.addEventListener("input", show);
  words.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
  body.addEventListener("change", chosen);
  show();
  chosen();
  follow(async () => {
    const answer = await fetch(`${up}rows?version=${version}`);
    if (answer.status !== 200) return;
    version = answer.headers.get("x-version");
    const ticked = new Set([...body.querySelectorAll("input:checked")].map((input) => input.value));
    body.innerHTML = await answer.text();
    for (const input of body.querySelectorAll("input")) input.checked = ticked.has(input.value);
    show();
    chosen();
  });
}

/** A figure with a slider over the steps at which it was made; at its right end it follows the training. */
class Figure {
  constructor(run, folder, name) {
    const named = `name=${encodeURIComponent(name)}&step=`;
    this.source = `${up}figure/${run}?folder=${encodeURIComponent(folder)}&${named}`;
    this.steps = [];
    this.shown = null;
    this.card = document.createElement("div");
    this.card.className = "picture";
    const title = document.createElement("h3");
    title.textContent = `${name.replaceAll("_", " ")} `;
    this.when = document.createElement("small");
    title.append(this.when);
    this.content = document.createElement("figure");
    this.cells = cells(this.content, () => `${up}cell/${run}?${named}${this.shown}`);
    this.slider = document.createElement("input");
    this.slider.type = "range";
    this.slider.min = 0;
    this.slider.setAttribute("aria-label", `${name}: step`);
    this.slider.addEventListener("input", () => this.show());
    this.card.append(title, this.slider, this.content);
  }

  has(steps) {
    const last = this.steps.length === 0 || Number(this.slider.value) === this.steps.length - 1;
    this.steps = steps;
    this.slider.max = steps.length - 1;
    if (last) this.slider.value = steps.length - 1;
    this.slider.hidden = steps.length < 2;
    this.show();
  }

  async show() {
    const step = this.steps[Number(this.slider.value)];
    const text = step < 0 ? "" : `step ${step.toLocaleString("en")}`;
    this.when.textContent = text;
    this.slider.setAttribute("aria-valuetext", text);
    if (this.shown === step) return;
    this.shown = step;
    const answer = await fetch(this.source + step);
    if (!answer.ok) return;
    const html = await answer.text();
    if (this.shown !== step) return; // the slider was moved meanwhile
    this.content.innerHTML = html;
    const wide = this.content.querySelectorAll("svg").length > 1 || this.content.querySelector(".matrix.large");
    this.card.classList.toggle("wide-one", Boolean(wide));
    this.cells();
  }
}

function runPage() {
  const { run } = document.body.dataset;
  let { stamp } = document.body.dataset;
  const buttons = trainButtons();
  const figures = new Map();
  const show = (list) => {
    for (const [folder, name, steps] of list) {
      const key = JSON.stringify([folder, name]);
      if (!figures.has(key)) {
        figures.set(key, new Figure(run, folder, name));
        get("figures").append(figures.get(key).card);
      }
      figures.get(key).has(steps);
    }
    if (!figures.size) get("figures").textContent = "No pictures have been drawn yet.";
  };
  show(JSON.parse(document.body.dataset.figures));
  follow(async () => {
    const answer = await fetch(`${up}live/${run}?stamp=${encodeURIComponent(stamp)}`);
    if (answer.status === 404) return false; // the run was removed
    if (answer.status !== 200) return true;
    const found = await answer.json();
    stamp = found.stamp;
    buttons(found.state, found.mine);
    for (const name of ["cards", "problems", "curves"]) fill(get(name), found[name]);
    if (!figures.size && found.figures.length) get("figures").textContent = "";
    show(found.figures);
    return true;
  });
}

if (page === "list") {
  listPage();
  trainForm();
}
if (page === "run") runPage();

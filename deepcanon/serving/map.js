// A map of points: moved, brought closer, pointed at, chosen from. The server gives numbers and a sheet of pictures.

const { up, run, name, step } = document.body.dataset;
const get = (id) => document.getElementById(id);
const canvas = get("map"), near = get("near"), chooser = get("choose"), pen = canvas.getContext("2d");
const COLOURS = 7, SHOWN = 120, REACH = 14;
const query = `name=${encodeURIComponent(name)}&step=${step}`;
const answer = await fetch(`${up}points/${run}?${query}`);
if (!answer.ok) throw new Error(get("seen").textContent = (await answer.text()).trim());
const { x, y, groups, names, values, unit, texts, picture, wide, equal } = await answer.json();
const known = x.map((_, i) => i).filter((i) => x[i] !== null && y[i] !== null);
const hidden = new Set();
const present = new Map([...new Set(groups || [])].sort((one, other) => one - other).map((group, i) => [group, i]));
const square = (group) => Math.floor(present.get(group) / COLOURS) % 2 === 1; // as in the drawn figure
let view = null, chosen = [], frame = null, held = null;

const sheet = picture ? new Image() : null;
if (sheet) sheet.src = `${up}sheet/${run}?${query}`;

const extent = (numbers) => {
  let [low, high] = [Infinity, -Infinity];
  for (const number of numbers) { low = Math.min(low, number); high = Math.max(high, number); }
  return [low, high];
};
const range = values ? extent(values.filter((value) => value !== null)) : null;
const visible = (i) => !groups || !hidden.has(groups[i]);
const across = (i) => view.left + x[i] * view.across;
const down = (i) => view.top - y[i] * view.down;

/** The view in which all points are seen. */
function whole() {
  const [[x0, x1], [y0, y1]] = [extent(known.map((i) => x[i])), extent(known.map((i) => y[i]))];
  let [a, d] = [canvas.width / ((x1 - x0) * 1.08 || 1), canvas.height / ((y1 - y0) * 1.08 || 1)];
  if (equal) a = d = Math.min(a, d);
  const [left, top] = [canvas.width / 2 - a * (x0 + x1) / 2, canvas.height / 2 + d * (y0 + y1) / 2];
  view = { left, top, across: a, down: d, first: a };
}

function scale(by, at = [canvas.width / 2, canvas.height / 2]) {
  const most = 2000 * view.first, least = view.first / 4;
  by = Math.min(most / view.across, Math.max(least / view.across, by));
  view = { ...view, left: at[0] + (view.left - at[0]) * by, top: at[1] + (view.top - at[1]) * by,
    across: view.across * by, down: view.down * by };
  draw();
}

function move(right, low) {
  view = { ...view, left: view.left + right, top: view.top + low };
  draw();
}

const style = getComputedStyle(document.body);
const colour = (i) => {
  if (values) {
    const share = values[i] === null ? 0 : (values[i] - range[0]) / (range[1] - range[0] || 1);
    return `hsl(${250 - 200 * share} 70% ${35 + 25 * share}%)`;
  }
  return style.getPropertyValue(`--r${groups ? present.get(groups[i]) % COLOURS : 0}`);
};

function draw() {
  pen.clearRect(0, 0, canvas.width, canvas.height);
  const ratio = window.devicePixelRatio || 1, size = Math.max(2, Math.min(5, 140 / Math.sqrt(known.length))) * ratio;
  const marked = new Set(chosen);
  let seen = 0;
  for (const i of known) {
    if (!visible(i)) continue;
    const [a, d] = [across(i), down(i)];
    if (a < -size || d < -size || a > canvas.width + size || d > canvas.height + size) continue;
    seen += 1;
    pen.globalAlpha = chosen.length && !marked.has(i) ? 0.25 : 0.9;
    pen.fillStyle = colour(i);
    pen.beginPath();
    if (groups && square(groups[i])) pen.rect(a - size, d - size, 2 * size, 2 * size);
    else pen.arc(a, d, size, 0, 7);
    pen.fill();
  }
  pen.globalAlpha = 1;
  pen.fillStyle = style.getPropertyValue("--ink");
  pen.font = `${12 * ratio}px system-ui, sans-serif`;
  for (const [i, word] of Object.entries(texts)) {
    if (visible(i) && x[i] !== null) pen.fillText(word, across(i) + size + 2, down(i) + 4);
  }
  if (frame) {
    pen.strokeStyle = style.getPropertyValue("--accent");
    pen.lineWidth = 2 * ratio;
    pen.strokeRect(frame[0], frame[1], frame[2] - frame[0], frame[3] - frame[1]);
  }
  get("seen").textContent = `${seen.toLocaleString("en")} of ${known.length.toLocaleString("en")} points in view`;
}

const at = (event) => {
  const box = canvas.getBoundingClientRect();
  const [right, low] = [event.clientX - box.left, event.clientY - box.top];
  return [right * canvas.width / box.width, low * canvas.height / box.height];
};
const called = (i) => texts[i] ?? (groups ? names[groups[i]] ?? `group ${groups[i]}`
  : values ? `${values[i]} ${unit}`.trim() : "point");

function portrait(i, size) {
  const [height, width] = picture, small = document.createElement("canvas");
  [small.width, small.height] = [width, height];
  small.style.width = `${size}px`;
  small.setAttribute("role", "img");
  small.setAttribute("aria-label", `${called(i)}, point ${i}`);
  small.title = small.ariaLabel;
  const put = () => small.getContext("2d").drawImage(
    sheet, i % wide * width, Math.floor(i / wide) * height, width, height, 0, 0, width, height);
  if (sheet.complete) put(); else sheet.addEventListener("load", put, { once: true });
  return small;
}

function point(event) {
  const [a, d] = at(event), ratio = window.devicePixelRatio || 1;
  let [best, least] = [-1, (REACH * ratio) ** 2];
  for (const i of known) {
    if (!visible(i)) continue;
    const far = (across(i) - a) ** 2 + (down(i) - d) ** 2;
    if (far < least) [best, least] = [i, far];
  }
  near.hidden = best < 0;
  if (best < 0) return;
  const said = document.createElement("span");
  said.textContent = `${called(best)}, point ${best.toLocaleString("en")}`;
  near.replaceChildren(...(picture ? [portrait(best, 84)] : []), said);
  const box = canvas.getBoundingClientRect();
  const left = event.clientX - box.left;
  near.style.left = `${left > box.width / 2 ? left - near.offsetWidth - 14 : left + 14}px`;
  near.style.top = `${Math.max(0, Math.min(event.clientY - box.top, box.height - near.offsetHeight))}px`;
}

/** What lies in a frame: how many of each group, and the points themselves. */
function tell() {
  const place = get("chosen");
  place.replaceChildren();
  if (!chosen.length) return;
  const head = document.createElement("h2");
  head.textContent = `${chosen.length.toLocaleString("en")} chosen`;
  place.append(head);
  if (groups) {
    const counts = new Map();
    for (const i of chosen) counts.set(groups[i], (counts.get(groups[i]) || 0) + 1);
    const list = [...counts].sort((one, other) => other[1] - one[1])
      .map(([group, count]) => `${names[group] ?? `group ${group}`}: ${count.toLocaleString("en")}`);
    const said = document.createElement("p");
    said.textContent = list.join(", ");
    place.append(said);
  }
  const some = chosen.slice(0, SHOWN), row = document.createElement("div");
  row.className = "chosen";
  if (picture) row.append(...some.map((i) => portrait(i, 56)));
  else row.textContent = some.map((i) => (texts[i] ? called(i) : i)).join(", ");
  place.append(row);
  if (chosen.length > SHOWN) {
    const more = document.createElement("p");
    more.className = "note";
    more.textContent = `The first ${SHOWN} of them.`;
    place.append(more);
  }
}

canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  scale(Math.exp(-event.deltaY / 400), at(event));
}, { passive: false });
canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  held = at(event);
  if (chooser.checked || event.shiftKey) frame = [...held, ...held];
});
canvas.addEventListener("pointermove", (event) => {
  if (!held) { point(event); return; }
  const [a, d] = at(event);
  if (frame) { frame = [frame[0], frame[1], a, d]; draw(); return; }
  move(a - held[0], d - held[1]);
  held = [a, d];
});
canvas.addEventListener("pointerup", () => {
  if (frame) {
    const [left, right] = extent([frame[0], frame[2]]), [high, low] = extent([frame[1], frame[3]]);
    chosen = known.filter((i) => visible(i) && across(i) >= left && across(i) <= right
      && down(i) >= high && down(i) <= low);
    tell();
  }
  held = frame = null;
  draw();
});
canvas.addEventListener("pointerleave", () => { near.hidden = true; });
canvas.addEventListener("keydown", (event) => {
  const far = canvas.width / 8;
  const keys = { ArrowLeft: [far, 0], ArrowRight: [-far, 0], ArrowUp: [0, far], ArrowDown: [0, -far] };
  if (keys[event.key]) move(...keys[event.key]);
  else if (event.key === "+") scale(1.5);
  else if (event.key === "-") scale(1 / 1.5);
  else return;
  event.preventDefault();
});
get("closer").addEventListener("click", () => scale(1.5));
get("wider").addEventListener("click", () => scale(1 / 1.5));
get("whole").addEventListener("click", () => { whole(); draw(); });

for (const group of present.keys()) {
  const [label, box, mark] = ["label", "input", "i"].map((tag) => document.createElement(tag));
  box.type = "checkbox";
  box.checked = true;
  box.addEventListener("change", () => {
    if (box.checked) hidden.delete(group); else hidden.add(group);
    draw();
  });
  mark.style.background = `var(--r${present.get(group) % COLOURS})`;
  mark.style.borderRadius = square(group) ? "2px" : "50%";
  label.append(box, " ", mark, ` ${names[group] ?? `group ${group}`}`);
  get("groups").append(label);
}

function fit() {
  const ratio = window.devicePixelRatio || 1, box = canvas.parentElement.getBoundingClientRect();
  canvas.width = Math.round(box.width * ratio);
  canvas.height = Math.round(Math.min(box.width * 0.75, Math.max(320, window.innerHeight * 0.72)) * ratio);
  canvas.style.height = `${canvas.height / ratio}px`;
  whole();
  draw();
}
window.addEventListener("resize", fit);
fit();

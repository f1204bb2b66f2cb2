// Panels that ask a trained run. What they take comes from the run (`describe`); answers come as lines of JSON: HTML
// that the server wrote and escaped, tokens, or pieces of a text, which are put in as text.

const { up, run } = document.body.dataset;
const state = document.getElementById("state");

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in element && name !== "list") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Asks, and hands each line to `take` as it comes. */
async function ask(question, take, signal) {
  const answer = await fetch(`${up}ask/${run}`, { method: "POST", body: JSON.stringify(question), signal });
  if (!answer.ok) {
    take({ error: (await answer.text()).trim() });
    return;
  }
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) take(JSON.parse(line));
  }
}

const base64 = (blob) => new Promise((resolve, reject) => {
  const reader = new FileReader();
  reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
  reader.onerror = () => reject(reader.error);
  reader.readAsDataURL(blob);
});

/** What the server sent, as a file that can be sent back. */
function fileOf({ name, base64: content }) {
  return new File([Uint8Array.from(atob(content), (sign) => sign.charCodeAt(0))], name, { type: "image/png" });
}

/** A picture: drawn, dropped or chosen. */
function picture({ kind, size, channels, examples }) {
  const [height, width] = size;
  const scale = 280 / Math.max(height, width);
  const sides = { width: Math.round(width * scale), height: Math.round(height * scale) };
  const canvas = make("canvas", { ...sides, className: "draw" });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "a picture to draw; a file can be chosen instead");
  const pen = canvas.getContext("2d");
  const thick = make("input", { type: "range", min: 4, max: 60, value: 22, ariaLabel: "thickness of the pen" });
  const ink = make("input", { type: "color", value: "#ffffff" });
  const paper = make("input", { type: "color", value: "#000000" });
  let file = null, drawn = false, last = null;
  const clear = () => {
    file = null;
    drawn = false;
    pen.fillStyle = paper.value;
    pen.fillRect(0, 0, canvas.width, canvas.height);
  };
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    const [across, down] = [canvas.width / box.width, canvas.height / box.height];
    return [(event.clientX - box.left) * across, (event.clientY - box.top) * down];
  };
  const line = (event) => {
    const [x, y] = at(event);
    pen.strokeStyle = ink.value;
    pen.lineWidth = Number(thick.value);
    pen.lineCap = pen.lineJoin = "round";
    pen.beginPath();
    pen.moveTo(...(last || [x, y]));
    pen.lineTo(x, y);
    pen.stroke();
    last = [x, y];
    drawn = true;
    file = null;
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = null;
    line(event);
  });
  canvas.addEventListener("pointermove", (event) => { if (event.buttons) line(event); });
  const take = async (given) => {
    clear();
    file = given;
    try {
      const image = await createImageBitmap(given);
      const fit = Math.max(canvas.width / image.width, canvas.height / image.height); // as the reader crops it
      const [w, h] = [image.width * fit, image.height * fit];
      pen.drawImage(image, (canvas.width - w) / 2, (canvas.height - h) / 2, w, h);
    } catch { /* the server says what is wrong with it */ }
    canvas.dispatchEvent(new Event("done", { bubbles: true }));
  };
  canvas.addEventListener("pointerup", () => canvas.dispatchEvent(new Event("done", { bubbles: true })));
  const chooser = make("input", { type: "file", accept: "image/*", ariaLabel: "a picture" });
  chooser.addEventListener("change", () => chooser.files[0] && take(chooser.files[0]));
  const erase = make("button", { type: "button", textContent: "Clear" });
  erase.addEventListener("click", clear);
  paper.addEventListener("change", clear);
  let number = 0;
  const shown = make("button", { type: "button", textContent: "A training example" });
  shown.addEventListener("click", async () => {
    number += 1 + Math.floor(Math.random() * 40); // they may lie in the order of their classes
    await ask({ verb: "example", number }, (line) => {
      if (line.done) take(fileOf(line.done.file));
      if (line.error) shown.textContent = line.error;
    });
  });
  clear();
  const element = make("div", { className: "drawing" }, canvas, make("div", { className: "tools" },
    make("label", {}, "pen ", thick), make("label", {}, "ink ", ink), make("label", {}, "paper ", paper), erase,
    make("label", {}, "or a file ", chooser), ...(examples ? [shown] : []),
    make("small", { textContent: `read as ${width} x ${height} pixels${channels === 1 ? ", grey" : ""}` })));
  dropping(element, take);
  return {
    element,
    async read() {
      if (!file && !drawn) throw new Error("draw something, or give a picture");
      const blob = file || await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
      return { file: { name: file ? file.name : "drawn.png", base64: await base64(blob) } };
    },
  };
}

/** Two pictures, the ends of a way. */
function both(inputs) {
  const parts = inputs.map((input) => INPUTS[input.form](input));
  const element = make("div", { className: "both" }, ...parts.map((part, number) => make("fieldset", {},
    make("legend", { textContent: number ? "to" : "from" }), part.element)));
  element.addEventListener("done", (event) => event.stopPropagation()); // the other may be missing
  return {
    element,
    async read() {
      const files = [];
      for (const part of parts) files.push((await part.read()).file);
      return { files };
    },
  };
}

function dropping(element, take) {
  element.addEventListener("dragover", (event) => event.preventDefault());
  element.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  });
}

function upload(kind) {
  const chooser = make("input", { type: "file", ariaLabel: `a file of ${kind}` });
  const element = make("div", { className: "tools" }, make("label", {}, `a file of ${kind} `, chooser));
  dropping(element, (file) => { const all = new DataTransfer(); all.items.add(file); chooser.files = all.files; });
  return {
    element,
    async read(optional = false) {
      const file = chooser.files[0];
      if (!file && optional) return {};
      if (!file) throw new Error("choose a file");
      return { file: { name: file.name, base64: await base64(file) } };
    },
  };
}

/** Points of a plane, set by clicks. */
function points() {
  const canvas = make("canvas", { width: 280, height: 280, className: "draw" });
  const list = [], pen = canvas.getContext("2d"), file = upload("points");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "click to set points; a file can be chosen instead");
  const show = () => {
    pen.clearRect(0, 0, 280, 280);
    pen.fillStyle = getComputedStyle(document.body).getPropertyValue("--accent");
    for (const [x, y] of list) {
      pen.beginPath();
      pen.arc(280 * x, 280 * (1 - y), 4, 0, 7);
      pen.fill();
    }
  };
  canvas.addEventListener("click", (event) => {
    const box = canvas.getBoundingClientRect();
    list.push([(event.clientX - box.left) / box.width, 1 - (event.clientY - box.top) / box.height]);
    show();
  });
  const erase = make("button", { type: "button", textContent: "Clear" });
  erase.addEventListener("click", () => { list.length = 0; show(); });
  const element = make("div", { className: "drawing" }, canvas, make("div", { className: "tools" },
    make("small", { textContent: "click to set points" }), erase, file.element));
  return {
    element,
    async read() {
      if (!list.length) return file.read();
      const rows = list.map(([x, y]) => `${x.toFixed(4)},${y.toFixed(4)}`);
      return { file: { name: "points.csv", base64: btoa(`x,y\n${rows.join("\n")}\n`) } };
    },
  };
}

function written({ hint, kind }) {
  const area = make("textarea", { rows: 5, placeholder: hint, ariaLabel: `input: ${kind}` });
  return { element: area, read: async () => ({ text: area.value }) };
}

function row({ columns }) {
  const cells = columns.map(({ name, choices }) => {
    const input = choices.length
      ? make("select", {}, ...choices.map((choice) => make("option", { textContent: choice, value: choice })))
      : make("input", { type: "text", inputMode: "decimal" });
    return [name, input];
  });
  const element = make("div", { className: "cells" }, ...cells.map(([name, input]) => make("label", {}, name, input)));
  const read = async () => ({ row: Object.fromEntries(cells.map(([name, input]) => [name, input.value])) });
  return { element, read };
}

const INPUTS = { picture, points, row, text: written, file: ({ kind }) => upload(kind) };

/** The options of a verb; what was left as it is is not sent. */
function options(fields) {
  const known = fields.map((field) => {
    const { name, kind, help } = field;
    if (kind === "file") return [field, upload("the series to continue")];
    let input;
    if (kind === "choice") {
      const all = field.choices.map((word) => make("option", { textContent: word, value: word }));
      input = make("select", {}, make("option", { value: "", textContent: "any" }), ...all);
    } else if (kind === "lines" || name === "prompt") input = make("textarea", { rows: name === "prompt" ? 3 : 2 });
    else if (kind === "bool") input = make("input", { type: "checkbox", checked: field.default });
    else if (kind === "text") input = make("input", { type: "text", value: field.default });
    else input = make("input", { type: "number", value: field.default, step: kind === "int" ? 1 : "any", min: 0 });
    return [field, input];
  });
  const shown = known.map(([{ name, help }, input]) => make("label", { title: help, className: `of-${name}` },
    `${name.replaceAll("_", " ")} `, input.element || input));
  const element = make("div", {}, make("div", { className: "cells" }, ...shown.slice(0, 5)));
  if (shown.length > 5) {
    const folded = make("div", { className: "cells" }, ...shown.slice(5));
    element.append(make("details", {}, make("summary", { textContent: "more options" }), folded));
  }
  return {
    element,
    /** Other numbers are drawn the next time. */
    next() {
      for (const [{ name }, input] of known) if (name === "seed") input.value = Number(input.value) + 1;
    },
    async read() {
      const found = {}, more = {};
      for (const [field, input] of known) {
        if (field.kind === "file") { Object.assign(more, await input.read(true)); continue; }
        let value = input.type === "checkbox" ? input.checked : input.value;
        if (field.kind === "lines") value = value.split("\n").filter(Boolean);
        if (field.kind === "int" || field.kind === "float") {
          if (value === "") continue;
          value = Number(value);
        }
        if (JSON.stringify(value) !== JSON.stringify(field.default)) found[field.name] = value;
      }
      return { options: found, ...more };
    },
  };
}

/** A text whose tokens are coloured by how unlikely they were; each opens what else might have stood there. */
function tokens(list) {
  const text = make("p", { className: "tokens" }), others = make("div", { className: "others", role: "status" });
  for (const { token, apart, p, others: named } of list) {
    const button = make("button", { type: "button", textContent: token === "\n" ? "↵\n" : token });
    button.title = `${(100 * p).toPrecision(3)} %`;
    button.style.setProperty("--share", Math.min(1, -Math.log2(Math.max(p, 1e-9)) / (apart ? 16 : 8)));
    button.addEventListener("click", () => {
      const rows = named.map(([word, chance]) => make("tr", { className: word === token ? "key" : "" },
        make("td", {}, make("code", { textContent: word === " " ? "␣" : word === "\n" ? "↵" : word })),
        make("td", { className: "n", textContent: `${(100 * chance).toFixed(1)} %` }),
        make("td", { className: "share" }, make("i", { style: `width:${(100 * chance).toFixed(1)}%` }))));
      others.replaceChildren(make("table", {}, ...rows));
      text.querySelectorAll(".open").forEach((open) => open.classList.remove("open"));
      button.classList.add("open");
    });
    text.append(button, apart ? " " : "");
  }
  const said = "The stronger the colour, the less likely was the token. Choose one to see what else might stand there.";
  return make("div", {}, text, others, make("p", { className: "note", textContent: said }));
}

/** Pictures on a way, one of which a slider shows. */
function frames(list) {
  const shown = make("div"), most = list.length - 1;
  const slider = make("input", { type: "range", min: 0, max: most, value: 0, ariaLabel: "place on the way" });
  const show = () => { shown.innerHTML = list[slider.valueAsNumber]; };
  slider.addEventListener("input", show);
  show();
  return make("div", { className: "frames" }, slider, shown);
}

/** A slider for each number of a code, and the picture that the code stands for. */
function units({ values, ranges }) {
  const shown = make("div"), now = [...values];
  let busy = false, again = false;
  const show = async () => {
    again = true;
    if (busy) return; // one question at a time: the last one is what counts
    busy = true;
    while (again) {
      again = false;
      await ask({ verb: "decode", code: now }, (line) => {
        if (line.done) shown.innerHTML = line.done.html;
        if (line.error) shown.textContent = line.error;
      });
    }
    busy = false;
  };
  const sliders = now.map((value, unit) => {
    const [min, max] = ranges[unit], name = `unit ${unit + 1}`;
    const slider = make("input", { type: "range", min, max, step: (max - min) / 200, value, ariaLabel: name });
    slider.addEventListener("input", () => { now[unit] = slider.valueAsNumber; show(); });
    return make("label", {}, `${name} `, slider);
  });
  show();
  const head = make("h3", { textContent: "What the code stands for" });
  return make("div", { className: "frames" }, head, shown, ...sliders);
}

const NAMES = { predict: "Predict", encode: "Encode", play: "Play", walk: "Walk", between: "Walk" };

function panel({ verb, title, input, inputs, fields, more = [], note = "" }) {
  const given = inputs ? both(inputs) : input ? INPUTS[input.form](input) : options(fields);
  const name = NAMES[verb] || "Generate";
  const go = make("button", { className: "main", textContent: name });
  const stop = make("button", { type: "button", textContent: "Stop", hidden: true });
  const said = make("span", { className: "note", role: "status" });
  const share = make("progress", { max: 1, value: 0, hidden: true, ariaLabel: "share that is done" });
  const answer = make("div", { className: "answers" });
  const ticks = more.map(({ ticked }) => make("input", { type: "checkbox", checked: ticked }));
  const besides = () => Object.fromEntries(more.map((one, place) => [one.name, ticks[place].checked]));
  const form = make("form", { className: "panel" }, make("h2", { textContent: title }), given.element,
    make("div", { className: "bar-of" }, go, stop,
      ...ticks.map((box, place) => make("label", {}, box, ` ${more[place].words}`)), share, said),
    ...(note ? [make("p", { className: "note", textContent: note })] : []), answer);
  form.dataset.verb = verb;
  let control = null;
  const once = async () => {
    if (control) return;
    control = new AbortController();
    go.disabled = true;
    stop.hidden = false;
    const began = Date.now();
    let stage = "";
    const tell = () => { said.textContent = `${stage} ${((Date.now() - began) / 1000).toFixed(0)} s`; };
    const clock = setInterval(tell, 1000);
    let text = null;
    let last = "";
    try {
      const question = { verb, ...await given.read(), ...besides() };
      answer.replaceChildren();
      await ask(question, (line) => {
        if (line.stage) { stage = line.stage; tell(); }
        if (line.share !== undefined) {
          share.hidden = false;
          share.value = line.share;
          stage = `${(100 * line.share).toFixed(0)} %,`;
          tell();
        }
        if (line.note) answer.prepend(make("p", { className: "note", textContent: line.note }));
        if (line.piece !== undefined) {
          if (!text) { text = make("pre"); answer.append(text); }
          text.append(line.piece);
        }
        if (line.error) last = line.error;
        if (line.done) {
          const html = make("div", { innerHTML: line.done.html });
          const list = line.done.tokens || [];
          if (list.length && text) text.remove(); // the same, with more to see
          if (line.done.frames) answer.append(frames(line.done.frames));
          if (line.done.code) answer.append(units(line.done.code));
          answer.append(html, ...(list.length ? [tokens(list)] : []));
        }
      }, control.signal);
    } catch (error) {
      last = error.name === "AbortError" ? "" : error.message;
      if (error.name === "AbortError") stage = "stopped after";
    }
    clearInterval(clock);
    share.hidden = true;
    if (last) answer.prepend(make("p", { className: "warn", textContent: last }));
    said.textContent = stage === "stopped after" ? `stopped after ${((Date.now() - began) / 1000).toFixed(1)} s`
      : last ? "" : `${((Date.now() - began) / 1000).toFixed(1)} s`;
    given.next?.();
    control = null;
    go.disabled = false;
    stop.hidden = true;
  };
  form.addEventListener("submit", (event) => { event.preventDefault(); once(); });
  form.addEventListener("done", once); // a picture is complete
  stop.addEventListener("click", () => control && control.abort());
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); once(); }
  });
  return form;
}

await ask({ verb: "describe" }, (line) => {
  if (line.stage) state.textContent = `${line.stage} ...`;
  if (line.note) document.getElementById("panels").before(make("p", { className: "warn", textContent: line.note }));
  if (line.error) { state.textContent = line.error; state.className = "warn"; }
  if (line.done) {
    state.textContent = `weights of step ${line.done.step.toLocaleString("en")}`;
    const panels = line.done.panels.map(panel);
    document.getElementById("panels").append(...panels);
    if (!panels.length) state.textContent += "; it offers nothing that a page could ask";
  }
});

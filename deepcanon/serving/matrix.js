// A matrix whose cells open the examples that they count, by mouse and by keyboard.

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/** Makes the cells live that `content` holds now and later; `address` says where a cell is asked for. */
export function cells(content, address) {
  let open = null; // [row, column]
  const find = (row, column) => content.querySelector(`button.cell[data-row="${row}"][data-column="${column}"]`);
  const mark = () => {
    for (const button of content.querySelectorAll("button.cell")) {
      const is = open && Number(button.dataset.row) === open[0] && Number(button.dataset.column) === open[1];
      button.setAttribute("aria-expanded", String(Boolean(is)));
    }
  };
  const show = async () => {
    mark();
    const place = content.querySelector(".of-cell");
    if (!place) return;
    if (!open) { place.replaceChildren(); return; }
    const asked = String(open);
    const answer = await fetch(`${address()}&row=${open[0]}&column=${open[1]}`);
    const text = await answer.text();
    if (String(open) !== asked || !place.isConnected) return; // another one was opened meanwhile
    if (answer.ok) place.innerHTML = text; else place.textContent = text;
  };
  const focus = (button) => {
    for (const other of content.querySelectorAll(".matrix button.cell")) other.tabIndex = other === button ? 0 : -1;
    button.focus();
  };
  content.addEventListener("click", (event) => {
    const button = event.target.closest("button.cell");
    if (!button) return;
    const place = [Number(button.dataset.row), Number(button.dataset.column)];
    open = String(open) === String(place) ? null : place; // a second click closes it
    focus(button);
    show();
  });
  content.addEventListener("keydown", (event) => {
    const button = event.target.closest(".matrix button.cell"), step = STEPS[event.key];
    if (!button || !step) return;
    event.preventDefault();
    const { rows, columns } = button.closest(".matrix").dataset;
    let [row, column] = [Number(button.dataset.row), Number(button.dataset.column)];
    for (;;) { // cells that count nothing are passed over
      [row, column] = [row + step[0], column + step[1]];
      if (row < 0 || column < 0 || row >= rows || column >= columns) return;
      const next = find(row, column);
      if (next) { focus(next); return; }
    }
  });
  return show; // again, after the content has changed
}

// Starting, resuming and stopping a training, where the server was started with --allow-train.

const { up, run, state } = document.body.dataset;
const get = (id) => document.getElementById(id);

/** Posts, and tells each line of the answer; gives what is done, or null. */
async function post(path, content, said) {
  const answer = await fetch(up + path, { method: "POST", body: JSON.stringify(content) });
  const text = answer.status === 204 ? "" : null;
  if (!answer.ok) said.textContent = (await answer.text()).trim();
  if (!answer.ok || text === "") return answer.ok ? {} : null;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "", result = null;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return result;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines.map((one) => JSON.parse(one))) {
      if (line.line) said.textContent = line.line;
      if (line.error) said.textContent = line.error;
      if (line.done) result = line.done;
    }
  }
}

export function trainForm() {
  const form = get("train");
  if (!form) return;
  const said = form.querySelector("[role=status]"), button = form.querySelector("button");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { recipe, preset, data, steps } = Object.fromEntries(new FormData(form));
    button.disabled = true;
    said.textContent = "starting ...";
    try {
      const found = await post("train", { recipe, preset, data, ...(steps ? { steps: Number(steps) } : {}) }, said);
      if (found) location.href = `${up}run/${encodeURIComponent(found.run)}`;
    } catch (error) {
      said.textContent = error.message;
    }
    button.disabled = false;
  });
}

/** The buttons of a run's page; gives a function that takes the run's state and whether this server trains it. */
export function trainButtons() {
  const resume = get("resume"), stop = get("stop"), said = get("told");
  if (!resume) return () => {};
  const show = (now, mine) => {
    resume.hidden = now === "running" || now === "done";
    stop.hidden = !(now === "running" && mine);
  };
  resume.addEventListener("click", async () => {
    resume.disabled = true;
    said.textContent = "resuming ...";
    if (await post(`resume/${run}`, {}, said)) said.textContent = "";
    resume.disabled = false;
  });
  stop.addEventListener("click", async () => {
    if (await post(`stop/${run}`, {}, said)) said.textContent = "it saves and stops";
  });
  show(state, false);
  fetch(`${up}live/${run}`).then((answer) => answer.json()).then((found) => show(found.state, found.mine));
  return (now, mine) => {
    show(now, mine);
    if (now !== "running" && said.textContent === "it saves and stops") said.textContent = "";
  };
}

// Asks the broker every second what there is, and shows it. What comes from there is shown as text, never as markup.

import { makeCharts, sparkline } from "/charts.js";

const EVERY = 1000;
const TIMEOUT = 10000;
const SPANS = [300, 3600, 86400];
const STATES = { artifacts: "without artifacts", queued: "queued", assigned: "waiting at worker", running: "running" };

const $ = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en").format;
let level = 0;
let history = null;
let sorting = ["name", 1];

class Refused extends Error {}

async function ask(path) {
  const token = sessionStorage.getItem("token");
  const answer = await fetch(path, {
    headers: token ? { Authorization: `Bearer ${token}` } : {}, signal: AbortSignal.timeout(TIMEOUT), cache: "no-store",
  });
  if (answer.status === 401) throw new Refused(token ? "The token is wrong." : "A token is wanted.");
  if (!answer.ok) throw new Error(`The broker answered ${answer.status}.`);
  return answer.json();
}

function duration(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds % 3600 / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor(seconds % 86400 / 3600)} h`;
}

/** Say how the connection is; it is said aloud when it changes only. */
function tell(text, lost) {
  if ($("connection").textContent !== text) $("connection").textContent = text;
  $("connection").className = lost ? "lost" : "";
}

/** Fill a table: rows of cells, each a text, [text, "number"] or an element; the first heads its row. */
function fill(id, rows) {
  const body = $(id).tBodies[0];
  while (body.rows.length > rows.length) body.deleteRow(-1);
  rows.forEach((cells, i) => {
    const row = body.rows[i] ?? body.insertRow();
    cells.forEach((cell, j) => {
      let place = row.cells[j];
      if (!place) {
        place = row.appendChild(document.createElement(j === 0 ? "th" : "td"));
        if (j === 0) place.scope = "row";
      }
      const [content, kind] = Array.isArray(cell) ? cell : [cell, ""];
      if (kind) place.className = kind;
      if (content instanceof Element) place.replaceChildren(content);
      else if (place.textContent !== content) place.textContent = content;
    });
  });
}

function showStatus(told) {
  const { status } = told;
  $("about").textContent = `version ${told.version}, up for ${duration(status.seconds)}`;
  const now = { ...status, refused: Object.values(told.refused).reduce((sum, count) => sum + count, 0) };
  for (const place of document.querySelectorAll("[data-now]")) {
    place.textContent = number(now[place.dataset.now] ?? 0);
  }
  const [key, direction] = sorting;
  const workers = (status.workers ?? []).toSorted((a, b) =>
    direction * (typeof a[key] === "string" ? a[key].localeCompare(b[key]) : a[key] - b[key]) || a.peer - b.peer);
  fill("workers", workers.map((worker) => [
    worker.name, [number(worker.slots), "number"], [number(worker.used), "number"], [number(worker.ahead), "number"],
    [number(worker.ended), "number"], worker.draining ? "draining" : "working", [duration(worker.seconds), "number"],
    sparkline(told.history[worker.peer] ?? [], worker.slots),
  ]));
  $("workers-note").textContent = workers.length < now.total_workers
    ? `${number(workers.length)} of ${number(now.total_workers)} are shown.` : workers.length ? "" : "There are none.";
  const clients = status.connected ?? [];
  fill("clients", clients.map((client) => [
    String(client.peer), client.name, [number(client.jobs), "number"], [number(client.used), "number"],
    [duration(client.seconds), "number"],
  ]));
  $("clients-note").textContent = clients.length < status.clients
    ? `${number(clients.length)} of ${number(status.clients)} are shown.` : clients.length ? "" : "There are none.";
}

function showJobs(told) {
  fill("jobs", told.jobs.map((job) => [
    `${job.client}/${job.sequence}`, job.waits ? `${STATES[job.state]}: ${job.waits}` : STATES[job.state], [duration(job.seconds), "number"], job.worker || "–",
    [number(job.slots), "number"], [number(job.priority), "number"], [number(job.lost), "number"],
  ]));
  $("jobs-note").textContent = told.total ? `${number(told.jobs.length)} of ${number(told.total)} are shown.` : "There are none.";
}

function addHistory(more, wanted) {
  if (wanted !== level) return;
  if (!history) history = more;
  else {
    const room = SPANS[level] / more.step;
    history.time = [...history.time, ...more.time].slice(-room);
    for (const name of Object.keys(history.values)) {
      history.values[name] = [...history.values[name], ...more.values[name]].slice(-room);
    }
  }
}

async function update(charts) {
  const wanted = level;
  const since = Math.floor(history?.time.at(-1) ?? 0);
  const state = $("state").value;
  const [status, jobs, more] = await Promise.all([
    ask("/api/status"), ask(`/api/jobs?limit=100${state && `&state=${state}`}`),
    ask(`/api/history?level=${wanted}&since=${since}`),
  ]);
  showStatus(status);
  showJobs(jobs);
  addHistory(more, wanted);
  if (history) charts(history, SPANS[level]);
}

async function watch(charts) {
  for (;;) {
    try {
      if (!document.hidden) await update(charts);
      $("sign-in").hidden = true;
      tell("Connected.", false);
    } catch (error) {
      if (error instanceof Refused) {
        $("sign-in").hidden = false;
        tell(error.message, true);
        sessionStorage.removeItem("token");
        await new Promise((go) => $("token-form").addEventListener("submit", go, { once: true }));
        continue;
      }
      tell(`No connection to the broker: ${error.message}`, true);
      history = null;  // a broker that was started anew has another one
    }
    await new Promise((go) => setTimeout(go, EVERY));
  }
}

$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", $("token").value.trim());
  $("token").value = "";
});
$("levels").addEventListener("change", (event) => {
  level = Number(event.target.value);
  history = null;
});
for (const head of document.querySelectorAll("#workers th[data-key]")) {
  head.querySelector("button").addEventListener("click", () => {
    sorting = [head.dataset.key, sorting[0] === head.dataset.key ? -sorting[1] : 1];
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", sorting[1] > 0 ? "ascending" : "descending");
  });
}
watch(makeCharts($("charts")));

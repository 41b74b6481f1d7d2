// The charts of the broker's page: uPlot draws them; below each is a table of the latest numbers, for those who hear it.

const HEIGHT = 170;
const ROWS = 10;

/** What each chart shows: a title, and lines by column; `rate` makes counters into numbers per second. */
const CHARTS = [
  { title: "Slots", lines: [["used", "in use"], ["slots", "all"]] },
  { title: "Jobs", lines: [["running", "at workers"], ["queued", "queued"], ["artifacts", "without artifacts"]] },
  { title: "Jobs ended each second", rate: true, lines: [["finished", "finished"], ["failed", "failed"]] },
  { title: "Clients and workers", lines: [["workers", "workers"], ["clients", "clients"]] },
];

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const rounded = (value) => (value == null ? "–" : String(Math.round(value * 100) / 100));

/** Turn a counter into what it grew by each second. */
function rates(times, values) {
  return values.map((value, i) => (i === 0 ? null : Math.max(0, (value - values[i - 1]) / (times[i] - times[i - 1]))));
}

function makeTable(lines) {
  const details = document.createElement("details");
  details.append(Object.assign(document.createElement("summary"), { textContent: "As numbers" }));
  const table = details.appendChild(document.createElement("table"));
  const head = table.createTHead().insertRow();
  for (const text of ["Time", ...lines.map(([, label]) => label)]) {
    const cell = head.appendChild(document.createElement("th"));
    cell.scope = "col";
    cell.textContent = text;
  }
  return [details, table.createTBody()];
}

class Chart {
  constructor(place, { title, lines, rate }) {
    this.lines = lines;
    this.rate = rate;
    const figure = place.appendChild(document.createElement("figure"));
    this.caption = figure.appendChild(Object.assign(document.createElement("figcaption"), { textContent: title }));
    this.box = figure.appendChild(document.createElement("div"));
    this.box.setAttribute("role", "img");
    this.title = title;
    const [details, body] = makeTable(lines);
    figure.append(details);
    this.details = details;
    this.body = body;
    this.data = [[], ...lines.map(() => [])];
    this.span = 300;
    this.draw();
  }

  draw() {
    this.plot?.destroy();
    const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
    this.plot = new uPlot({
      width: Math.max(200, this.box.clientWidth),
      height: HEIGHT,
      scales: {
        x: { range: () => [this.end - this.span, this.end] },
        y: { range: (_plot, _low, high) => [0, Math.max(1, (high ?? 0) * 1.05)] },
      },
      axes: [{ ...axis }, { ...axis, size: 48 }],
      series: [
        { value: (_plot, time) => (time == null ? "–" : new Date(time * 1000).toLocaleTimeString()) },
        ...this.lines.map(([, label], i) => ({
          label, stroke: colour(`--series-${i + 1}`), width: 2, dash: i === 0 ? [] : [6 - 2 * i, 4],
          points: { show: false }, value: (_plot, value) => rounded(value),
        })),
      ],
    }, this.data, this.box);
  }

  show(history, span) {
    const times = history.time;
    this.span = span;
    this.end = times.at(-1) ?? Date.now() / 1000;
    this.data = [times, ...this.lines.map(([column]) => {
      const values = history.values[column];
      return this.rate ? rates(times, values) : values;
    })];
    this.plot.setData(this.data);
    const latest = this.lines.map(([, label], i) => `${label} ${rounded(this.data[i + 1].at(-1))}`).join(", ");
    this.box.setAttribute("aria-label", `${this.title}: ${latest}`);
    if (this.details.open) this.fill();
  }

  fill() {
    const rows = this.data[0].map((time, i) => [new Date(time * 1000).toLocaleTimeString(),
      ...this.data.slice(1).map((values) => rounded(values[i]))]).slice(-ROWS).reverse();
    this.body.replaceChildren(...rows.map((row) => {
      const line = document.createElement("tr");
      row.forEach((text) => { line.insertCell().textContent = text; });
      return line;
    }));
  }
}

/** Make the charts; the result shows a history in all of them. */
export function makeCharts(place) {
  const charts = CHARTS.map((chart) => new Chart(place, chart));
  const redraw = () => charts.forEach((chart) => chart.draw());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  let width = place.clientWidth;
  new ResizeObserver(() => { if (place.clientWidth !== width) { width = place.clientWidth; redraw(); } }).observe(place);
  for (const chart of charts) chart.details.addEventListener("toggle", () => chart.details.open && chart.fill());
  return (history, span) => charts.forEach((chart) => chart.show(history, span));
}

/** Draw a small line of a worker's use. */
export function sparkline(values, most) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 60 20");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("class", "spark");
  svg.setAttribute("role", "img");
  const mean = values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : 0;
  svg.setAttribute("aria-label", `${rounded(mean)} of ${most} on average`);
  const line = svg.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "polyline"));
  const at = (value, i) => `${60 - values.length + i},${19 - 18 * Math.min(1, value / Math.max(1, most))}`;
  line.setAttribute("points", values.map(at).join(" "));
  return svg;
}

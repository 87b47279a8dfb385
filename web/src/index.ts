// The list of a report's calls, with filters and sorting. Only visible rows are created.

import { embedded, type Gap } from "./document";
import { bdi, behind, byId, el } from "./dom";
import { theme } from "./theme";
import { duration, moment, period } from "./times";

/** One array per column. Names are indices into `names`, because calls share them. */
interface Calls {
  names: string[];
  id: string[];
  start: (number | null)[];
  length: number[];
  turns: number[];
  confidence: (number | null)[];
  customers: number[][];
  agents: number[][];
  queues: number[][];
  wrapups: number[][];
  verdict: string[];
  missing: Gap[][];
  page: number[];
}

const VERDICTS: Record<string, string> = {
  verified: "In sync",
  incomplete: "Sound is missing",
  remarked: "In sync, with remarks",
  corrected: "Put right",
  differs: "Out of sync",
  unverified: "Not verified",
  mismatch: "Other call",
  unmeasured: "Not measured",
  "": "No audio",
};
const SLICE = 100;

const calls = embedded<Calls>("calls-data");
const names = (places: number[] | undefined) => (places ?? []).map((place) => calls.names[place] ?? "");
const field = <T extends HTMLElement = HTMLInputElement>(id: string) => byId<T>(id);

interface Column {
  name: string;
  numeric?: boolean;
  named?: boolean;
  key: (row: number) => number | string;
  cell: (row: number) => (Node | string)[];
}

const list = (values: string[]) => values.flatMap((value, place) => [place ? ", " : "", bdi(value, 60)]);
const COLUMNS: Column[] = [
  { name: "Date", key: (row) => calls.start[row] ?? 0, cell: (row) => [link(row)] },
  { name: "Customer", named: true, key: (row) => names(calls.customers[row]).join(), cell: (row) => list(names(calls.customers[row])) },
  { name: "Agent", named: true, key: (row) => names(calls.agents[row]).join(), cell: (row) => list(names(calls.agents[row])) },
  { name: "Queue", named: true, key: (row) => names(calls.queues[row]).join(), cell: (row) => list(names(calls.queues[row])) },
  { name: "Wrap-up", named: true, key: (row) => names(calls.wrapups[row]).join(), cell: (row) => list(names(calls.wrapups[row])) },
  { name: "Length", numeric: true, key: (row) => calls.length[row] ?? 0, cell: (row) => calls.length[row] ? [duration((calls.length[row] ?? 0) * 1000)] : [] },
  { name: "Turns", numeric: true, key: (row) => calls.turns[row] ?? 0, cell: (row) => (calls.turns[row] ? [calls.turns[row].toLocaleString()] : []) },
  { name: "Recognition", numeric: true, key: (row) => calls.confidence[row] ?? -1, cell: (row) => percent(calls.confidence[row]) },
  { name: "Sync", key: (row) => calls.verdict[row] ?? "", cell: (row) => [badge(calls.verdict[row] ?? "")] },
  { name: "Missing", key: (row) => calls.missing[row]?.length ?? 0, cell: (row) => (calls.missing[row] ?? []).map((gap) => el("div", { className: "why" }, behind(gap))) },
];

const texts = calls.id.map((id, row) =>
  [id, ...names(calls.customers[row]), ...names(calls.agents[row]), ...names(calls.queues[row]), ...names(calls.wrapups[row])].join("\n").toLowerCase(),
);

let order: [number, 1 | -1] = [0, -1];
let chosen: number[] = [];
let shown = 0;

function percent(value: number | null | undefined): string[] {
  return value === null || value === undefined ? [] : [`${(value * 100).toFixed(0)} %`];
}

function badge(value: string): HTMLElement {
  return el("span", { className: `badge v-${VERDICTS[value] ? value || "none" : "none"}` }, VERDICTS[value] ?? value);
}

function link(row: number): Node {
  const start = calls.start[row];
  const when = start === null || start === undefined ? (calls.id[row] ?? "") : moment(start, false);
  if (!calls.page[row]) return el("span", {}, bdi(when));
  return el("a", { href: `calls/${encodeURIComponent(calls.id[row] ?? "")}.html` }, bdi(when));
}

function options(id: string, column: number[][]): void {
  const present = [...new Set(column.flat())].map((place) => calls.names[place] ?? "").sort((a, b) => a.localeCompare(b));
  const short = (name: string) => (name.length > 60 ? `${name.slice(0, 60)}…` : name);
  field<HTMLSelectElement>(id).append(new Option("Any", ""), ...present.map((name) => new Option(short(name), name)));
}

function passes(row: number, wanted: Record<string, string>): boolean {
  const { query = "", since, until, agent, queue, wrapup, length, verdict, missing } = wanted;
  const start = calls.start[row] ?? NaN;
  const [least, most] = (length ?? "").split("-").map(Number);
  const seconds = calls.length[row] ?? 0;
  return (
    (texts[row] ?? "").includes(query.toLowerCase()) &&
    (!since || start >= new Date(`${since}T00:00:00`).getTime()) &&
    (!until || start < new Date(`${until}T00:00:00`).getTime() + 86_400_000) &&
    (!agent || names(calls.agents[row]).includes(agent)) &&
    (!queue || names(calls.queues[row]).includes(queue)) &&
    (!wrapup || names(calls.wrapups[row]).includes(wrapup)) &&
    (!length || (seconds >= (least ?? 0) && (!most || seconds < most))) &&
    (!verdict || (calls.verdict[row] || "none") === verdict) &&
    (!missing || (missing === "yes") === Boolean(calls.missing[row]?.length))
  );
}

function choose(): void {
  const wanted: Record<string, string> = {};
  for (const id of ["query", "since", "until", "agent", "queue", "wrapup", "length", "verdict", "missing"]) {
    wanted[id] = field(id).value.trim();
  }
  const [column, direction] = order;
  const key = COLUMNS[column]?.key ?? (() => 0);
  const keys = new Map<number, number | string>();
  chosen = [];
  calls.id.forEach((_, row) => {
    if (!passes(row, wanted)) return;
    chosen.push(row);
    keys.set(row, key(row));
  });
  chosen.sort((a, b) => {
    const [one, other] = [keys.get(a) ?? 0, keys.get(b) ?? 0];
    const by = typeof one === "string" ? one.localeCompare(String(other)) : one - Number(other);
    return by * direction || a - b;
  });
  const all = calls.id.length;
  byId("count").textContent = chosen.length === all ? `${all.toLocaleString()} calls` : `${chosen.length.toLocaleString()} of ${all.toLocaleString()} calls`;
  byId("calls").querySelector("tbody")?.replaceChildren();
  shown = 0;
  more();
  const none = byId("none");
  none.hidden = chosen.length > 0;
  none.textContent = all ? "No call passes these filters." : "No call of the archive lies in this report's range.";
  byId("scroller").hidden = chosen.length === 0;
  const set = Object.entries(wanted).filter(([id, value]) => id !== "query" && value).length;
  byId("narrow").textContent = set ? `Filters (${set})` : "Filters";
}

function more(): void {
  const body = byId("calls").querySelector("tbody");
  const rows = chosen.slice(shown, shown + SLICE).map((row) =>
    el("tr", {}, ...COLUMNS.map((column) => el("td", { className: column.numeric ? "number" : column.named ? "named" : "", data: { label: column.name } }, ...column.cell(row)))),
  );
  body?.append(...rows);
  shown += rows.length;
  byId("more").hidden = shown >= chosen.length;
}

function heads(): void {
  const row = byId("calls").querySelector("thead tr");
  row?.append(
    ...COLUMNS.map((column, place) => {
      const button = el("button", { type: "button" }, column.name);
      const head = el("th", { scope: "col", className: column.numeric ? "number" : "" }, button);
      button.addEventListener("click", () => {
        order = [place, order[0] === place ? ((-order[1]) as 1 | -1) : column.numeric || place === 0 ? -1 : 1];
        sorted();
        choose();
      });
      return head;
    }),
  );
  sorted();
}

function sorted(): void {
  byId("calls").querySelectorAll("th").forEach((head, place) => {
    if (place === order[0]) head.setAttribute("aria-sort", order[1] > 0 ? "ascending" : "descending");
    else head.removeAttribute("aria-sort");
  });
}

const days = calls.start.filter((start): start is number => start !== null);
const seconds = calls.length.reduce((sum, each) => sum + each, 0);
byId("subtitle").append(
  ...[
    days.length ? period(days.reduce((a, b) => Math.min(a, b)), days.reduce((a, b) => Math.max(a, b))) : "",
    `${duration(seconds * 1000)} of calls`,
  ]
    .filter(Boolean)
    .map((words) => el("span", {}, words)),
);
options("agent", calls.agents);
options("queue", calls.queues);
options("wrapup", calls.wrapups);
const verdicts = [...new Set(calls.verdict)].sort();
field<HTMLSelectElement>("verdict").append(new Option("Any", ""), ...verdicts.map((each) => new Option(VERDICTS[each] ?? each, each || "none")));
byId("narrow").addEventListener("click", () => {
  const button = byId("narrow");
  button.setAttribute("aria-expanded", String(button.getAttribute("aria-expanded") !== "true"));
});
heads();
theme(() => undefined);
let timer = 0;
byId("filters").addEventListener("input", () => {
  clearTimeout(timer);
  timer = window.setTimeout(choose, 80);
});
byId("filters").addEventListener("reset", () => setTimeout(choose));
byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("more").addEventListener("click", more);
new IntersectionObserver((entries) => {
  if (entries.some((entry) => entry.isIntersecting) && !byId("more").hidden) more();
}).observe(byId("more"));
choose();
document.documentElement.dataset.ready = "listed";

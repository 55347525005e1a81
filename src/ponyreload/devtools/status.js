// The status page: asks for status.json every second, and shows it. All that is shown is put in as text.
"use strict";

const EVERY_MS = 1000;
const PATIENCE_MS = 10_000;

// The state of a generation -> how it is coloured.
const TONES = { serving: "good", broken: "bad", loading: "wait", superseded: "wait", retiring: "wait" };

const byId = (id) => document.getElementById(id);

/** Make an element: make("p", "muted", "some text", otherElement). */
function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children.filter((child) => child !== null && child !== ""));
  return element;
}

const mono = (text) => make("span", "mono", text);

const pill = (tone, text) => make("span", `pill ${tone}`, text);

/** "1 module", "3 modules" */
const count = (number, what) => `${number} ${what}${number === 1 ? "" : "s"}`;

function duration(seconds) {
  const ms = seconds * 1000;
  if (ms < 0.1) return "< 0.1 ms";
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${ms.toFixed(0)} ms`;
  return seconds < 10 ? `${seconds.toFixed(2)} s` : `${seconds.toFixed(0)} s`;
}

function age(seconds) {
  if (seconds < 60) return `${Math.max(0, Math.floor(seconds))} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return count(Math.floor(seconds / 86_400), "day");
}

/** Make a text that goes on counting: ticking("for ", 12, "") */
function ticking(before, seconds, after) {
  const element = make("span", "number");
  element.dataset.since = String(Date.now() - seconds * 1000);
  element.dataset.before = before;
  element.dataset.after = after;
  tick(element);
  return element;
}

function tick(element) {
  const { since, before, after } = element.dataset;
  const text = before + age((Date.now() - Number(since)) / 1000) + after;
  if (element.textContent !== text) element.textContent = text;
}

// -- the parts of the page --------------------------------------------------------------------------------------

function showTitle(data) {
  const failed = data.error !== null;
  const loading = data.generations.some((each) => each.state === "loading");
  const state = loading ? pill("wait", "loading") : failed ? pill("bad", "last load failed") : pill("good", "up to date");
  const title = data.serving ? `Generation ${data.serving} serves` : "Nothing is served yet";
  byId("title").replaceChildren(make("span", "", title), state);
  document.title = `${failed ? "✗ " : ""}${data.serving ? `Generation ${data.serving}` : title} · ponyreload`;
  const serving = data.generations.find((each) => ["serving", "broken"].includes(each.state));
  const since = serving ? ticking("for ", serving.age, "") : "";
  byId("under").replaceChildren(since, ` · process ${data.process.id} in `, mono(data.process.folder));
  byId("failure").hidden = !failed;
  if (failed) showError(data.error);
}

function showError(error) {
  const place = error.file ? make("span", "muted", " in ", mono(`${error.file}:${error.line}`)) : null;
  const parts = [make("h2", "", `Generation ${error.number} is not served`, place), make("p", "mono", error.summary)];
  if (error.source.length) {
    const lines = error.source.map((each) => {
      const number = make("span", "at", String(each.line));
      return make("li", each.line === error.line ? "here" : "", number, make("span", "", each.text));
    });
    parts.push(make("ol", "source mono", ...lines));
  }
  parts.push(make("p", "", `${error.outcome[0].toUpperCase()}${error.outcome.slice(1)}.`));
  if (error.details) {
    parts.push(make("details", "", make("summary", "", "Traceback"), make("pre", "mono", error.details)));
  }
  byId("failure").replaceChildren(...parts);
}

function showTiles(data) {
  const last = data.loads[0];
  const held = data.generations.filter((each) => each.state === "superseded");
  const open = data.generations.reduce((sum, each) => sum + each.leases, 0);
  const onOld = held.reduce((sum, each) => sum + each.leases, 0);
  const retained = data.generations.filter((each) => each.held_by !== null).length;
  const modules = data.modules.user.reduce((sum, each) => sum + each.modules, 0);
  const tiles = [
    ["Last load", last ? duration(last.seconds) : "–", last ? "" : "none yet"],
    ["Open requests", String(open), onOld ? `${onOld} on old code` : ""],
    ["Generations", String(data.generations.length), retained ? `${retained} kept in memory` : ""],
    ["User modules", String(modules), ""],
  ];
  byId("tiles").replaceChildren(
    ...tiles.map(([name, value, more]) =>
      make("div", "", make("dt", "", name), make("dd", "", value, more ? make("small", "", more) : null)),
    ),
  );
}

function showGenerations(data) {
  byId("generations").replaceChildren(
    ...data.generations.map((each) => {
      const tone = TONES[each.state] ?? (each.held_by ? "bad" : "old");
      const line = make("div", "line", make("strong", "", `Generation ${each.number}`), pill(tone, each.state));
      const facts = make("span", "muted dots", ticking("", each.age, " old"));
      if (each.superseded_seconds !== null) facts.append(ticking("superseded ", each.superseded_seconds, " ago"));
      const shared = each.shared ? `, ${each.shared} of them shared` : "";
      if (each.modules) facts.append(make("span", "number", count(each.modules, "module") + shared));
      if (each.leases) facts.append(make("span", "number", count(each.leases, "open request")));
      line.append(facts);
      const more = make("div", "more");
      for (const request of each.requests) {
        more.append(make("div", "request", mono(request.request), ticking("open for ", request.seconds, "")));
      }
      const unnamed = each.leases - each.requests.length;
      if (unnamed > 0 && each.state === "superseded") more.append(make("p", "muted", `and ${unnamed} more`));
      if (each.held_by) {
        const way = make("ul", "path", ...each.held_by.path.map((part) => make("li", "", mono(part))));
        const why = each.held_by.text.match(/\(([^()]*)\)$/);
        more.append(
          make("div", "held", make("b", "", "Kept in memory by"), way, why ? make("span", "muted", why[1]) : null),
        );
      }
      if (each.note) more.append(make("p", "muted", each.note));
      return make("li", "", make("span", `badge ${tone}`, String(each.number)), line, more);
    }),
  );
}

// Which load the chart is of: its key, or null for the newest one.
let chosen = null;
let newest = null;

const keyOf = (load) => `${load.number} ${load.at}`;

function whatChanged(load) {
  if (!load.changed_count) return load.number === 1 ? "the start" : "requested";
  const more = load.changed_count - 1;
  return more ? `${load.changed[0]} and ${more} more` : load.changed[0];
}

function showLoads(data) {
  const longest = Math.max(...data.loads.map((each) => each.seconds), 0);
  const current = data.loads.find((each) => keyOf(each) === chosen) ?? data.loads[0];
  byId("loads").replaceChildren(
    ...data.loads.map((each) => {
      const share = make("i", "");
      share.style.width = `${(100 * each.seconds) / longest}%`;
      const result = each.error ? "failed" : `generation ${each.number}`;
      const when = make("span", "when", `${result} · `, ticking("", data.at - each.at, " ago"));
      const took = make("span", "took number", duration(each.seconds));
      const button = make("button", `load ${each.error ? "bad" : ""}`, make("span", "what mono", whatChanged(each)), took);
      button.append(when, make("span", "share", share));
      button.type = "button";
      button.dataset.key = keyOf(each);
      button.title = each.changed.join("\n");
      button.setAttribute("aria-pressed", String(each === current));
      button.addEventListener("click", () => {
        chosen = each === data.loads[0] ? null : keyOf(each);
        showLoads(newest);
        byId("loads").querySelector("[aria-pressed=true]").focus();
      });
      return make("li", "", button);
    }),
  );
  if (!data.loads.length) {
    byId("loads").append(make("li", "empty", "None yet. Save a file of a user module, and its load is shown here."));
  }
  showChart(current);
}

function showChart(load) {
  const chart = byId("chart");
  if (!load) {
    chart.replaceChildren(make("p", "empty", "Shows which module makes a reload slow."));
    return;
  }
  const rows = load.modules.map((each) => [each.name, each.seconds, ""]);
  if (load.others.count) rows.push([count(load.others.count, "faster module"), load.others.seconds, "rest"]);
  const inModules = rows.reduce((sum, [, seconds]) => sum + seconds, 0);
  const between = Math.max(0, load.seconds - inModules);
  rows.push([load.error ? "waiting for another save" : "other work", between, "rest"]);
  const longest = Math.max(...rows.map(([, seconds]) => seconds), 1e-9);
  const summary = make(
    "p",
    "summary",
    make("strong", "", load.error ? "A load that failed" : `Generation ${load.number}`),
    make("span", "", make("strong", "", duration(load.seconds)), " in all"),
    make("span", "", make("strong", "", duration(inModules)), ` in ${count(load.modules.length + load.others.count, "module")}`),
  );
  const bars = make(
    "ol",
    "bars",
    ...rows.map(([name, seconds, kind]) => {
      const fill = make("i", "fill");
      fill.style.width = `${(100 * seconds) / longest}%`;
      const label = mono(name);
      label.title = kind ? `${name}: comparing files, compiling, hooks, publishing, waiting until an editor has saved all` : name;
      return make("li", `bar ${kind}`, label, make("span", "track", fill), make("span", "number", duration(seconds)));
    }),
  );
  chart.replaceChildren(summary);
  if (load.error) chart.append(make("p", "why", make("code", "", load.error.text)));
  chart.append(bars);
}

function showModules(data) {
  const wanted = byId("filter").value.trim().toLowerCase();
  const group = (title, text, modules) => {
    const found = modules.filter((each) => `${each.name} ${each.file ?? ""} ${each.why}`.toLowerCase().includes(wanted));
    // Most have the same reason, so it is said once, above those that have it.
    const rows = [...new Set(found.map((each) => each.why))].flatMap((why) => [
      make("li", "reason", why),
      ...found.filter((each) => each.why === why).map((each) => {
        const more = each.modules > 1 ? count(each.modules, "module") : (each.file ?? "");
        return make("li", "name", mono(each.name), make("span", "mono muted", more));
      }),
    ]);
    if (!rows.length) rows.push(make("li", "empty", modules.length ? "None of them is like that." : "None."));
    return make(
      "div",
      "group",
      make("h3", "", title, make("span", "muted number", String(modules.length))),
      make("p", "", text),
      make("ul", "rows", ...rows),
    );
  };
  byId("modules").replaceChildren(
    group("User modules", "Loaded anew with each generation.", data.modules.user),
    group("System modules of the project", "Stay as they are until the process is restarted.", data.modules.system),
  );
}

function showFacts(data) {
  const { folders, poll_seconds: poll, extra_files: extra } = data.watching;
  const names = folders.map((each) => (each.deep ? `${each.folder}/…` : `${each.folder}/`));
  let watching = names.join(", ") || "begins with the first request";
  if (poll !== null) watching = `the files, every ${poll} s`;
  const options = [];
  if (data.options.include.length) options.push(`include ${data.options.include.join(", ")}`);
  if (data.options.isolate.length) options.push(`isolate ${data.options.isolate.join(", ")}`);
  if (data.options.scope) options.push(`scope ${data.options.scope}`);
  if (extra.length) options.push(`extra files ${extra.join(", ")}`);
  const versions = Object.entries(data.versions).map((each) => each.join(" "));
  const facts = [
    ["Platform", data.platform.name, data.platform.sign],
    ["Adapters", data.adapters.join(", ") || "none", ""],
    ["Applications", data.applications.join(", ") || "none yet", ""],
    ["Watches", watching, poll === null ? "by events of the file system" : "events of the file system do not arrive, or are not wanted"],
    ["Options", options.join("; ") || "none", ""],
    ["Versions", [`Python ${data.process.python}`, ...versions].join(", "), ""],
  ];
  byId("facts").replaceChildren(
    ...facts.map(([name, value, more]) =>
      make("div", "", make("dt", "", name), make("dd", "", value, more ? make("small", "", more) : null)),
    ),
  );
}

// -- keeping it up to date --------------------------------------------------------------------------------------

// What only counts on; it is no reason to make a part anew, which would lose what is selected there.
const COUNTS = new Set(["age", "superseded_seconds"]);
const PARTS = [
  [showTitle, (data) => [data.serving, data.error, data.process, data.generations.map((each) => each.state)]],
  [showTiles, (data) => [data.generations, data.loads[0], data.modules.user]],
  [showGenerations, (data) => data.generations],
  [showLoads, (data) => data.loads],
  [showModules, (data) => data.modules],
  [showFacts, (data) => [data.watching, data.options, data.platform, data.adapters, data.applications, data.versions]],
];
const shown = new Map();

function show(data) {
  newest = data;
  for (const [part, of] of PARTS) {
    const text = JSON.stringify(of(data), function (key, value) {
      return COUNTS.has(key) || (key === "seconds" && "request" in this) ? undefined : value;
    });
    if (shown.get(part) === text) continue;
    shown.set(part, text);
    const focused = document.activeElement?.dataset?.key;
    part(data);
    if (focused) document.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }
  byId("main").hidden = false;
}

function say(tone, text) {
  const link = byId("link");
  if (link.textContent !== text) link.textContent = text;
  link.className = `link ${tone}`;
  byId("main").classList.toggle("stale", tone === "bad");
}

async function ask() {
  const answer = await fetch("status.json", { signal: AbortSignal.timeout(PATIENCE_MS), cache: "no-store" });
  if (!answer.ok) throw new Error((await answer.text()).slice(0, 200));
  return answer.json();
}

let asking = false;

async function update() {
  // A page that nobody sees asks for nothing.
  if (asking || document.hidden) return;
  asking = true;
  try {
    show(await ask());
    say("good", "live");
  } catch (error) {
    say("bad", error instanceof TypeError ? "the server does not answer" : String(error.message));
  } finally {
    asking = false;
  }
}

byId("filter").addEventListener("input", () => newest && showModules(newest));
document.addEventListener("visibilitychange", update);
setInterval(update, EVERY_MS);
setInterval(() => document.querySelectorAll("[data-since]").forEach(tick), EVERY_MS);
update();

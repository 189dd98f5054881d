/* The overview page: what stands on it beside bars and banners. */

import { HealthMonitor, element, fraction, seconds, stamp, words } from "./health_monitor.js";

const LATEST = 8; // healings shown

const address = new URL("/ws/health", location.href);
address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
const monitor = new HealthMonitor(address.href);

function write(place, text) {
  const node = document.querySelector(place);
  if (node && node.textContent !== text) node.textContent = text;
}

function row(cells) {
  const written = cells.map(([name, content]) =>
    element("td", { "data-label": words[name], "data-cell": name }, content),
  );
  return element("tr", {}, ...written);
}

function writeNumbers(numbers) {
  const runs = numbers.healed + numbers.not_healed;
  write('[data-number="healing_success"]', fraction(numbers.healing_success));
  write('[data-note="healing_success"]', `${numbers.healed} ${words.of} ${runs} ${words.healed_of}`);
  write('[data-number="healing_time"]', seconds(numbers.avg_healing_time));
  write('[data-number="detection_time"]', seconds(numbers.avg_detection_time));
  write('[data-number="user_errors"]', String(numbers.user_facing_errors));
  write('[data-number="events"]', String(numbers.events_stored));
  const waiting = `${numbers.events_pending} ${words.waiting}, ${numbers.events_dropped} ${words.dropped}`;
  write('[data-note="events"]', `${words.of} ${numbers.events_accepted}; ${waiting}`);
}

function writeEndpoint(endpoint) {
  const key = CSS.escape(endpoint.source + endpoint.endpoint);
  const line = document.querySelector(`#endpoints-rows [data-key="${key}"]`);
  if (!line) return;
  const cells = {
    requests: String(endpoint.total_requests),
    error_rate: fraction(endpoint.error_rate),
    avg_response: seconds(endpoint.avg_response_time),
    breaker: endpoint.breaker.replace("_", " "),
    last_success: stamp(endpoint.last_success),
  };
  for (const [name, text] of Object.entries(cells)) {
    line.querySelector(`[data-cell="${name}"]`).textContent = text;
  }
  line.querySelector(".word").textContent = endpoint.status;
  line.querySelector(".dot").className = `dot ${endpoint.status}`;
}

function writeAgents(agents) {
  const rows = agents.map((agent) => {
    const state = `${agent.state}, ${agent.health.toLowerCase()}`;
    return row([
      ["agent", agent.id],
      ["state", element("span", { class: `state-word ${agent.state}` }, state)],
      ["last_success", stamp(agent.last_success)],
      ["inbox", String(agent.inbox_depth)],
      ["processed", String(agent.processed)],
      ["restarts", String(agent.restarts)],
    ]);
  });
  document.getElementById("agents-rows").replaceChildren(...rows);
}

function addHealing(report) {
  const how = report.strategy ? `${words.healed_by} ${report.strategy}` : words.not_healed;
  const trail = element("a", { href: `/api/healing/trails/${report.id}` }, report.at.slice(11, 19));
  const line = row([
    ["time", trail],
    ["endpoint", `${report.source ?? report.patient}${report.endpoint ?? ""}`],
    ["fault", report.code],
    ["outcome", element("span", { class: `outcome ${report.status}` }, how)],
    ["took", seconds(report.heal_seconds)],
  ]);
  line.className = "new";
  const lines = document.getElementById("healings-rows");
  lines.prepend(line);
  while (lines.children.length > LATEST) lines.lastElementChild.remove();
}

function writeStatus(status) {
  const badge = document.getElementById("product-status");
  badge.textContent = status;
  badge.className = `status-badge ${status}`;
}

monitor.addEventListener("health_update", ({ detail }) => {
  writeStatus(detail.status);
  writeNumbers(detail.numbers);
  detail.endpoints.forEach(writeEndpoint);
  write("#updated", stamp(detail.timestamp));
  write("#storage", detail.storage);
});
monitor.addEventListener("agents", ({ detail }) => writeAgents(detail.agents));
monitor.addEventListener("healing", ({ detail }) => addHealing(detail.report));
monitor.addEventListener("open_alerts", ({ detail }) => write('[data-number="active_alerts"]', String(detail)));
monitor.connect();

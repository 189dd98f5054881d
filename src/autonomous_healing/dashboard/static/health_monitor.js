/* The live side of the dashboard: one socket, its reconnecting, and what changes with each message.
   Text stays text: nodes are built, never parsed. */

export const words = await (await fetch(new URL("words.json", import.meta.url))).json();

const LONGEST_WAIT = 30_000; // ms between two attempts to connect
const SILENCE = 45_000; // ms; the server speaks at least every 30 s
const RESOLVED_STAYS = 3_000; // ms
const HEALING_STAYS = 5_000; // ms after the last report
const BANNERED = new Set(["warning", "error", "critical"]);

export const fraction = (value) => (value === null ? words.no_data : `${(100 * value).toFixed(2)} %`);
export const percent = (value) => (value === null ? words.no_data : `${value.toFixed(2)} %`);
export const seconds = (value) => (value === null ? words.no_data : `${value.toFixed(3)} s`);
export const stamp = (moment) => (moment === null ? words.no_data : moment.slice(0, 19).replace("T", " "));

export function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/* Events carry each message under its type: `monitor.addEventListener("agents", (event) => event.detail)`. */
export class HealthMonitor extends EventTarget {
  #url;
  #socket = null;
  #failures = 0;
  #seq = null;
  #silence = 0;
  #healing = 0;
  #dismissed = new Set();
  #open = new Set(); // ids of alerts
  #heard = new Set(); // ids told by the socket while an answer is on its way
  #syncing = false;
  #syncWanted = false;

  constructor(wsUrl) {
    super();
    this.#url = wsUrl;
    document.addEventListener("visibilitychange", () => document.hidden || this.refresh());
  }

  connect() {
    this.#show(this.#failures ? "reconnecting" : "connecting");
    this.#socket = new WebSocket(this.#url);
    this.#socket.addEventListener("open", () => {
      this.#failures = 0;
      this.#seq = null;
      this.#show("live");
      this.#syncAlerts();
    });
    this.#socket.addEventListener("message", (event) => this.#receive(JSON.parse(event.data)));
    this.#socket.addEventListener("close", () => this.#reconnect());
  }

  /* Ask for everything anew, after something may have been missed. */
  refresh() {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#socket.send(JSON.stringify({ type: "get_health" }));
    this.#syncAlerts();
  }

  updateHealthBars(sources) {
    for (const row of sources) {
      const bar = document.querySelector(`.health-indicator[data-source="${CSS.escape(row.source)}"]`);
      if (bar) this.#updateBar(bar, row);
    }
  }

  showAlert(alert) {
    if (!BANNERED.has(alert.level) || this.#dismissed.has(`${alert.id} ${alert.level}`)) return;
    const headline = element("strong", {}, `${alert.level.toUpperCase()}: ${alert.title}`);
    const dismiss = element("button", { type: "button" }, words.dismiss);
    const banner = element(
      "article",
      { class: `banner ${alert.level}`, "data-alert": alert.id },
      element("p", {}, headline, " ", alert.message),
      dismiss,
    );
    dismiss.addEventListener("click", () => {
      this.#dismissed.add(`${alert.id} ${alert.level}`);
      banner.remove();
    });
    const shown = this.#banner(alert.id);
    if (shown) shown.replaceWith(banner);
    else document.getElementById("banners")?.prepend(banner);
  }

  resolveAlert(alertId) {
    const banner = this.#banner(alertId);
    if (!banner || banner.classList.contains("resolved")) return;
    banner.className = "banner resolved";
    banner.querySelector("button")?.remove();
    banner.querySelector("strong").prepend(`${words.resolved}: `);
    setTimeout(() => banner.remove(), RESOLVED_STAYS);
  }

  #receive(message) {
    this.#watchSilence();
    const missed = this.#seq !== null && message.seq > this.#seq + 1;
    this.#seq = message.seq;
    switch (message.type) {
      case "health_update":
        if (document.hidden) return;
        this.updateHealthBars(message.sources);
        break;
      case "alert":
        this.#hearAlert(message.alert.id, true);
        this.showAlert(message.alert);
        break;
      case "alert_resolved":
        this.#hearAlert(message.alert_id, false);
        this.resolveAlert(message.alert_id);
        break;
      case "healing":
        this.#showHealing();
        break;
    }
    this.dispatchEvent(new CustomEvent(message.type, { detail: message }));
    if (missed || message.type === "gap") this.refresh();
  }

  #updateBar(bar, row) {
    const badge = bar.querySelector(".status-badge");
    badge.textContent = row.status;
    badge.className = `status-badge ${row.status}`;
    const figures = {
      ".uptime": percent(row.uptime_percentage),
      ".error-rate": fraction(row.error_rate),
      ".avg-response": seconds(row.avg_response_time),
      ".healing-rate": fraction(row.healing_rate),
    };
    for (const [place, text] of Object.entries(figures)) {
      const node = bar.querySelector(place);
      if (node) node.textContent = text;
    }
    const drawing = bar.querySelector(".health-bar");
    if (!drawing) return;
    const fill = drawing.querySelector(".fill");
    fill.setAttribute("class", `fill ${row.status}`);
    fill.setAttribute("width", `${row.uptime_percentage ?? 0}%`);
    drawing.setAttribute("aria-label", `${words.uptime} ${percent(row.uptime_percentage)}, ${row.status}`);
  }

  #showHealing() {
    const chip = document.getElementById("healing-chip");
    if (!chip) return;
    chip.hidden = false;
    clearTimeout(this.#healing);
    this.#healing = setTimeout(() => (chip.hidden = true), HEALING_STAYS);
  }

  /* What was heard while the answer was on its way is newer than the answer. */
  async #syncAlerts() {
    this.#syncWanted = true;
    if (this.#syncing) return;
    this.#syncing = true;
    while (this.#syncWanted) {
      this.#syncWanted = false;
      this.#heard.clear();
      const answer = await fetch("/api/health/alerts?state=firing").catch(() => null);
      const listing = answer?.ok ? await answer.json().catch(() => null) : null;
      if (listing) this.#takeOver(listing.alerts.filter((alert) => !this.#heard.has(alert.id)));
    }
    this.#syncing = false;
  }

  #takeOver(alerts) {
    const firing = new Set(alerts.map((alert) => alert.id));
    const shown = [...document.querySelectorAll("[data-alert]")].map((banner) => banner.dataset.alert);
    for (const id of new Set([...shown, ...this.#open])) {
      if (!firing.has(id) && !this.#heard.has(id)) {
        this.#open.delete(id);
        this.resolveAlert(id);
      }
    }
    for (const alert of alerts.reverse()) {
      this.#open.add(alert.id);
      this.showAlert(alert);
    }
    this.#countAlerts();
  }

  #hearAlert(id, isOpen) {
    if (this.#syncing) this.#heard.add(id);
    if (isOpen) this.#open.add(id);
    else this.#open.delete(id);
    this.#countAlerts();
  }

  /* Those whose banner was dismissed count too. */
  #countAlerts() {
    this.dispatchEvent(new CustomEvent("open_alerts", { detail: this.#open.size }));
  }

  #banner(alertId) {
    return document.querySelector(`[data-alert="${CSS.escape(alertId)}"]`);
  }

  #watchSilence() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#socket?.close(), SILENCE);
  }

  #reconnect() {
    clearTimeout(this.#silence);
    this.#show("reconnecting");
    const wait = Math.min(LONGEST_WAIT, 500 * 2 ** this.#failures) * (0.5 + Math.random() / 2);
    this.#failures += 1;
    setTimeout(() => this.connect(), wait);
  }

  #show(state) {
    const place = document.getElementById("live");
    if (!place) return;
    place.textContent = words[state];
    place.dataset.state = state;
  }
}

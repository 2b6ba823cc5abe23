// Conveniences. Every page works without this file.
"use strict";

// Settings: a size that is typed chooses “other”; a preset that is chosen empties what was typed.
function presets() {
  for (const fieldset of document.querySelectorAll("form[data-presets] fieldset")) {
    const other = fieldset.querySelector("input[type=radio][value=other]");
    const entry = fieldset.querySelector("input[name$='.other']");
    if (!other || !entry) continue;
    entry.addEventListener("input", () => { other.checked = true; });
    fieldset.addEventListener("change", (event) => {
      if (event.target.type !== "radio") return;
      if (event.target === other) entry.focus(); else entry.value = "";
    });
  }
}
presets();
// The dashboard: figures follow the appliance, the other parts are asked for again now and then.
(function dashboard() {
  const feed = document.querySelector("[data-feed]");
  if (!feed) return;
  // Asked for by itself, the page does not keep a login alive.
  const RENEWED = "/renewed" + location.search;
  const RENEW_MILLISECONDS = 20000;
  const RETRY_MILLISECONDS = 15000;
  const PAGE_TITLE = document.title.slice(document.title.indexOf(" · "));
  let shownAt = feed.textContent;
  let events = null;
  let retry = 0;

  // Said only when it changes: the place is read aloud.
  function say(words, isLive) {
    if (feed.textContent !== words) feed.textContent = words;
    feed.classList.toggle("live", isLive);
  }

  function show(figures) {
    for (const element of document.querySelectorAll("[data-live]")) {
      const text = figures.texts[element.dataset.live];
      if (text !== undefined && element.textContent !== text) element.textContent = text;
    }
    for (const svg of document.querySelectorAll("[data-bar]")) {
      const bar = figures.bars[svg.dataset.bar];
      if (bar) showBar(svg, bar);
    }
    document.title = figures.texts.ratio + PAGE_TITLE;
    shownAt = figures.at;
    say("live", true);
  }

  function showBar(svg, bar) {
    let from = 0;
    for (const part of ["memory", "split", "disk"]) {
      const rect = svg.querySelector("rect." + part);
      if (!rect) continue;
      rect.setAttribute("x", from);
      rect.setAttribute("width", bar[part]);
      from += bar[part];
    }
    const title = svg.querySelector("title");
    if (!title) return;
    title.textContent = bar.words;
    svg.setAttribute("aria-label", bar.words);
  }

  function listen() {
    clearTimeout(retry);
    if (events || document.hidden) return;
    events = new EventSource("/events");
    events.onmessage = (event) => show(JSON.parse(event.data));
    events.onerror = () => {
      say("not connected, showing figures of " + shownAt, false);
      // The browser tries again by itself unless it was refused.
      if (events.readyState !== EventSource.CLOSED) return;
      events = null;
      fetch(RENEWED, { method: "HEAD" }).then(leaveWhenLoggedOut, () => {});
      retry = setTimeout(listen, RETRY_MILLISECONDS);
    };
  }

  // Who is logged out sees the way in, and no figures any more.
  function leaveWhenLoggedOut(answer) {
    if (answer.redirected) location.assign("/login");
  }

  function pause() {
    clearTimeout(retry);
    if (events) events.close();
    events = null;
  }

  // A part that somebody works with stays as it is.
  function isInUse(part) {
    const selection = document.getSelection();
    return part.contains(document.activeElement) || part.querySelector("details[open]")
      || part.matches(":hover") || (!selection.isCollapsed && selection.containsNode(part, true));
  }

  async function renew() {
    if (document.hidden) return;
    const answer = await fetch(RENEWED).catch(() => null);
    if (!answer) return;
    leaveWhenLoggedOut(answer);
    if (!answer.ok || answer.redirected) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-renewed]")) {
      const fresh = page.getElementById(part.id);
      if (fresh && !isInUse(part)) part.replaceWith(document.adoptNode(fresh));
    }
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? pause() : listen()));
  setInterval(renew, RENEW_MILLISECONDS);
  listen();
})();
// The queue's selection outlives refreshes, sorting and paging, until something was done with it.
function keepSelection() {
  const form = document.getElementById("queue-rows");
  const line = form && form.querySelector(".selection");
  if (!line) return;
  const key = "selection:" + location.pathname;
  const boxes = Array.from(form.querySelectorAll('input[name="id"]'));
  const wholePage = document.getElementById("whole-page");

  function load() {
    try {
      const ids = JSON.parse(sessionStorage.getItem(key));
      return new Set(Array.isArray(ids) ? ids.map(String) : []);
    } catch {
      return new Set();
    }
  }
  function save(ids) {
    try {
      sessionStorage.setItem(key, JSON.stringify(Array.from(ids)));
    } catch {
      // Without storage the page's own boxes are the selection.
    }
  }
  function elsewhere() {
    const here = new Set(boxes.map((box) => box.value));
    return Array.from(selected).filter((id) => !here.has(id));
  }
  function show() {
    const away = elsewhere().length;
    line.hidden = selected.size === 0;
    line.querySelector("output").textContent =
      selected.size + " selected" + (away > 0 ? ", " + away + " not on this page" : "");
    const checked = boxes.filter((box) => box.checked).length;
    wholePage.checked = checked === boxes.length;
    wholePage.indeterminate = checked > 0 && checked < boxes.length;
  }
  function restore() {
    selected = load();
    for (const box of boxes) box.checked = selected.has(box.value);
    show();
  }
  function pick(box) {
    if (box.checked) selected.add(box.value);
    else selected.delete(box.value);
  }

  let selected = new Set();
  if ("done" in form.dataset) {
    // What was done to one row leaves the others selected.
    if (form.dataset.done) {
      selected = load();
      selected.delete(form.dataset.done);
    }
    save(selected);
    // A refresh from here on is one of the plain listing: it must not clear the next selection.
    const plain = new URL(location.href);
    for (const name of ["done", "affected", "chosen", "row"]) plain.searchParams.delete(name);
    history.replaceState(null, "", plain);
  }
  wholePage.hidden = false;
  restore();
  addEventListener("pageshow", (event) => {
    if (event.persisted) restore();
  });
  form.addEventListener("change", (event) => {
    if (event.target === wholePage) {
      for (const box of boxes) {
        box.checked = wholePage.checked;
        pick(box);
      }
    } else if (event.target.name === "id") {
      pick(event.target);
    }
    save(selected);
    show();
  });
  line.querySelector("button").addEventListener("click", () => {
    selected.clear();
    save(selected);
    restore();
  });
  form.addEventListener("submit", (event) => {
    for (const old of form.querySelectorAll('input[name="ids"]')) old.remove();
    if (!event.submitter || event.submitter.name !== "selected") return;
    const others = document.createElement("input");
    others.type = "hidden";
    others.name = "ids";
    others.value = elsewhere().join(",");
    form.append(others);
  });
}
keepSelection();

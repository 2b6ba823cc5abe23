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
      retry = setTimeout(listen, RETRY_MILLISECONDS);
    };
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
    if (document.hidden || !events) return;
    const answer = await fetch(location.href).catch(() => null);
    if (!answer || !answer.ok || answer.redirected) return;
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

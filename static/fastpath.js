// Conveniences. Every page works without this file.
"use strict";

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
    save(selected);
    // A refresh from here on is one of the plain listing: it must not clear the next selection.
    const plain = new URL(location.href);
    for (const name of ["done", "affected", "chosen"]) plain.searchParams.delete(name);
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

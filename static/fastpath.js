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

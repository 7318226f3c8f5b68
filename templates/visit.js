// Adds the hashes of chosen photos to the form. Without it, or where the browser gives no hash (plain HTTP), there are none.
"use strict";
if (window.crypto && window.crypto.subtle) {
  const box = document.getElementById("photos");
  const files = document.getElementById("photo-files");
  const list = document.getElementById("photo-list");
  const button = document.querySelector("form.visit button");
  box.hidden = false;
  files.addEventListener("change", async () => {
    button.disabled = true;
    try {
      list.replaceChildren();
      for (const file of Array.from(files.files).slice(0, 32)) {
        const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
        const hash = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
        const entry = document.createElement("li");
        const field = document.createElement("input");
        const name = file.name.replace(/[\u0000-\u001f\u007f-\u009f]/g, " ").trim().slice(0, 200);
        field.type = "hidden";
        field.name = "photos";
        field.value = (hash + " " + name).trim();
        entry.append(name + " ", Object.assign(document.createElement("code"), { textContent: hash.slice(0, 16) + "…" }), field);
        list.append(entry);
      }
    } finally {
      button.disabled = false;
    }
  });
}

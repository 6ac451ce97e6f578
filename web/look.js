/* What the report and the explorer both do before anything is drawn: light and dark, and tips. */
"use strict";
(function () {
  var BILENS = (globalThis.BILENS = globalThis.BILENS || {});
  var root = document.documentElement,
    key = "bilens-theme",
    kept = null;

  /* Light and dark: the system decides until the button is pressed. */
  try {
    kept = localStorage.getItem(key);
  } catch (e) {
    /* a file opened without storage */
  }
  if (kept === "light" || kept === "dark") root.dataset.theme = kept;
  var button = document.getElementById("theme");
  button.hidden = false;
  button.addEventListener("click", function () {
    var dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try {
      localStorage.setItem(key, root.dataset.theme);
    } catch (e) {
      /* then only for this visit */
    }
  });

  /* Titles become tips that show at once, also under a finger. An element with data-tip may carry `tipParts`, a function that gives nodes
   * to show below the text. */
  var tip = document.getElementById("tip");
  document.querySelectorAll("main .words [title], main td[title]").forEach(function (e) {
    e.dataset.tip = e.title;
    e.removeAttribute("title");
  });
  function show(e, x, y) {
    tip.textContent = e.dataset.tip;
    if (e.tipParts) tip.append.apply(tip, e.tipParts());
    tip.hidden = false;
    var box = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(x - box.width / 2, innerWidth - box.width - 4)) + "px";
    tip.style.top = (y - box.height - 8 < 4 ? y + 22 : y - box.height - 8) + "px";
  }
  function over(event) {
    var e = event.target.closest ? event.target.closest("[data-tip]") : null;
    if (!e) {
      tip.hidden = true;
      return;
    }
    var boxes = e.getClientRects(),
      box = boxes[0];
    for (var i = 0; i < boxes.length; i++) if (event.clientY >= boxes[i].top && event.clientY <= boxes[i].bottom) box = boxes[i];
    show(e, box.left + box.width / 2, box.top);
  }
  BILENS.hideTip = function () {
    tip.hidden = true;
  };
  document.addEventListener("pointerover", over);
  document.addEventListener("click", over);
  document.addEventListener("focusin", function (event) {
    if (event.target.matches(":focus-visible")) over(event);
  });
  addEventListener("scroll", BILENS.hideTip, { passive: true });
})();

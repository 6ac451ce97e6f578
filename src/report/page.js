"use strict";
(function () {
  var root = document.documentElement, byId = document.getElementById.bind(document);

  /* Light and dark: the system decides until the button is pressed. */
  var button = byId("theme"), key = "bilens-theme", kept = null;
  try { kept = localStorage.getItem(key); } catch (e) { /* a file opened without storage */ }
  if (kept === "light" || kept === "dark") root.dataset.theme = kept;
  button.hidden = false;
  button.addEventListener("click", function () {
    var dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem(key, root.dataset.theme); } catch (e) { /* then only for this visit */ }
  });

  /* Titles become tips that show at once, also under a finger. */
  var tip = byId("tip");
  document.querySelectorAll("main .words [title], main td[title]").forEach(function (e) {
    e.dataset.tip = e.title;
    e.removeAttribute("title");
  });
  function showTip(text, x, y) {
    tip.textContent = text;
    tip.hidden = false;
    var box = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(x - box.width / 2, innerWidth - box.width - 4)) + "px";
    tip.style.top = (y - box.height - 8 < 4 ? y + 22 : y - box.height - 8) + "px";
  }
  function over(event) {
    var e = event.target.closest ? event.target.closest("[data-tip]") : null;
    if (!e) { tip.hidden = true; return; }
    var boxes = e.getClientRects(), box = boxes[0];
    for (var i = 0; i < boxes.length; i++) if (event.clientY >= boxes[i].top && event.clientY <= boxes[i].bottom) box = boxes[i];
    showTip(e.dataset.tip, box.left + box.width / 2, box.top);
  }
  document.addEventListener("pointerover", over);
  document.addEventListener("click", over);
  addEventListener("scroll", function () { tip.hidden = true; }, { passive: true });

  /* The spectrum: the nearest eigenvalue under the pointer or by the arrow keys. */
  var plot = byId("plot"), probe = byId("probe");
  if (plot && probe) {
    var d = plot.dataset, values = d.values.split(" ").map(Number), hair = plot.querySelector(".hair"), spot = plot.querySelector(".spot"), at = values.length - 1;
    var runs = (d.runs || "").split(" ").filter(Boolean).map(function (r) { return r.split("-").map(Number); });
    var number = function (x) { return (x < 0 ? "\u2212" : "") + Math.abs(x).toPrecision(5); };
    var show = function (i) {
      at = Math.max(0, Math.min(values.length - 1, i));
      var x = +d.x0 + at * d.dx, y = +d.y0 - values[at] * d.dy;
      hair.setAttribute("x1", x); hair.setAttribute("x2", x); spot.setAttribute("cx", x); spot.setAttribute("cy", y);
      hair.removeAttribute("visibility"); spot.removeAttribute("visibility");
      var run = runs.filter(function (r) { return r[0] <= at && at <= r[1]; })[0];
      var text = "index " + at + " (" + "\u2212" + (values.length - at) + "), eigenvalue " + number(values[at]) + (run ? ", degenerate with " + run[0] + "\u2013" + run[1] : "");
      probe.querySelector("b").textContent = text;
      probe.setAttribute("aria-valuenow", at);
      probe.setAttribute("aria-valuetext", text);
    };
    plot.addEventListener("pointermove", function (event) {
      var box = plot.getBoundingClientRect(), x = (event.clientX - box.left) / box.width * plot.viewBox.baseVal.width;
      show(Math.round((x - d.x0) / d.dx));
    });
    probe.hidden = false;
    probe.addEventListener("keydown", function (event) {
      var step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key];
      if (event.key === "Home") show(0);
      else if (event.key === "End") show(values.length - 1);
      else if (step) show(at + step);
      else return;
      event.preventDefault();
    });
  }

  /* The bar tells where the reader is. */
  if ("IntersectionObserver" in window) {
    var chips = {};
    document.querySelectorAll(".chips a").forEach(function (a) { chips[a.hash.slice(1)] = a; });
    var observer = new IntersectionObserver(function (entries) {
      entries.forEach(function (e) { if (chips[e.target.id]) chips[e.target.id].classList.toggle("here", e.isIntersecting); });
    }, { rootMargin: "-20% 0px -70% 0px" });
    document.querySelectorAll(".vector").forEach(function (s) { observer.observe(s); });
  }

  /* Paper has no hidden parts. */
  addEventListener("beforeprint", function () {
    document.querySelectorAll("details").forEach(function (e) { e.open = true; });
  });
})();

/* The spectrum under the pointer: the nearest eigenvalue, or the one that the arrow keys lead to. It drives the report's drawing (made by
 * src/report/html_spectrum.c) and the explorer's (web/plot.js), which are alike: an <svg> that says in data-x0, -dx, -y0, -dy where index
 * 0 and eigenvalue 0 lie and how far the next ones are, in data-values the eigenvalues, in data-null (the explorer's) those of the null
 * model. */
"use strict";
(function () {
  var BILENS = (globalThis.BILENS = globalThis.BILENS || {});

  function number(x) {
    return (x < 0 ? "\u2212" : "") + Math.abs(x).toPrecision(5);
  }

  /* `box`: the .spectrum element. `pick(index)`, when given, is called for a click or Enter; the index counts from 0. */
  BILENS.probe = function (box, pick) {
    var plot = box.querySelector("svg"),
      probe = box.querySelector(".probe"),
      d = plot.dataset;
    var values = d.values.split(" ").map(Number),
      none = d.null ? d.null.split(" ").map(Number) : null;
    var hair = plot.querySelector(".hair"),
      spot = plot.querySelector(".spot"),
      at = d.at ? +d.at : values.length - 1;
    var runs = (d.runs || "")
      .split(" ")
      .filter(Boolean)
      .map(function (r) {
        return r.split("-").map(Number);
      });

    function show(i) {
      at = Math.max(0, Math.min(values.length - 1, i));
      var x = +d.x0 + at * d.dx,
        y = +d.y0 - values[at] * d.dy;
      hair.setAttribute("x1", x);
      hair.setAttribute("x2", x);
      spot.setAttribute("cx", x);
      spot.setAttribute("cy", y);
      hair.removeAttribute("visibility");
      spot.removeAttribute("visibility");
      var run = runs.filter(function (r) {
        return r[0] <= at && at <= r[1];
      })[0];
      var text =
        "index " +
        at +
        " (" +
        "\u2212" +
        (values.length - at) +
        "), eigenvalue " +
        number(values[at]) +
        (none ? ", null model " + number(none[at]) : "") +
        (run ? ", degenerate with " + run[0] + "\u2013" + run[1] : "");
      probe.querySelector("b").textContent = text;
      probe.setAttribute("aria-valuenow", at);
      probe.setAttribute("aria-valuetext", text);
    }
    function nearest(event) {
      var place = plot.getBoundingClientRect(),
        x = ((event.clientX - place.left) / place.width) * plot.viewBox.baseVal.width;
      return Math.round((x - d.x0) / d.dx);
    }
    plot.addEventListener("pointermove", function (event) {
      show(nearest(event));
    });
    probe.hidden = false;
    probe.addEventListener("keydown", function (event) {
      var step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key];
      if (event.key === "Home") show(0);
      else if (event.key === "End") show(values.length - 1);
      else if (step) show(at + step);
      else if (pick && (event.key === "Enter" || event.key === " ")) pick(at);
      else return;
      event.preventDefault();
    });
    if (!pick) return;
    plot.addEventListener("click", function (event) {
      if (event.target.closest("a")) return;
      show(nearest(event));
      pick(at);
    });
  };
})();

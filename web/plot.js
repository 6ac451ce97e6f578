/* The spectrum as SVG: the report's drawing (src/report/plot.c, html_spectrum.c) with the null model behind it, and the small spectra of
 * lists. */
"use strict";
(function () {
  const BILENS = globalThis.BILENS;
  const { svg, h } = BILENS;
  const WIDTH = 1000,
    REACH = 52;

  /* Ticks first, first + step, …: at most `most`, steps of 1, 2, 2.5 or 5 times a power of ten. */
  function niceTicks(low, high, most, whole) {
    if (!(high > low)) high = low + 1;
    const power = 10 ** Math.floor(Math.log10((high - low) / most));
    const ticks = {};
    for (const factor of [1, 2, 2.5, 5, 10]) {
      ticks.step = factor * power;
      if (whole && ticks.step !== Math.floor(ticks.step)) continue;
      ticks.first = Math.ceil(low / ticks.step - 1e-9) * ticks.step;
      ticks.n = Math.floor((high - ticks.first) / ticks.step + 1e-9) + 1;
      ticks.decimals = Math.max(0, -Math.floor(Math.log10(ticks.step) + 1e-9) + (factor === 2.5 ? 1 : 0));
      if (ticks.n <= most) break;
    }
    if (ticks.decimals > 5 || ticks.step >= 1e7) ticks.decimals = -1;
    ticks.values = Array.from({ length: ticks.n }, (_, i) => ticks.first + i * ticks.step);
    return ticks;
  }

  BILENS.niceTicks = niceTicks;

  /* Where data lie on paper. `low`, `high`: of the eigenvalues, of both spectra when two share an axis. */
  function layout(n, low, high, width, height) {
    const plot = { left: width < WIDTH ? 74 : 96, top: 16, right: width - 16, bottom: height - 52, width, height, n };
    low = Math.min(low, 0);
    high = Math.max(high, 0);
    const air = (high - low) * 0.06 || 1;
    plot.low = low - air;
    plot.high = high + air;
    plot.xTicks = niceTicks(0, n > 1 ? n - 1 : 1, width < WIDTH / 2 ? 4 : 6, true);
    plot.yTicks = niceTicks(plot.low, plot.high, 7, false);
    plot.x = index => plot.left + (plot.right - plot.left) * (0.025 + (0.95 * index) / (n > 1 ? n - 1 : 1));
    plot.y = value => plot.bottom - ((plot.bottom - plot.top) * (value - plot.low)) / (plot.high - plot.low);
    return plot;
  }

  const f1 = x => x.toFixed(1),
    f2 = x => x.toFixed(2);

  function axes(plot) {
    const parts = [];
    for (const value of plot.yTicks.values) {
      const y = plot.y(value);
      parts.push(
        svg("path", { class: "grid", d: `M${f1(plot.left)} ${f1(y)}H${f1(plot.right)}` }),
        svg("text", { x: f1(plot.left - 8), y: f1(y + 4.5), "text-anchor": "end" }, BILENS.number(value, plot.yTicks.decimals))
      );
    }
    for (const value of plot.xTicks.values) {
      const x = plot.x(value);
      parts.push(
        svg("path", { class: "zero", d: `M${f1(x)} ${f1(plot.bottom)}v5` }),
        svg("text", { x: f1(x), y: f1(plot.bottom + 22), "text-anchor": "middle" }, BILENS.number(value, plot.xTicks.decimals))
      );
    }
    parts.push(
      svg("path", { class: "zero", d: `M${f1(plot.left)} ${f1(plot.y(0))}H${f1(plot.right)}` }),
      svg("rect", { class: "frame", x: plot.left, y: plot.top, width: plot.right - plot.left, height: plot.bottom - plot.top }),
      svg("text", { class: "name", x: f1((plot.left + plot.right) / 2), y: plot.height - 10, "text-anchor": "middle" }, "Index"),
      svg("text", { class: "name", transform: `translate(18 ${f1((plot.top + plot.bottom) / 2)}) rotate(-90)`, "text-anchor": "middle" }, "Eigenvalue")
    );
    return parts;
  }

  const line = (plot, values) => "M" + values.map((value, i) => f2(plot.x(i)) + " " + f2(plot.y(value))).join(" ");
  const dots = (plot, values) => values.map((value, i) => `M${f2(plot.x(i))} ${f2(plot.y(value))}h0`).join("");

  /* Heights of one column's labels: each at its point's or `gap` beyond the one before; those beyond the frame pushed back. */
  function spread(marks, right, gap, limit) {
    const out = right ? -1 : 1,
      order = marks.filter(m => m.labelled && !m.middle && m.right === right).sort((a, b) => out * (a.y - b.y));
    order.forEach((mark, i) => {
      mark.labelY = out * Math.max(out * mark.y, i ? out * order[i - 1].labelY + gap : -Infinity);
    });
    let most = out * limit;
    for (const mark of order.reverse()) {
      mark.labelY = out * Math.min(out * mark.labelY, most);
      most = out * mark.labelY - gap;
    }
    return order;
  }
  /* In one column, beside the innermost of their points, as far away as keeps them clear of the curves, which ascend. */
  function align(plot, order, right, gap, curves) {
    const out = right ? -1 : 1,
      inner = order.length ? (right ? Math.min : Math.max)(...order.map(m => m.x)) : 0;
    const clear = x => {
      const index = Math.round((x - plot.x(0)) / (plot.x(1) - plot.x(0)));
      if (!(index >= 0 && index < plot.n)) return false;
      return curves.every(values => order.every(mark => out * (mark.labelY - plot.y(values[index])) >= 0.7 * gap));
    };
    let away = REACH;
    while (away < 4 * REACH && !clear(inner + out * away)) away += REACH / 4;
    if (away >= 4 * REACH) away = REACH;
    for (const mark of order) mark.labelX = inner + out * away;
  }
  function place(plot, vectors, curves) {
    const gap = 19,
      near = (plot.right - plot.left) * 0.15,
      fit = Math.min(40, Math.floor((plot.bottom - plot.top) / gap / 2)),
      used = [0, 0];
    const marks = vectors.map(vector => {
      const right = vector.position >= Math.floor(plot.n / 2),
        x = plot.x(vector.position),
        y = plot.y(vector.eigenvalue);
      const mark = { vector, x, y, right, middle: x > plot.left + near && x < plot.right - near, labelled: used[+right]++ < fit };
      if (mark.middle) Object.assign(mark, { labelX: x, labelY: y + (right ? -1 : 1) * gap * 0.9 });
      return mark;
    });
    for (const right of [false, true])
      align(plot, spread(marks, right, gap, right ? plot.top + gap * 0.6 : plot.bottom - gap * 0.6), right, gap, curves);
    return marks;
  }

  function drawMark(mark, largest, href) {
    const { vector } = mark,
      side = mark.right ? -1 : 1,
      index = BILENS.number(vector.index, 0);
    const name = `eigenvector ${index}, eigenvalue ${BILENS.among(vector.eigenvalue, largest)}`;
    const parts = [];
    if (mark.labelled && !mark.middle)
      parts.push(
        svg("path", {
          class: "lead",
          d: `M${f1(mark.x)} ${f1(mark.y)}L${f1(mark.labelX - side * 22)} ${f1(mark.labelY)}H${f1(mark.labelX - side * 5)}`
        })
      );
    parts.push(
      svg(
        "a",
        {
          class: "mark " + (vector.eigenvalue < 0 ? "neg" : "pos"),
          href: href(vector.index),
          "aria-label": name,
          "data-index": vector.index
        },
        svg("title", {}, name),
        svg("circle", { cx: f2(mark.x), cy: f2(mark.y), r: 5 }),
        mark.labelled
          ? svg(
              "text",
              { x: f1(mark.labelX), y: f1(mark.labelY + 4.5), "text-anchor": mark.middle ? "middle" : mark.right ? "end" : "start" },
              index
            )
          : null
      )
    );
    return parts;
  }

  /* Options: `none`, the null model's eigenvalues; `width` and `height`, when not the report's; `range` [low, high] of a shared axis; `href(index)`
   * where a mark leads; `pick(position)` what a click on any eigenvalue does; `name`, for those who do not see it. */
  BILENS.spectrum = (eigen, options) => {
    const values = eigen.eigenvalues,
      n = values.length,
      none = options.none && options.none.length === n ? options.none : null;
    const range = options.range || [Math.min(values[0], none ? none[0] : 0), Math.max(values[n - 1], none ? none[n - 1] : 0)];
    const plot = layout(n, range[0], range[1], options.width || WIDTH, options.height || 400),
      largest = Math.max(Math.abs(values[0]), Math.abs(values[n - 1]));
    const runs = eigen.groups || [];
    const figure = svg(
      "svg",
      {
        viewBox: `0 0 ${plot.width} ${plot.height}`,
        role: "group",
        "aria-label": options.name,
        "data-x0": plot.x(0),
        "data-dx": n > 1 ? plot.x(1) - plot.x(0) : 1,
        "data-y0": plot.y(0),
        "data-dy": (plot.bottom - plot.top) / (plot.high - plot.low),
        "data-runs": runs.map(run => run.join("-")).join(" "),
        "data-values": values.join(" "),
        "data-null": none ? none.join(" ") : null
      },
      axes(plot),
      runs.map(([first, last]) =>
        svg("rect", {
          class: "band",
          x: f2(plot.x(first - 0.5)),
          y: plot.bottom - 7,
          width: f2(Math.max(2, plot.x(last + 0.5) - plot.x(first - 0.5))),
          height: 7
        })
      ),
      none ? [svg("path", { class: "null-line", d: line(plot, none) }), svg("path", { class: "null-dots", d: dots(plot, none) })] : null,
      svg("path", { class: "line", d: line(plot, values) }),
      svg("path", { class: "dots", d: dots(plot, values) }),
      place(plot, eigen.vectors, none ? [values, none] : [values]).map(mark => drawMark(mark, largest, options.href)),
      svg("circle", { class: "chosen", r: 9, visibility: "hidden" }),
      svg("line", { class: "hair", y1: plot.top, y2: plot.bottom, visibility: "hidden" }),
      svg("circle", { class: "spot", r: 6, visibility: "hidden" })
    );
    const box = h(
      "div",
      { class: "spectrum" },
      figure,
      h(
        "div",
        {
          class: "probe",
          tabindex: 0,
          role: "slider",
          "aria-label": "Eigenvalue by index",
          "aria-valuemin": 0,
          "aria-valuemax": n - 1,
          "aria-valuenow": 0,
          hidden: true
        },
        h("b", {}, "Point at the curve"),
        h("span", {}, options.pick ? "click, or arrow keys and Enter here, to select" : "or focus this line and use the arrow keys")
      )
    );
    /* The ring around the eigenvalue that is shown. */
    box.choose = position => {
      const ring = figure.querySelector(".chosen");
      ring.setAttribute("cx", plot.x(position));
      ring.setAttribute("cy", plot.y(values[position]));
      ring.removeAttribute("visibility");
      figure.querySelectorAll(".mark").forEach(mark => mark.classList.toggle("here", (n + +mark.dataset.index) % n === position));
    };
    BILENS.probe(box, options.pick);
    return box;
  };

  /* A small spectrum: bars of the eigenvalues that are kept; behind them, wider and grey, the null model's. `largest` is the whole list's
   * scale. */
  BILENS.spark = (row, largest) => {
    const values = row.values || [],
      step = 104 / Math.max(values.length, 1);
    const bar = (value, i, margin, type) => {
      const height = 14 * Math.min(1, Math.abs(value / largest));
      return svg("rect", {
        class: type,
        x: f1(i * step + margin),
        width: f1(step - 2 * margin),
        y: f2(value < 0 ? 15 : 15 - height),
        height: f2(height)
      });
    };
    return svg(
      "svg",
      {
        class: "spark",
        viewBox: "0 0 104 30",
        role: "img",
        "aria-label": `from ${BILENS.short(row.lowest)} to ${BILENS.short(row.highest)}`
      },
      (row.null_values || []).map((value, i) => bar(value, i, 0.5, "null")),
      values.map((value, i) => bar(value, i, 3.5, value < 0 ? "neg" : "pos")),
      svg("path", { class: "zero", d: "M0 15H104" })
    );
  };
})();

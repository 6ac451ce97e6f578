/* Does it matter?: what the atlas knows of an eigenvector (beside chance, and taken out of the model), and on demand, of a server, the same
 * measured with its controls and intervals, as the report draws them (src/report/html_evidence.c). */
"use strict";
(function () {
  const BILENS = globalThis.BILENS;
  const { h, svg } = BILENS;
  const WIDTH = 620,
    LEFT = 150,
    RIGHT = 600,
    ROW = 26,
    CURVE = 230,
    FEW = 5 /* own places below which nothing is concluded */,
    CURVE_LEFT = 56,
    CURVE_BOTTOM = 190;
  const known = value => value !== undefined && value !== null;
  const shown = (value, digits) => (known(value) ? BILENS.number(value, digits) : "–");

  /* A few sentences of what the atlas holds about a vector. */
  function fromAtlas(vector, token) {
    const out = [];
    if (known(vector.ratio))
      out.push(
        h(
          "p",
          {},
          "It is ",
          h("b", {}, `${shown(vector.ratio, 2)} times as large as chance`),
          ` makes it: p = ${shown(vector.p, 4)}, q = ${shown(vector.q, 4)} among all eigenvectors of the atlas.`
        )
      );
    const { effect } = vector;
    if (effect && effect.own && effect.own.positions)
      out.push(
        h(
          "p",
          {},
          `Without it the loss on the ${BILENS.grouped(effect.own.positions)} places where `,
          BILENS.token(token),
          " comes next changes by ",
          h("b", {}, `${BILENS.signed(effect.own.mean, 10)} nats`),
          ` (± ${shown(effect.own.error, 3)}), on the others by ${shown(effect.others.mean, 4)}`,
          known(effect.share) ? `; it makes ${shown(100 * effect.share, 0)}\u00a0% of what the MLP’s output along the direction varies.` : "."
        )
      );
    else if (effect && !effect.own)
      out.push(
        h(
          "p",
          {},
          "The direction is no token: there is no place where it comes next.",
          known(effect.share) ? ` The eigenvector makes ${shown(100 * effect.share, 0)}\u00a0% of what the MLP’s output along the direction varies.` : ""
        )
      );
    else if (effect) out.push(h("p", {}, "The corpus has no place where ", BILENS.token(token), " comes next: its effect was not measured."));
    return out;
  }

  const rise = loss => loss.after - loss.before;
  function interval(loss, digits) {
    return `${shown(rise(loss), digits)} nats (95\u00a0%: ${shown(loss.interval[0], digits)} to ${shown(loss.interval[1], digits)})`;
  }
  function forest(one, key, measured) {
    const controls = ["random", "null"].map(kind => one.controls[kind].effects.map(effect => effect[key])),
      all = [0, ...measured.interval, ...controls.flat()],
      air = Math.max(0.04 * (Math.max(...all) - Math.min(...all)), 1e-6),
      low = Math.min(...all) - air,
      high = Math.max(...all) + air;
    const x = value => LEFT + ((RIGHT - LEFT) * (value - low)) / (high - low);
    const ticks = BILENS.niceTicks(low, high, 6);
    const text = (at, y, what, type) => svg("text", { x: at, y, class: type }, what);
    return svg(
      "svg",
      { class: "forest", viewBox: `0 0 ${WIDTH} ${3 * ROW + 54}`, role: "img", "aria-label": "Rise of the loss, beside controls" },
      svg("line", { class: "axis", x1: x(0), x2: x(0), y1: 4, y2: 3 * ROW + 6 }),
      ticks.values.map(value => text(x(value), 3 * ROW + 22, BILENS.number(value, ticks.decimals), "mid")),
      text((LEFT + RIGHT) / 2, 3 * ROW + 44, "rise of the loss (nats)", "mid"),
      text(LEFT - 14, 20, `eigenvector ${BILENS.number(one.eigs[0], 0)}`, "end"),
      svg("line", { class: "range", x1: x(measured.interval[0]), x2: x(measured.interval[1]), y1: 16, y2: 16 }),
      svg("circle", { class: "result", cx: x(rise(measured)), cy: 16, r: 5 }),
      controls.map((values, kind) => [
        text(LEFT - 14, 20 + ROW * (kind + 1), ["random directions", "null model"][kind], "end"),
        values.map(value => svg("circle", { class: "control", cx: x(value), cy: 16 + ROW * (kind + 1), r: 4 }))
      ])
    );
  }
  function ablation(one, token) {
    const own = one.own.positions > 0,
      measured = own ? one.own : one.loss,
      key = own ? "own" : "loss",
      digits = own ? 2 : 4;
    const most = Math.max(...["random", "null"].flatMap(kind => one.controls[kind].effects.map(effect => effect[key]))),
      [low, high] = measured.interval;
    const verdict =
      own && one.own.positions < FEW
        ? "too few places to tell"
        : low > most
        ? "the model would miss it"
        : low > 0
          ? "an effect, but controls come near it"
          : high < 0
            ? "the model does better without it"
            : "no effect that can be told from none";
    return [
      h(
        "p",
        {},
        own ? [`Measured now: the loss on the ${BILENS.grouped(one.own.positions)} places where `, BILENS.token(token), " comes next is "] : `Measured now: the loss on all ${BILENS.grouped(one.predictions)} places is `,
        `${shown(measured.before, digits)} nats; it rises by `,
        h("b", {}, interval(measured, digits)),
        ". ",
        own ? `On all others it rises by ${interval(one.others, 4)}. ` : "",
        `Of ${one.controls.draws} random directions and as many null models none raises it by more than ${shown(most, digits)}: ${verdict}.`
      ),
      forest(one, key, measured)
    ];
  }
  /* ": 0.83 with 2 of them, 0.89 with 8, 0.99 with 64; 64 at random reach 0.34". */
  function summary({ ranks, controls }) {
    const n = ranks.length,
      told = [...new Set([Math.floor(n / 3), Math.floor((2 * n) / 3), n - 1])].map(i => ranks[i]).filter(r => known(r.correlation)),
      chance = controls.random[n - 1].correlation;
    const parts = told.map((r, i) => `${shown(r.correlation, 2)} with ${r.rank}${i ? "" : " of them"}`);
    return (parts.length ? ": " + parts.join(", ") : "") + (known(chance) ? `; ${ranks[n - 1].rank} at random reach ${shown(chance, 2)}` : "");
  }
  function curve(of) {
    if (!of || !of.ranks.length) return [];
    const last = Math.max(1, ...of.ranks.map(r => Math.log2(1 + r.rank))),
      end = RIGHT - 130,
      x = rank => CURVE_LEFT + ((end - CURVE_LEFT) * Math.log2(1 + rank)) / last,
      y = value => CURVE_BOTTOM - (CURVE_BOTTOM - 14) * Math.max(0, value || 0);
    const lists = [
      ["first", "largest first", of.ranks],
      ["random", "at random", of.controls.random],
      ["lowest", "smallest first", of.controls.lowest]
    ];
    return [
      h("h3", {}, "How many eigenvectors does the direction take?"),
      h("p", {}, `With its K eigenvectors of largest |λ| alone the quadratic form follows u·MLP(x), what the whole MLP adds to the score, with this correlation over ${BILENS.grouped(of.predictions)} places${summary(of)}. It is of the score, not of the loss; below 0 it is drawn at 0.`),
      svg(
        "svg",
        { class: "curve", viewBox: `0 0 ${WIDTH} ${CURVE}`, role: "img", "aria-label": "Correlation against number of eigenvectors" },
        [0, 1, 2, 3, 4].map(t => [
          svg("line", { class: "axis", x1: CURVE_LEFT, x2: end, y1: y(t / 4), y2: y(t / 4) }),
          svg("text", { class: "end", x: CURVE_LEFT - 8, y: y(t / 4) + 4 }, (t / 4).toFixed(2))
        ]),
        of.ranks.map(r => svg("text", { class: "mid", x: x(r.rank), y: CURVE_BOTTOM + 18 }, String(r.rank))),
        svg("text", { class: "mid", x: (CURVE_LEFT + end) / 2, y: CURVE_BOTTOM + 36 }, "eigenvectors kept"),
        svg("text", { class: "mid", transform: `translate(12 ${(CURVE_BOTTOM + 14) / 2}) rotate(-90)` }, "correlation"),
        lists.map(([type, name, list], k) => [
          svg("polyline", { class: type, points: list.map(r => `${x(r.rank).toFixed(1)},${y(r.correlation).toFixed(1)}`).join(" ") }),
          list.filter(r => known(r.correlation)).map(r => svg("circle", { class: type, cx: x(r.rank).toFixed(1), cy: y(r.correlation).toFixed(1), r: 3 })),
          svg("line", { class: type, x1: end + 18, x2: end + 40, y1: 24 + 20 * k, y2: 24 + 20 * k }),
          svg("text", { x: end + 46, y: 28 + 20 * k }, name)
        ])
      )
    ];
  }

  /* Draws into `at`; `vector`: of a scan, with what the atlas says. What was measured stays while the vector is the same. */
  BILENS.drawMatter = (at, subject, vector, shownKey, name) => {
    if (at.dataset.shown === shownKey) return;
    at.dataset.shown = shownKey;
    const facts = fromAtlas(vector, name),
      result = h("div");
    const measure = BILENS.button("Take it out of the model", async () => {
      result.setAttribute("aria-busy", "true");
      result.replaceChildren(h("p", { class: "note" }, "Measuring …"));
      try {
        const evidence = await BILENS.source.evidence(subject, vector.index);
        if (at.dataset.shown !== shownKey) return;
        const [place] = evidence.null.places;
        result.replaceChildren(
          h("p", {}, `Of ${evidence.null.draws} shuffled models, beside this direction alone: ${shown(place.ratio, 2)} times chance, p = ${shown(place.p, 3)}.`),
          ...evidence.ablate.flatMap(one => ablation(one, name)),
          ...curve(evidence.truncate),
          h("p", { class: "note" }, `Measured on ${BILENS.grouped(evidence.stories)} stories, ${subject.direction ? "" : "those with the token first; "}intervals from drawing whole stories again.`)
        );
        measure.parentElement.remove();
      } catch (error) {
        result.replaceChildren(BILENS.failure(error));
      }
      result.removeAttribute("aria-busy");
    });
    if (!facts.length && !BILENS.source.server) return at.replaceChildren();
    return at.replaceChildren(
      h("h3", {}, "Does it matter?"),
      ...facts,
      BILENS.source.server ? h("div", { class: "after" }, measure, h("span", { class: "note" }, "beside random directions and null models, with intervals: some seconds")) : "",
      result
    );
  };
})();

/* A model of several layers: what stands for its MLPs and what that is worth, which layer to look at first, and what a deep layer's virtual
 * tokens do not show; as the report says it (src/report/html_layers.c). */
"use strict";
(function () {
  const BILENS = globalThis.BILENS;
  const { h } = BILENS;
  const DEEP = 2; /* from here on inputs come before virtual tokens, as in src/report/html.h */

  const percent = value => BILENS.number(100 * value, 1) + "\u00a0%";
  const share = value => (value === null || value === undefined ? "–" : BILENS.number(value, 3));

  /* {"r2", "r2_linear", "recovered"} of what stands for the layer's MLP; undefined where it is bilinear. */
  BILENS.qualityOf = eigen => eigen.surrogate || (BILENS.info.surrogate && BILENS.info.surrogate.layers.find(layer => layer.layer === eigen.layer));
  /* The layer that is shown unless another is asked for. */
  BILENS.firstLayer = () => BILENS.info.atlas?.layer ?? BILENS.info.surrogate?.layers[0]?.layer;

  BILENS.isDeep = eigen => eigen.layer >= DEEP;
  /* What a surrogate explains, and a warning where that is little; nothing for a bilinear MLP. */
  BILENS.qualityNote = eigen => {
    const q = BILENS.qualityOf(eigen);
    if (!q) return [];
    const weak = q.r2 < 0.8 || (q.recovered !== null && q.recovered < 0.9);
    return [
      h(
        "p",
        { class: "note quality" },
        `The MLP of layer ${eigen.layer} has an activation function: the best quadratic form stands for it, a surrogate. On stories held out it explains `,
        h("b", {}, percent(q.r2)),
        ` of the MLP’s output (the best linear map alone ${percent(q.r2_linear)})`,
        q.recovered === null ? "" : ` and recovers ${percent(q.recovered)} of the loss that the mean output would cost`,
        ". The form is taken about the mean input; its linear part is shown as one more direction."
      ),
      weak ? h("p", { class: "note warn" }, "This surrogate is a weak one: do not read single eigenvectors as what the model does.") : null
    ].filter(Boolean);
  };
  /* What the picture of a layer in the depth does not show. */
  BILENS.depthNote = eigen => {
    const n = BILENS.info.model.architecture ? BILENS.info.model.architecture.n_layer : 1,
      behind = n - eigen.layer - 1;
    return [
      behind > 0
        ? h("p", { class: "note" }, `The model has ${n} layers: shown is the direct way from layer ${eigen.layer} to the scores, without what later layers make of it.`)
        : null,
      BILENS.isDeep(eigen)
        ? h(
            "p",
            { class: "note warn" },
            `Virtual tokens are read in the embedding, ${eigen.layer} layers before this MLP: what those layers have written is not in them. The inputs from ` +
              "the corpus come first here, for they are what this MLP has really read."
          )
        : null
    ].filter(Boolean);
  };

  /* The surrogate's linear part as one more direction. */
  BILENS.linearPart = (eigen, way) => {
    if (!eigen.linear) return [];
    const vector = { ...eigen.linear, coarse: false };
    return [
      h("h2", {}, "Linear part ", h("span", { class: "lambda for" }, "|ℓ| = " + BILENS.short(eigen.linear.norm))),
      h(
        "p",
        { class: "note" },
        "What the surrogate adds in proportion to the input’s distance from its mean, beside the constant ",
        BILENS.short(eigen.constant),
        " at the mean input. Blue tokens raise the score, red ones lower it."
      ),
      h("details", { class: "layers", open: BILENS.isDeep(eigen) ? null : true }, h("summary", {}, "Virtual tokens of the linear part"), ...BILENS.virtualTokens(vector, way, []))
    ];
  };

  const columns = [
    ["MLP, own", "mlp_own", true],
    ["MLP, spread", "mlp_spread"],
    ["heads, own", "heads_own", true],
    ["heads, spread", "heads_spread"],
    ["strongest head", "head"],
    ["its own", "head_own", true],
    ["R²", "r2"],
    ["linear R²", "r2_linear"],
    ["recovered", "recovered"]
  ];
  /* A table of layers, each a link to the same direction there. */
  function table(layers, now, href) {
    const shown = columns.filter(([, key]) => layers.some(layer => layer[key] !== null && layer[key] !== undefined)),
      largest = Math.max(0, ...layers.flatMap(layer => columns.filter(c => c[2]).map(c => Math.abs(layer[c[1]] || 0))));
    const cell = (layer, [, key, coloured]) => {
      const value = layer[key];
      if (value === null || value === undefined) return h("td", { class: "v" }, "–");
      if (key === "head") return h("td", { class: "v" }, String(value));
      return coloured
        ? h("td", { class: "v c" + BILENS.level(value, largest) }, BILENS.among(value, largest))
        : h("td", { class: "v" }, key.endsWith("spread") ? BILENS.short(value) : share(value));
    };
    return h(
      "div",
      { class: "scroll", tabindex: 0, role: "group", "aria-label": "Layers" },
      h(
        "table",
        { class: "tensors" },
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Layer"), shown.map(([name]) => h("th", { scope: "col", class: "v" }, name)))),
        h(
          "tbody",
          {},
          layers.map(layer =>
            h(
              "tr",
              {},
              h("td", {}, layer.layer === now ? h("b", {}, `${layer.layer}, shown`) : h("a", { href: href(layer.layer) }, String(layer.layer))),
              shown.map(column => cell(layer, column))
            )
          )
        )
      )
    );
  }
  const size = layer => Math.abs(layer.mlp_own ?? layer.mlp_spread);

  /* Draws into `at` what is known at once (what the surrogates are worth), and on demand, of a server, what each layer adds. `href(layer)`. */
  BILENS.drawLayers = (at, subject, key, now, href) => {
    const known = BILENS.info.surrogate?.layers || [],
      n = BILENS.info.model.architecture ? BILENS.info.model.architecture.n_layer : 1;
    if (at.dataset.shown === key) return;
    at.dataset.shown = key;
    if (n < 2 || (!known.length && !BILENS.source.server)) {
      at.replaceChildren();
      return;
    }
    const summary = h("summary", {}, "Which layer?"),
      body = h("div", {}),
      result = h("div", {}, known.length ? table(known, now, href) : "");
    const measure = BILENS.button("Measure what each layer adds", async () => {
      result.setAttribute("aria-busy", "true");
      result.replaceChildren(h("p", { class: "note" }, "Measuring …"));
      try {
        const found = await BILENS.source.layers(subject);
        if (at.dataset.shown !== key) return;
        const first = [...found.layers].sort((a, b) => size(b) - size(a)).slice(0, 5);
        summary.textContent = "Which layer? The MLPs that add most are those of layers " + first.map(layer => layer.layer).join(", ");
        result.replaceChildren(
          h(
            "p",
            { class: "note" },
            `What each layer adds to the score by itself, over ${BILENS.grouped(found.positions)} positions of ${BILENS.grouped(found.stories)} stories. `,
            found.own
              ? `Own: how much more at the ${BILENS.grouped(found.own)} where the token comes next than over all. `
              : "The token comes next nowhere there: only the spread can be told. ",
            "Spread: the standard deviation. What later layers make of it is not in these numbers."
          ),
          table(found.layers, now, href)
        );
        measure.remove();
      } catch (error) {
        result.replaceChildren(BILENS.failure(error));
      }
      result.removeAttribute("aria-busy");
    });
    body.append(
      h(
        "p",
        { class: "note" },
        known.length
          ? "R²: the share of the MLP’s output that its surrogate explains, beside that of the best linear map; recovered: the share of the loss that the mean output would " +
              "cost (–: that costs hardly anything). A layer is worth a look where the MLP adds much and the surrogate describes it well."
          : "A layer is worth a look where its MLP adds much."
      ),
      BILENS.source.server ? h("div", { class: "after" }, measure, h("span", { class: "note" }, "on 16 stories, those with the token first: some seconds, of a large model a minute")) : "",
      result
    );
    at.replaceChildren(h("details", { class: "layers" }, summary, body));
  };
})();

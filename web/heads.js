/* Heads of bilinear attention by themselves: which key each takes to which query, and what that adds to the direction; from the weights alone. */
"use strict";
(function () {
  const BILENS = globalThis.BILENS;
  const { h } = BILENS;

  /* Layer 0 of a model without softmax; a static site does not hold them. */
  BILENS.hasHeads = subject => {
    const layer = subject.layer ?? (BILENS.info.atlas ? BILENS.info.atlas.layer : 0);
    return BILENS.source.server && BILENS.info.model.config.attention2 === true && layer === 0;
  };

  /* [query, key, value] as [“key … query”, value]. */
  const pairs = list => list.map(([query, key, value]) => [`${key} … ${query}`, value]);
  const part = (title, sources) => h("div", { class: "heads-part" }, h("p", { class: "note" }, title), BILENS.sourcesTable(sources));
  const pairsPart = (title, name, ends) => part(title, [[name, { top: pairs(ends.top), bottom: pairs(ends.bottom) }]]);
  function keys(query) {
    const [raised, lowered] = query.vectors;
    return part(
      [
        "As a query ",
        BILENS.token(query.query),
        ` raises keys along one eigenvector (${BILENS.number(raised.eigenvalue, 4)}) and lowers keys along another (${BILENS.number(lowered.eigenvalue, 4)})`
      ],
      [
        ["raises", raised],
        ["lowers", lowered]
      ]
    );
  }
  const head = one => [
    h("h3", {}, `Head ${one.head}`),
    h(
      "div",
      { class: "heads-of" },
      pairsPart("Pattern: key … query", "pattern", one.pattern),
      pairsPart("Added to the direction: key … query", "direction", one.direction),
      one.query ? keys(one.query) : null
    )
  ];

  BILENS.drawHeads = async (at, subject, key, distance = 1) => {
    const shown = `${key} ${distance}`;
    if (at.dataset.shown === shown) return;
    at.dataset.shown = shown;
    at.setAttribute("aria-busy", "true");
    try {
      const answer = await BILENS.source.heads(subject, distance);
      if (at.dataset.shown !== shown) return;
      const input = h("input", { type: "number", min: 1, value: distance, "aria-label": "Distance from key to query" });
      input.addEventListener("change", () => BILENS.drawHeads(at, subject, key, Math.max(1, Math.trunc(+input.value) || 1)));
      at.replaceChildren(
        h("h2", {}, "The heads"),
        h(
          "p",
          { class: "read" },
          "Attention here has no softmax: what a head of the first layer does to a pair of tokens depends on nothing else in the text. Exact, for a query behind its key by ",
          input,
          " positions."
        ),
        ...answer.heads.flatMap(head)
      );
    } catch (error) {
      if (at.dataset.shown === shown) at.replaceChildren(BILENS.failure(error));
    }
    at.removeAttribute("aria-busy");
  };
})();

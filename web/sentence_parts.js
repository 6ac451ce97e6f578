/* The parts of the view of a sentence: its words, what the model expects, what a word excites. */
"use strict";
(function () {
  const BILENS = globalThis.BILENS;
  const { h } = BILENS;

  const percent = p => (p >= 0.0995 ? BILENS.number(100 * p, 0) : BILENS.number(100 * p, 1)) + "\u00a0%";
  function rail(share) {
    const sure = h("span", { class: "sure" });
    sure.style.width = 100 * Math.max(0, Math.min(1, share)) + "%";
    return h("span", { class: "rail", "aria-hidden": "true" }, sure);
  }

  /* A word under the pointer and the arrow keys; below it, how sure the model was of it. */
  BILENS.wordButton = (sentence, j, at, select) => {
    const before = j > 0 ? sentence.predictions[j - 1].next : null,
      word = BILENS.visible(sentence.tokens[j]),
      here = j === at;
    const expected = before ? `expected with ${percent(before.probability)}, rank ${before.rank}` : null;
    return h(
      "button",
      {
        type: "button",
        class: "word",
        tabindex: here ? 0 : -1,
        "aria-current": here ? "true" : null,
        "data-tip": expected,
        "aria-label": `${word}, position ${j}` + (expected ? ", " + expected : ""),
        on: { click: () => select(j) }
      },
      word,
      rail(before ? Math.max(0.02, before.probability) : 0)
    );
  };

  /* What is expected next. `how`: link(token) and against(token) -> address or null, chosen, rival. */
  BILENS.predictionList = (prediction, how) => {
    const { top, next } = prediction;
    const against = token => {
      const to = how.against(token);
      if (!to) return h("span");
      const on = token === how.rival,
        says = on ? "no longer against " : "rather than ";
      return h("a", { class: "button small", href: to, "aria-label": says + BILENS.visible(token) }, on ? "against ×" : "against");
    };
    const line = ([token, p]) =>
      h(
        "li",
        { class: next && next.token === token ? "came" : null, "aria-current": token === how.chosen ? "true" : null },
        how.link(token) ? h("a", { href: how.link(token) }, BILENS.token(token)) : BILENS.token(token),
        rail(p / top[0][1]),
        h("span", { class: "v" }, percent(p)),
        against(token)
      );
    return [
      h("ol", { class: "predictions" }, top.map(line)),
      next ? h("p", { class: "note" }, "It goes on with ", BILENS.token(next.token), `: ${percent(next.probability)}, rank ${next.rank}.`) : ""
    ];
  };
  BILENS.percent = percent;

  /* Eigenvectors of all directions, strongest first; `chosen(direction)`, `link(token, index)`. */
  BILENS.excitedTable = (directions, chosen, link) => {
    const largest = Math.max(...directions.map(d => Math.abs(d.activation))),
      headings = ["Direction", "λ(v·x)²", "Eigenvector", "λ", "|v·x|"];
    const cell = (text, tone) => h("td", { class: "v" + (tone ? " " + tone : "") }, text);
    return h(
      "div",
      { class: "scroll", tabindex: 0, role: "group", "aria-label": "What it excites" },
      h(
        "table",
        { class: "excited" },
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            headings.map((name, i) => h("th", { scope: "col", class: i ? "v" : null }, name))
          )
        ),
        h(
          "tbody",
          {},
          directions.map(d =>
            h(
              "tr",
              { "aria-current": chosen(d) ? "true" : null },
              h("th", { scope: "row" }, h("a", { href: link(d) }, BILENS.token(d.token))),
              cell(h("span", { class: "single c" + BILENS.level(d.activation, largest) }, BILENS.activationText(d.activation))),
              cell(BILENS.number(d.index, 0)),
              cell(BILENS.short(d.eigenvalue), d.eigenvalue < 0 ? "against-ink" : "for"),
              cell(BILENS.short(Math.abs(d.similarity)))
            )
          )
        )
      )
    );
  };
})();

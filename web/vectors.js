/* One eigenvector: what its sign means, and its virtual tokens as the report's table (src/report/html_vectors.c) or as bars. */
"use strict";
(function () {
  const BILENS = globalThis.BILENS;
  const { h } = BILENS;
  const PER_TABLE = 9;

  const heading = name => name.slice(0, 1).toUpperCase() + name.slice(1);
  const valueHeading = name => (name.startsWith("head ") ? "Value " + name.slice(5) : "Value");
  const isSingle = source => source.value !== undefined;

  BILENS.largestOf = vector => {
    let largest = 0;
    for (const source of Object.values(vector.sources))
      for (const [, value] of isSingle(source) ? [["", source.value]] : [...source.top, ...source.bottom])
        largest = Math.max(largest, Math.abs(value));
    return largest;
  };

  /* An eigenvector's sign is arbitrary. What is drawn has the sign whose end holds the larger sum of |activation| over the inputs (as
   * src/result/document_scan.c has it): what is blue in the table then excites in blue in the text. */
  const turnEntries = entries => entries.map(([token, value]) => [token, -value]);
  const turnSource = source =>
    isSingle(source) ? { value: -source.value } : { top: turnEntries(source.bottom), bottom: turnEntries(source.top) };
  /* The API's contributions sum to |v·x|; what is drawn sums to the oriented v·x. */
  function turnMatch(match, orientation) {
    const similarity = orientation * match.similarity;
    if (!(similarity < 0)) return { ...match, similarity };
    return {
      ...match,
      similarity,
      bias: match.bias ? -match.bias : match.bias,
      contributions: match.contributions.map(value => -value),
      ...(match.heads ? { heads: match.heads.map(row => row.map(value => -value)) } : {})
    };
  }
  BILENS.oriented = hits => {
    const ends = [0, 0];
    for (const match of hits.matches) ends[match.similarity < 0 ? 1 : 0] += Math.abs(match.activation);
    const orientation = ends[1] > ends[0] ? -1 : 1,
      sum = ends[0] + ends[1],
      share = sum > 0 ? Math.max(...ends) / sum : 1;
    return { ...hits, orientation, share, matches: hits.matches.map(match => turnMatch(match, orientation)) };
  };
  BILENS.turnVector = (vector, orientation) =>
    orientation > 0
      ? vector
      : { ...vector, sources: Object.fromEntries(Object.entries(vector.sources).map(([name, source]) => [name, turnSource(source)])) };

  /* A `scale` is { largest, text(value) } of a whole table. Row r of a source: highest first, then down to the lowest of all. */
  function entryAt(source, row, tops, bottoms) {
    if (row < tops) return source.top[row];
    return source.bottom[tops + bottoms - 1 - row];
  }
  /* A word of a table, as a link to its own direction where there is one. */
  const named = token => (BILENS.info && !token.includes(" … ") ? h("a", { class: "word-link", href: BILENS.directionLink(token) }, BILENS.visible(token)) : BILENS.visible(token));
  function cells(entry, scale) {
    if (!entry) return [h("td", { class: "t" }), h("td")];
    return [
      h("td", { class: "t" }, named(entry[0])),
      h("td", { class: "v c" + BILENS.level(entry[1], scale.largest) }, scale.text(entry[1]))
    ];
  }
  function table(sources, scale) {
    const tops = Math.max(...sources.map(([, s]) => s.top.length)),
      bottoms = Math.max(...sources.map(([, s]) => s.bottom.length));
    const rows = Array.from({ length: tops + bottoms }, (_, row) =>
      h(
        "tr",
        { class: row === tops && row > 0 ? "low" : null },
        h("th", { scope: "row" }, String(row)),
        sources.map(([, source]) => cells(entryAt(source, row, tops, bottoms), scale))
      )
    );
    return h(
      "div",
      { class: "scroll", tabindex: 0, role: "group", "aria-label": "Virtual tokens" },
      h(
        "table",
        { class: "vt" },
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("td"),
            sources.map(([name]) => [
              h("th", { class: "t", scope: "col" }, heading(name)),
              h("th", { class: "v", scope: "col" }, valueHeading(name))
            ])
          )
        ),
        h("tbody", {}, rows)
      )
    );
  }
  function tables(several, scale) {
    const n = Math.ceil(several.length / Math.ceil(several.length / PER_TABLE)),
      out = [];
    for (let first = 0; first < several.length; first += n) out.push(table(several.slice(first, first + n), scale));
    return out;
  }

  /* Bars grow from the middle of their column: to the right the values above zero, to the left those below. */
  function bar([token, value], scale) {
    const fill = h("span", { class: "fill c" + BILENS.level(value, scale.largest) });
    fill.style.width = ((50 * Math.abs(value)) / scale.largest).toFixed(2) + "%";
    return h(
      "li",
      {},
      h("span", { class: "t" }, named(token)),
      h("span", { class: "lane " + (value < 0 ? "left" : "right"), "aria-hidden": "true" }, fill),
      h("span", { class: "v" }, scale.text(value))
    );
  }
  const bars = (several, scale) =>
    h(
      "div",
      { class: "bars" },
      several.map(([name, source]) =>
        h(
          "div",
          { class: "source", role: "group", "aria-label": heading(name) },
          h("h4", {}, heading(name)),
          h(
            "ol",
            {},
            source.top.map(entry => bar(entry, scale))
          ),
          h(
            "ol",
            { class: "low" },
            [...source.bottom].reverse().map(entry => bar(entry, scale))
          )
        )
      )
    );

  /* `way`: "table" or "bars". */
  /* One table with its own scale: sources as [name, { top, bottom }]. */
  BILENS.sourcesTable = sources => {
    const largest = BILENS.largestOf({ sources: Object.fromEntries(sources) });
    return table(sources, { largest, text: value => BILENS.among(value, largest) });
  };
  BILENS.virtualTokens = (vector, way, tools) => {
    const largest = BILENS.largestOf(vector),
      scale = { largest, text: value => BILENS.among(value, largest, vector.coarse) },
      sources = Object.entries(vector.sources),
      several = sources.filter(([, s]) => !isSingle(s));
    return [
      h("div", { class: "over" }, h("h3", {}, "Virtual tokens"), tools || null, BILENS.legend(scale.text(-largest), scale.text(largest))),
      several.length ? (way === "bars" ? bars(several, scale) : tables(several, scale)) : [],
      sources
        .filter(([, s]) => isSingle(s))
        .map(([name, source]) =>
          h(
            "p",
            { class: "note" },
            h("b", {}, heading(name)),
            " (the constant 1) ",
            h("span", { class: "single c" + BILENS.level(source.value, largest) }, scale.text(source.value))
          )
        )
    ].flat();
  };

  /* "Eigenvector -1  λ = 1.98  evidence for swim", and what that means. */
  BILENS.vectorHead = (eigen, vector, total) => {
    const values = eigen.eigenvalues,
      tone = vector.eigenvalue < 0 ? "against-ink" : "for",
      value = vector.eigenvalue;
    const largest = Math.max(Math.abs(values[0]), Math.abs(values[values.length - 1]));
    const share = total > 0 ? `; ${BILENS.number((100 * Math.abs(value)) / total, 1)}\u00a0% of Σ|λ|` : "";
    return [
      h(
        "h2",
        {},
        `Eigenvector ${BILENS.number(vector.index, 0)} `,
        h("span", { class: "lambda " + tone }, "λ = " + BILENS.among(value, largest)),
        h(
          "span",
          { class: "badge " + tone },
          value > 0 ? "evidence for " : value < 0 ? "evidence against " : "no evidence about ",
          BILENS.token(eigen.token)
        )
      ),
      h(
        "p",
        { class: "note" },
        `Whatever excites this eigenvector, in either sense, ${value > 0 ? "raises" : value < 0 ? "lowers" : "leaves alone"} the score of `,
        BILENS.token(eigen.token),
        eigen.minus && eigen.minus.length ? " against the others" : "",
        `. Index ${vector.position} of the ascending spectrum${share}.`
      ),
      vector.group
        ? h(
            "p",
            { class: "note warn" },
            `Degenerate with indices ${vector.group[0]}–${vector.group[1]}: only the span of this group means anything, not this ` +
              `vector by itself.`
          )
        : ""
    ];
  };
})();

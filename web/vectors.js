/* One eigenvector: what its sign means, and its virtual tokens as the report's table (src/report/html_vectors.c) or as bars. */
"use strict";
(function () {
  const BILENS = globalThis.BILENS;
  const { h } = BILENS;

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
  /* Which end its inputs are at, for those who ask which one speaks. */
  BILENS.excitedEnd = drawn => [
    " In the corpus it is the ",
    h("b", {}, "blue"),
    ` end that is excited: ${BILENS.number(100 * drawn.share, 0)}\u00a0% of the top inputs’ activation.`
  ];
  BILENS.turnVector = (vector, orientation) =>
    orientation > 0
      ? vector
      : { ...vector, sources: Object.fromEntries(Object.entries(vector.sources).map(([name, source]) => [name, turnSource(source)])) };

  /* A word of a table, as a link to its own direction where there is one. */
  const named = (token, source) => (BILENS.info && source !== "features" && !token.includes(" … ") ? h("a", { class: "word-link", href: BILENS.directionLink(token) }, BILENS.visible(token)) : BILENS.visible(token));
  /* A `scale` is { largest, text(value) } of all tables together. A small table per source, the highest above the lowest. */
  const row = ([token, value], scale, edge, name) =>
    h(
      "tr",
      { class: edge ? "low" : null },
      h("td", { class: "t" }, named(token, name)),
      h("td", { class: "v c" + BILENS.level(value, scale.largest) }, scale.text(value))
    );
  /* Of few vectors the lowest are among the highest: they stand once. */
  const lowest = source => {
    const shown = new Set(source.top.map(entry => entry.join(" ")));
    return [...source.bottom].reverse().filter(entry => !shown.has(entry.join(" ")));
  };
  const table = (name, source, scale) =>
    h(
      "table",
      { class: "vt" },
      h("thead", {}, h("tr", {}, h("th", { class: "t", scope: "col" }, heading(name)), h("th", { class: "v", scope: "col" }, valueHeading(name)))),
      h(
        "tbody",
        {},
        source.top.map(entry => row(entry, scale, false, name)),
        lowest(source).map((entry, i) => row(entry, scale, i === 0, name))
      )
    );
  const tables = (several, scale) =>
    h(
      "div",
      { class: "vts" },
      several.map(([name, source]) => table(name, source, scale))
    );

  /* By strength, and how many are shown where the weak are folded: as src/result/document_eigen.c has it. */
  const strength = ([, source]) => Math.max(0, ...[...source.top, ...source.bottom].map(([, value]) => Math.abs(value)));
  function byStrength(several) {
    const LEAST = 3,
      MOST = 5,
      sorted = [...several].sort((a, b) => strength(b) - strength(a));
    let strong = 0;
    while (strong < sorted.length && strong < MOST && (strong < LEAST || strength(sorted[strong]) >= strength(sorted[0]) / 2)) strong++;
    return { sorted, strong: sorted.length - strong === 1 ? sorted.length : strong };
  }
  function folded(several, draw) {
    const NAMED = 8,
      { sorted, strong } = byStrength(several),
      weak = sorted.slice(strong);
    if (!weak.length) return [draw(sorted)];
    const names = weak.slice(0, NAMED).map(([name]) => BILENS.visible(name));
    if (weak.length > NAMED) names.push("…");
    return [
      draw(sorted.slice(0, strong)),
      h("details", { class: "weak" }, h("summary", {}, `${weak.length} more, weaker: ${names.join(", ")}`), draw(weak))
    ];
  }

  /* Bars grow from the middle of their column: to the right the values above zero, to the left those below. */
  function bar([token, value], scale, source) {
    const fill = h("span", { class: "fill c" + BILENS.level(value, scale.largest) });
    fill.style.width = ((50 * Math.abs(value)) / scale.largest).toFixed(2) + "%";
    return h(
      "li",
      {},
      h("span", { class: "t" }, named(token, source)),
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
            source.top.map(entry => bar(entry, scale, name))
          ),
          h(
            "ol",
            { class: "low" },
            lowest(source).map(entry => bar(entry, scale, name))
          )
        )
      )
    );

  /* Tables with its own scale: sources as [name, { top, bottom }]. */
  BILENS.sourcesTable = sources => {
    const largest = BILENS.largestOf({ sources: Object.fromEntries(sources) });
    return tables(sources, { largest, text: value => BILENS.among(value, largest) });
  };
  /* `way`: "table" or "bars". */
  BILENS.virtualTokens = (vector, way, tools) => {
    /* Input features have a scale of their own. */
    const { features, ...tokens } = vector.sources,
      largest = BILENS.largestOf({ sources: tokens }),
      scale = { largest, text: value => BILENS.among(value, largest, vector.coarse) },
      sources = Object.entries(tokens),
      several = sources.filter(([, s]) => !isSingle(s));
    return [
      h("div", { class: "over" }, h("h3", {}, "Virtual tokens"), tools || null, BILENS.legend(scale.text(-largest), scale.text(largest))),
      folded(several, shown => (way === "bars" ? bars : tables)(shown, scale)),
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
        ),
      features ? [h("h3", {}, "Input features"), BILENS.sourcesTable([["features", features]])] : []
    ].flat();
  };
  /* Where the page is narrow, bars are easier to read. */
  BILENS.tokensWay = asked => (asked === "bars" || asked === "table" ? asked : matchMedia("(max-width: 40rem)").matches ? "bars" : "table");

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

/* A spectrum with its tools, what belongs to choosing one of its eigenvectors, and the explanation of both. */
"use strict";
(function () {
  const BILENS = globalThis.BILENS;
  const { h } = BILENS;

  /* An index as it is written: from the end in the upper half; and its place in the ascending spectrum of n. */
  BILENS.indexOf = (position, n) => (position >= Math.floor(n / 2) ? position - n : position);
  BILENS.positionOf = (index, n) => (index < 0 ? index + n : index);

  const NARROW = matchMedia("(max-width: 700px)");

  /* Options: `pick(index)`, `href(index)`, `width`, `height`, `nameless` (it is the null model's own), `tools`, `marks(eigen)` (what explains and removes
   * the marks of degenerate eigenvalues). The element has draw(eigen, none,
   * range, plain) and choose(position); the null model's eigenvalues, when they are there, are drawn behind. A narrow page
   * gets a narrow drawing, not a small one. */
  BILENS.spectrumPart = options => {
    const part = h("div", { class: "spectrum-part" });
    let box = null,
      chosen = null,
      drawn = null;
    part.draw = (eigen, none, range, plain) => {
      drawn = [eigen, none, range, plain];
      const focused = box && box.contains(document.activeElement),
        behind = none ? none.eigenvalues : null;
      const token = BILENS.visible(eigen.token),
        n = eigen.eigenvalues.length;
      box = BILENS.spectrum(plain ? { ...eigen, groups: [] } : eigen, {
        none: behind,
        range,
        width: NARROW.matches ? 480 : options.width,
        height: options.height,
        href: options.href,
        pick: position => options.pick(BILENS.indexOf(position, n)),
        name: `${n} eigenvalues for ${token}, ascending`
      });
      part.replaceChildren(
        box,
        h(
          "div",
          { class: "tools" },
          h("span", { class: "key" }, h("i", { class: "swatch model" }), options.nameless ? "null model" : token),
          none ? h("span", { class: "key" }, h("i", { class: "swatch null" }), "null model") : null,
          options.marks ? options.marks(eigen) : null,
          h("span", { class: "grow" }),
          BILENS.copyButton("the spectrum", () => BILENS.csvSpectrum(eigen, behind)),
          BILENS.figureButtons(`spectrum of ${token}`, () => box.querySelector("svg")),
          options.tools || []
        )
      );
      if (chosen !== null) box.choose(chosen);
      if (focused) box.querySelector(".probe").focus();
    };
    NARROW.addEventListener("change", () => drawn && part.isConnected && part.draw(...drawn));
    part.choose = position => {
      chosen = position;
      if (box) box.choose(position);
    };
    return part;
  };

  /* Eigenvector `index` of a spectrum that is there: one of those that came with it, or asked for. */
  BILENS.vectorOf = async (subject, eigen, index, none) => {
    const n = eigen.eigenvalues.length,
      position = BILENS.positionOf(index, n);
    if (position < 0 || position >= n) throw new Error(`eigenvector ${index}: indices from ${-n} to ${n - 1} exist`);
    const there = (eigen.vectors || []).find(v => BILENS.positionOf(v.index, n) === position);
    return there || (await BILENS.source.eigen(subject, { eigs: [index], none })).vectors[0];
  };

  BILENS.pickers = (vectors, index, href) =>
    h(
      "div",
      { class: "chips", role: "group", "aria-label": "Eigenvectors" },
      vectors.map(v =>
        h(
          "a",
          {
            class: v.eigenvalue === undefined ? null : v.eigenvalue < 0 ? "neg" : "pos",
            href: href(v.index),
            "aria-current": v.index === index ? "true" : null,
            "aria-label": `eigenvector ${v.index}`
          },
          BILENS.number(v.index, 0)
        )
      )
    );

  BILENS.guide = () =>
    h(
      "details",
      { class: "guide" },
      h("summary", {}, "How to read this"),
      h(
        "div",
        { class: "columns" },
        h(
          "div",
          { class: "read" },
          h(
            "p",
            {},
            h("b", {}, "Spectrum. "),
            "Each dot is one eigenvector of the interaction matrix, its height the eigenvalue: above zero whatever excites it " +
              "speaks for the token, below zero against. Grey is the null model: what it reaches too is chance."
          ),
          h(
            "p",
            {},
            h("b", {}, "Virtual tokens. "),
            "What each word would add to v·x, directly and through each head. Blue and red are the two ends of one axis, not " +
              "good and bad: (v·x)² forgets the sign. Words of one colour work together, of different colours cancel. Only the " +
              "sign of the eigenvalue says for or against."
          )
        ),
        h(
          "div",
          { class: "read" },
          h(
            "p",
            {},
            h("b", {}, "Top inputs. "),
            "Where (v·x)² is largest in the corpus, at most once per story. The activation λ(v·x)² is what this eigenvector adds " +
              "to the score at the word in [brackets]; the background is each word’s share: ",
            h("span", { class: "toward" }, "blue towards"),
            " the sum, ",
            h("span", { class: "against" }, "red against"),
            " it. Point at a word for the heads that carried it."
          )
        )
      )
    );
})();

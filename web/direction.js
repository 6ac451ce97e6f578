/* A direction: its spectrum with the null model behind, one eigenvector at a time with its virtual tokens and its top inputs. */
"use strict";
(function () {
  const BILENS = globalThis.BILENS;
  const { h } = BILENS;

  /* A spectrum with its tools; the null model is drawn behind as soon as it is there. `title` names files. */
  BILENS.spectrumPart = options => {
    const part = h("div", { class: "spectrum-part" });
    let box = null,
      chosen = null;
    part.draw = (eigen, none, range) => {
      const focused = box && box.contains(document.activeElement);
      const token = BILENS.visible(eigen.token),
        title = `spectrum of ${token}`;
      box = BILENS.spectrum(eigen, {
        none: none ? none.eigenvalues : null,
        range,
        pick: position => options.pick(BILENS.indexOf(position, eigen.eigenvalues.length)),
        href: options.href,
        name: `${eigen.eigenvalues.length} eigenvalues for ${token}, ascending`
      });
      part.replaceChildren(
        box,
        h(
          "div",
          { class: "tools" },
          h("span", { class: "key" }, h("i", { class: "swatch model" }), options.nameless ? "null model" : token),
          none ? h("span", { class: "key" }, h("i", { class: "swatch null" }), "null model") : null,
          h("span", { class: "grow" }),
          BILENS.copyButton("the spectrum", () => BILENS.csvSpectrum(eigen, none ? none.eigenvalues : null)),
          BILENS.figureButtons(title, () => box.querySelector("svg")),
          options.tools || null
        )
      );
      if (chosen !== null) box.choose(chosen);
      if (focused) box.querySelector(".probe").focus();
    };
    part.choose = position => {
      chosen = position;
      if (box) box.choose(position);
    };
    return part;
  };

  /* An index as it is written: from the end in the upper half. */
  BILENS.indexOf = (position, n) => (position >= Math.floor(n / 2) ? position - n : position);
  BILENS.positionOf = (index, n) => (index < 0 ? index + n : index);

  BILENS.vectorOf = async (subject, eigen, index) => {
    const n = eigen.eigenvalues.length,
      position = BILENS.positionOf(index, n);
    if (position < 0 || position >= n) throw new Error(`eigenvector ${index}: indices from ${-n} to ${n - 1} exist`);
    const there = eigen.vectors.find(v => BILENS.positionOf(v.index, n) === position);
    return there || (await BILENS.source.eigen(subject, { eigs: [index] })).vectors[0];
  };

  BILENS.pickers = (eigen, index, href) =>
    h(
      "nav",
      { class: "chips", "aria-label": "Eigenvectors" },
      eigen.vectors.map(v =>
        h(
          "a",
          {
            class: v.eigenvalue < 0 ? "neg" : "pos",
            href: href(v.index),
            "aria-current": v.index === index ? "true" : null,
            "aria-label": `eigenvector ${v.index}`
          },
          BILENS.number(v.index, 0)
        )
      )
    );

  const guide = () =>
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
            "Each dot is one eigenvector of the interaction matrix, its height the eigenvalue: above zero whatever excites it speaks for the token, below zero against. Grey is the null model: what it reaches too is chance."
          ),
          h(
            "p",
            {},
            h("b", {}, "Virtual tokens. "),
            "What each word would add to v·x, directly and through each head. Blue and red are the two ends of one axis, not good and bad: (v·x)² forgets the sign. Words of one colour work together, of different colours cancel. Only the sign of the eigenvalue says for or against."
          )
        ),
        h(
          "div",
          { class: "read" },
          h(
            "p",
            {},
            h("b", {}, "Top inputs. "),
            "Where (v·x)² is largest in the corpus, at most once a story. The activation λ(v·x)² is what this eigenvector adds to the score at the word in [brackets]; the background is each word’s share: ",
            h("span", { class: "toward" }, "blue towards"),
            " the sum, ",
            h("span", { class: "against" }, "red against"),
            " it. Point at a word for the heads that carried it."
          )
        )
      )
    );

  BILENS.views.direction = main => {
    let params,
      subject,
      index,
      key = null,
      eigen = null,
      none = null,
      turn = 0;
    const title = h("h1"),
      kicker = h("p", { class: "kicker" }),
      line = h("div"),
      facts = h("div"),
      problem = h("div");
    const compare = h("a", { class: "button small" }, "compare");
    const href = (i, more) => {
      const p = new URLSearchParams(params);
      p.set("eig", i);
      p.delete("top");
      for (const [k, v] of Object.entries(more || {})) p.set(k, v);
      return "#/direction?" + p;
    };
    const select = i => BILENS.goTo(href(i), false);
    const spectrum = BILENS.spectrumPart({ pick: select, href, tools: compare });
    const picker = h("div", { class: "picker" }),
      vector = h("section", { class: "vector" }),
      inputs = h("div", { class: "inputs-part" });
    main.replaceChildren(
      h("header", { class: "head" }, kicker, title, line),
      problem,
      h("div", { class: "drawn" }, facts, spectrum, guide(), picker, vector)
    );

    const change = next => BILENS.go("direction", BILENS.writeSubject(new URLSearchParams(params), next), false);
    function drawHead() {
      kicker.replaceChildren(...BILENS.kicker());
      title.replaceChildren("“", BILENS.visible(subject.token), "”");
      line.replaceChildren(BILENS.subjectLine(subject, change));
    }
    function drawSpectrum() {
      const other = BILENS.writeSubject(new URLSearchParams({ with: "null", eig: index }), subject);
      compare.href = "#/compare?" + other;
      spectrum.draw(eigen, none);
      facts.replaceChildren(BILENS.facts(eigen, none));
    }

    async function drawInputs(mine, found) {
      const top = Math.min(256, Math.max(1, +params.get("top") || 8));
      inputs.setAttribute("aria-busy", "true");
      try {
        const scan = await BILENS.source.scan(subject, { eigs: [found.index], top });
        if (mine !== turn) return;
        const hits = scan.vectors[0];
        inputs.replaceChildren(
          ...BILENS.inputs(
            hits,
            BILENS.copyButton("the inputs", () => BILENS.csvInputs(hits))
          )
        );
        if (hits.matches.length >= top && BILENS.source.server)
          inputs.append(
            h(
              "div",
              { class: "after" },
              BILENS.button("Show more", () => BILENS.goTo(href(index, { top: 2 * top }), true))
            )
          );
        inputs.append(
          h("p", { class: "note" }, `Of ${BILENS.grouped(scan.stories)} stories, ${BILENS.grouped(scan.positions)} positions.`)
        );
      } catch (error) {
        if (mine === turn) inputs.replaceChildren(BILENS.failure(error));
      }
      inputs.removeAttribute("aria-busy");
    }
    async function drawVector(mine) {
      let found;
      try {
        found = await BILENS.vectorOf(subject, eigen, index);
      } catch (error) {
        if (mine === turn) vector.replaceChildren(BILENS.failure(error));
        return;
      }
      if (mine !== turn) return;
      const way = params.get("show") === "bars" ? "bars" : "table",
        total = eigen.eigenvalues.reduce((a, b) => a + Math.abs(b), 0);
      picker.replaceChildren(BILENS.pickers(eigen, index, href));
      spectrum.choose(BILENS.positionOf(index, eigen.eigenvalues.length));
      const toggle = h(
        "div",
        { class: "toggle", role: "group", "aria-label": "Show as" },
        ["table", "bars"].map(w =>
          h(
            "button",
            { type: "button", "aria-pressed": String(w === way), on: { click: () => BILENS.goTo(href(index, { show: w }), true) } },
            w
          )
        )
      );
      vector.dataset.index = index;
      if (vector.dataset.shown !== `${key} ${index}`) inputs.replaceChildren();
      vector.dataset.shown = `${key} ${index}`;
      vector.replaceChildren(
        ...BILENS.vectorHead(eigen, found, total).filter(Boolean),
        ...BILENS.virtualTokens(found, way, [toggle, BILENS.copyButton("the virtual tokens", () => BILENS.csvVector(found))])
          .flat()
          .filter(Boolean),
        inputs
      );
      await drawInputs(mine, found);
    }
    async function drawNull(mine) {
      try {
        const answer = await BILENS.source.eigen(subject, { none: true });
        if (mine !== key || !answer) return;
        none = answer;
        drawSpectrum();
      } catch (error) {
        BILENS.say("no null model: " + error.message);
      }
    }
    async function drawAll() {
      const mine = ++turn,
        now = BILENS.subjectQuery(subject, BILENS.source.contrast).toString(),
        fresh = now !== key;
      if (fresh) {
        main.setAttribute("aria-busy", "true");
        key = now;
        drawHead();
        try {
          const answer = await BILENS.source.eigen(subject);
          if (mine !== turn) return;
          eigen = answer;
          none = null;
          problem.replaceChildren();
          main.classList.remove("failed");
          drawSpectrum();
          drawNull(now);
        } catch (error) {
          if (mine !== turn) return;
          key = null;
          main.classList.add("failed");
          problem.replaceChildren(BILENS.failure(error, BILENS.directionLink));
          return;
        } finally {
          if (mine === turn) main.removeAttribute("aria-busy");
        }
      }
      await drawVector(mine);
    }

    return {
      title: "A direction",
      step(by) {
        if (eigen) {
          const at = BILENS.positionOf(index, eigen.eigenvalues.length) + by,
            n = eigen.eigenvalues.length;
          if (at >= 0 && at < n) select(BILENS.indexOf(at, n));
        }
      },
      async update(now) {
        params = now;
        subject = BILENS.readSubject(params);
        index = BILENS.readIndex(params.get("eig"));
        if (subject.token) return drawAll();
        /* None was asked for: the one that stands out most. */
        const first = await BILENS.source.tokens({ sort: BILENS.info.atlas ? "excess" : "id", limit: 1 });
        if (first.tokens.length) BILENS.goTo(BILENS.directionLink(first.tokens[0].token), true);
      },
      name: () => BILENS.visible(subject.token)
    };
  };
})();

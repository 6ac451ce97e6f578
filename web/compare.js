/* Compare: two directions side by side, or a direction and the null model, on one axis. */
"use strict";
(function () {
  const BILENS = globalThis.BILENS;
  const { h } = BILENS;

  /* One side. `change(subject)`, `href(index)`. */
  function side(options) {
    const title = h("h2"),
      line = h("div"),
      facts = h("div"),
      problem = h("div"),
      picker = h("div", { class: "picker" }),
      vector = h("section", { class: "vector" });
    const spectrum = BILENS.spectrumPart({
      pick: index => BILENS.goTo(options.href(index), true),
      href: options.href,
      nameless: options.none
    });
    const element = h("section", { class: "side", "aria-label": options.name }, title, line, problem, facts, spectrum, picker, vector);
    element.head = (subject, chooser) => {
      title.replaceChildren(...(options.none ? ["null model of ", BILENS.token(subject.token)] : [BILENS.token(subject.token || "…")]));
      line.replaceChildren(
        chooser || "",
        options.none
          ? h(
              "p",
              { class: "note" },
              "The same layer with the rows of R and the columns of P permuted: every norm kept, every alignment lost."
            )
          : subject.token
            ? BILENS.subjectLine(subject, options.change)
            : ""
      );
    };
    element.fail = error => {
      problem.replaceChildren(error ? BILENS.failure(error) : "");
      for (const part of [facts, spectrum, picker, vector]) part.hidden = Boolean(error);
    };
    element.draw = (eigen, range) => {
      facts.replaceChildren(BILENS.facts(eigen));
      spectrum.draw(eigen, null, range);
    };
    element.show = async (subject, eigen, index, stillWanted) => {
      if (!eigen.vectors || !eigen.vectors.length) return vector.replaceChildren();
      const found = await (options.none ? nullVector(subject, eigen, index) : BILENS.vectorOf(subject, eigen, index));
      if (!stillWanted()) return;
      picker.replaceChildren(BILENS.pickers(eigen, index, options.href));
      spectrum.choose(BILENS.positionOf(index, eigen.eigenvalues.length));
      vector.replaceChildren(
        ...BILENS.vectorHead(
          eigen,
          found,
          eigen.eigenvalues.reduce((a, b) => a + Math.abs(b), 0)
        ).filter(Boolean),
        ...BILENS.virtualTokens(
          found,
          "table",
          BILENS.copyButton("the virtual tokens", () => BILENS.csvVector(found))
        )
          .flat()
          .filter(Boolean)
      );
      if (options.none) return;
      const scan = await BILENS.source.scan(subject, { eigs: [index], top: 4 });
      if (stillWanted()) vector.append(...BILENS.inputs(scan.vectors[0]));
    };
    return element;
  }
  async function nullVector(subject, eigen, index) {
    const n = eigen.eigenvalues.length,
      there = eigen.vectors.find(v => BILENS.positionOf(v.index, n) === BILENS.positionOf(index, n));
    return there || (await BILENS.source.eigen(subject, { eigs: [index], none: true })).vectors[0];
  }

  BILENS.views.compare = main => {
    let params,
      turn = 0,
      sides = null,
      kind = null,
      keys = [];
    const head = h(
      "header",
      { class: "head" },
      h("p", { class: "kicker" }, BILENS.kicker()),
      h("h1", {}, "Compare"),
      h("p", { class: "lede" }, "Two directions on one axis, or a direction beside its null model.")
    );
    const pair = h("div", { class: "pair" });
    main.replaceChildren(head, pair);

    const go = (change, replace) => {
      const p = new URLSearchParams(params);
      change(p);
      BILENS.go("compare", p, replace);
    };
    const hrefOf = name => index => {
      const p = new URLSearchParams(params);
      p.set(name, index);
      return "#/compare?" + p;
    };
    function build(none) {
      keys = [];
      kind = none;
      sides = [
        side({ name: "First", change: s => go(p => BILENS.writeSubject(p, s)), href: hrefOf("eig") }),
        side({ name: "Second", none, change: s => go(p => BILENS.writeSubject(p, s, "2")), href: hrefOf("eig2") })
      ];
      pair.replaceChildren(...sides);
    }
    function chooser(suffix, none) {
      const box = BILENS.combobox({
        label: suffix ? "The second token" : "The first token",
        placeholder: "another token",
        choose: token =>
          go(p => {
            if (suffix) p.delete("with");
            BILENS.writeSubject(p, { ...BILENS.readSubject(p, suffix), token }, suffix);
          })
      });
      const other =
        suffix && !none
          ? BILENS.button(
              "null model",
              () =>
                go(p => {
                  p.set("with", "null");
                  BILENS.writeSubject(p, { minus: [] }, "2");
                }),
              { class: "button small" }
            )
          : null;
      return h("div", { class: "subject" }, box, other);
    }
    async function draw(subjects, indices, none) {
      const mine = ++turn,
        wanted = () => mine === turn;
      subjects.forEach((subject, i) => sides[i].head(subject, chooser(i ? "2" : "", none)));
      const answers = await Promise.all(
        subjects.map((subject, i) => (subject.token ? BILENS.source.eigen(subject, { none: i === 1 && none }).catch(error => error) : null))
      );
      if (!wanted()) return;
      const eigens = answers.map((answer, i) =>
        answer instanceof Error || !answer ? null : { token: subjects[i].token, minus: subjects[i].minus, vectors: [], ...answer }
      );
      const ends = eigens.filter(Boolean).flatMap(e => [e.eigenvalues[0], e.eigenvalues[e.eigenvalues.length - 1]]),
        range = [Math.min(...ends), Math.max(...ends)];
      const now = JSON.stringify([subjects, range]);
      await Promise.all(
        eigens.map((eigen, i) => {
          sides[i].fail(answers[i] instanceof Error ? answers[i] : null);
          if (!eigen) return null;
          if (keys[i] !== now) sides[i].draw(eigen, range);
          keys[i] = now;
          return sides[i].show(subjects[i], eigen, indices[i], wanted).catch(error => {
            if (wanted()) sides[i].fail(error);
          });
        })
      );
    }

    return {
      title: "Compare",
      async update(now) {
        params = now;
        const first = BILENS.readSubject(params),
          none = params.get("with") === "null" || !params.get("token2");
        if (!first.token) {
          const found = await BILENS.source.tokens({ sort: BILENS.info.atlas ? "excess" : "id", limit: 1 });
          if (found.tokens.length)
            go(p => {
              p.set("token", found.tokens[0].token);
              p.set("with", "null");
            }, true);
          return;
        }
        if (!sides || kind !== none) build(none);
        const second = none ? first : BILENS.readSubject(params, "2");
        return draw(
          [first, second],
          [BILENS.readIndex(params.get("eig")), BILENS.readIndex(params.get(none && !params.get("eig2") ? "eig" : "eig2"))],
          none
        );
      }
    };
  };
})();

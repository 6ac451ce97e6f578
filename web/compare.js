/* Compare: two directions side by side on one axis, or a direction and the null model. */
"use strict";
(function () {
  const BILENS = globalThis.BILENS;
  const { h } = BILENS;
  const INPUTS = 4;

  /* One side. Options: `name`, `none` (it shows the null model), `change(subject)`, `href(index)`. */
  class Side {
    key = null;

    constructor(options) {
      this.options = options;
      for (const name of ["line", "facts", "problem", "picker"]) this[name] = h("div", { class: name === "picker" ? name : null });
      this.heading = h("h2");
      this.vector = h("section", { class: "vector" });
      this.spectrum = BILENS.spectrumPart({
        pick: index => BILENS.goTo(options.href(index), true),
        href: options.href,
        width: 640,
        height: 330,
        nameless: options.none
      });
      this.element = h(
        "section",
        { class: "side", "aria-label": options.name },
        this.heading,
        this.line,
        this.problem,
        this.facts,
        this.spectrum,
        this.picker,
        this.vector
      );
    }
    drawHead(subject, chooser) {
      const { none, change } = this.options;
      this.heading.replaceChildren(none ? "null model of " : "", subject.token || subject.direction ? BILENS.token(subject.token || subject.direction) : "…");
      this.line.replaceChildren(
        chooser,
        none
          ? h(
              "p",
              { class: "note" },
              "The same layer with the rows of R and the columns of P permuted: every norm kept, every alignment lost."
            )
          : subject.token || subject.direction
            ? BILENS.subjectLine(subject, change)
            : ""
      );
    }
    fail(error) {
      this.problem.replaceChildren(error ? BILENS.failure(error) : "");
      for (const part of [this.facts, this.spectrum, this.picker, this.vector]) part.hidden = Boolean(error);
    }
    /* `key` says whether the spectrum is drawn already; `wanted()` whether all this is still asked for. */
    async draw(subject, eigen, index, range, key, wanted) {
      const { none, href } = this.options;
      if (this.key !== key) {
        this.key = key;
        this.facts.replaceChildren(BILENS.facts(eigen));
        this.spectrum.draw(eigen, null, range);
      }
      if (!eigen.vectors.length) return;
      const vector = await BILENS.vectorOf(subject, eigen, index, none);
      if (!wanted()) return;
      const total = eigen.eigenvalues.reduce((sum, value) => sum + Math.abs(value), 0),
        tools = BILENS.copyButton("the virtual tokens", () => BILENS.csvVector(vector));
      this.picker.replaceChildren(BILENS.pickers(eigen.vectors, index, href));
      this.spectrum.choose(BILENS.positionOf(index, eigen.eigenvalues.length));
      const drawTable = orientation =>
        this.vector.replaceChildren(
          ...BILENS.vectorHead(eigen, vector, total),
          ...BILENS.virtualTokens(BILENS.turnVector(vector, orientation), BILENS.tokensWay(null), tools)
        );
      this.vector.classList.add("unsigned"); /* grey until its inputs say which end it is */
      drawTable(1);
      if (none) return this.vector.querySelector(".note").append(" No input says which of its ends is excited, so its values are grey.");
      const scan = await BILENS.source.scan(subject, { eigs: [index], top: INPUTS });
      if (!wanted()) return;
      const hits = BILENS.oriented(scan.vectors[0]);
      if (hits.orientation < 0) drawTable(-1);
      this.vector.classList.toggle("unsigned", !hits.matches.length);
      if (hits.matches.length) this.vector.querySelector(".note").append(...BILENS.excitedEnd(hits));
      this.vector.append(...BILENS.inputs(hits, null, subject));
    }
  }

  class Compare {
    title = "Compare";
    turn = 0;
    none = null; /* is the second side the null model? */

    constructor(main) {
      this.pair = h("div", { class: "pair" });
      main.replaceChildren(
        h(
          "header",
          { class: "head" },
          h("p", { class: "kicker" }, BILENS.kicker()),
          h("h1", {}, "Compare"),
          h("p", { class: "lede" }, "Two directions on one axis, or a direction beside its null model.")
        ),
        this.pair
      );
    }
    go(change, replace) {
      const params = new URLSearchParams(this.params);
      change(params);
      BILENS.go("compare", params, replace);
    }
    side(name, suffix, none) {
      const href = index => {
        const params = new URLSearchParams(this.params);
        params.set("eig" + suffix, index);
        return "#/compare?" + params;
      };
      return new Side({ name, none, href, change: subject => this.go(params => BILENS.writeSubject(params, subject, suffix)) });
    }
    chooser(suffix) {
      const choose = token =>
        this.go(params => {
          if (suffix) params.delete("with");
          BILENS.writeSubject(params, { ...BILENS.readSubject(params, suffix), token }, suffix);
        });
      const toNull = () =>
        this.go(params => {
          params.set("with", "null");
          BILENS.writeSubject(params, { token: "", minus: [] }, "2");
          params.delete("eig2");
        });
      return h(
        "div",
        { class: "subject" },
        BILENS.combobox({
          label: suffix ? "The second token" : "The first token",
          placeholder: suffix && this.none ? "a token instead" : "another token",
          choose
        }),
        suffix && !this.none ? BILENS.button("null model", toNull, { class: "button small" }) : null
      );
    }

    async draw(subjects, indices) {
      const turn = ++this.turn,
        wanted = () => turn === this.turn;
      subjects.forEach((subject, i) => this.sides[i].drawHead(subject, this.chooser(i ? "2" : "")));
      const answers = await Promise.all(
        subjects.map((subject, i) => BILENS.source.eigen(subject, { none: i === 1 && this.none }).catch(error => error))
      );
      if (!wanted()) return;
      const eigens = answers.map((answer, i) =>
        answer instanceof Error ? null : { vectors: [], ...answer, token: subjects[i].direction ? answer.token : subjects[i].token, minus: subjects[i].minus }
      );
      const ends = eigens.filter(Boolean).flatMap(eigen => [eigen.eigenvalues[0], eigen.eigenvalues[eigen.eigenvalues.length - 1]]);
      const range = [Math.min(...ends), Math.max(...ends)],
        key = JSON.stringify([subjects, range]);
      await Promise.all(
        this.sides.map((side, i) => {
          side.fail(eigens[i] ? null : answers[i]);
          return eigens[i]
            ? side.draw(subjects[i], eigens[i], indices[i], range, key, wanted).catch(error => wanted() && side.fail(error))
            : null;
        })
      );
    }
    async update(params) {
      this.params = params;
      const first = BILENS.readSubject(params),
        none = params.get("with") === "null" || !(params.get("token2") || params.get("direction2"));
      if (!first.token && !first.direction) {
        const row = await BILENS.firstDirection();
        return row === null
          ? null
          : this.go(p => {
              if (row.direction) p.set("direction", row.direction);
              else p.set("token", row.token);
              p.set("with", "null");
            }, true);
      }
      if (this.none !== none) {
        this.none = none;
        this.sides = [this.side("First", "", false), this.side("Second", "2", none)];
        this.pair.replaceChildren(...this.sides.map(side => side.element));
      }
      const second = none ? first : BILENS.readSubject(params, "2"),
        index = BILENS.readIndex(params.get("eig"));
      return this.draw([first, second], [index, params.has("eig2") ? BILENS.readIndex(params.get("eig2")) : index]);
    }
  }
  BILENS.views.compare = main => new Compare(main);
})();

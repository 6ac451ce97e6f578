/* A direction: its spectrum with the null model behind, one eigenvector at a time with its virtual tokens and its top inputs. */
"use strict";
(function () {
  const BILENS = globalThis.BILENS;
  const { h } = BILENS;

  class Direction {
    title = "A direction";
    /* The direction that is drawn, as a query; a turn is one state of the address: what comes too late for it is dropped. */
    key = null;
    turn = 0;
    signs = new Map(); /* the orientations that are known: "direction index" -> 1 or -1 */

    constructor(main) {
      this.main = main;
      for (const part of ["heading:h1", "kicker:p", "line:div", "facts:div", "notes:div", "layers:div", "linear:section", "problem:div", "picker:div", "vector:section", "inputs:div", "matter:div", "features:section", "heads:section"]) {
        const [name, tag] = part.split(":");
        this[name] = h(tag, {
          class: ["heading", "line", "facts", "problem"].includes(name) ? null : name === "inputs" ? "inputs-part" : name
        });
      }
      this.compare = h("a", { class: "button small" }, "compare");
      this.spectrum = BILENS.spectrumPart({
        pick: index => this.select(index),
        href: index => this.href(index),
        tools: this.compare,
        marks: eigen => this.marks(eigen),
        height: 310
      });
      main.replaceChildren(
        h("header", { class: "head" }, this.kicker, this.heading, this.line),
        this.problem,
        h("div", { class: "drawn" }, this.facts, this.notes, this.layers, this.spectrum, BILENS.guide(), this.linear, this.picker, this.vector, this.features, this.heads)
      );
    }
    name() {
      return BILENS.visible(this.subject.direction ? this.eigen?.token || this.subject.direction : this.subject.token);
    }
    /* The address of another eigenvector of this direction. */
    href(index, change = {}) {
      const params = new URLSearchParams(this.params);
      params.delete("top");
      params.set("eig", index);
      for (const [name, value] of Object.entries(change)) params.set(name, value);
      return "#/direction?" + params;
    }
    select(index) {
      BILENS.goTo(this.href(index), false);
    }
    /* The next eigenvector up or down. */
    step(by) {
      if (!this.eigen) return;
      const n = this.eigen.eigenvalues.length,
        to = BILENS.positionOf(this.index, n) + by;
      if (to < 0 || to >= n) return;
      this.index = BILENS.indexOf(to, n); /* at once: the next key may come before the address has changed */
      this.select(this.index);
    }

    drawHead() {
      const change = next => BILENS.go("direction", BILENS.writeSubject(new URLSearchParams(this.params), next), false);
      this.kicker.replaceChildren(BILENS.kicker());
      this.heading.replaceChildren("“", this.name(), "”");
      this.line.replaceChildren(BILENS.subjectLine(this.subject, change));
    }
    /* What marks degenerate eigenvalues, and the switch that leaves it out (--plain of the command line). */
    marks(eigen) {
      if (!eigen.groups || !eigen.groups.length) return null;
      const plain = this.plain,
        title = "Eigenvalues so close that only the span of their eigenvectors means anything";
      return h(
        "span",
        { class: "key", title },
        h("i", { class: "swatch degenerate" }),
        "degenerate",
        BILENS.button(plain ? "show" : "hide", () => BILENS.goTo(this.href(this.index, { plain: plain ? "0" : "1" }), true), {
          class: "button small",
          "aria-label": (plain ? "Show" : "Hide") + " the marks of degenerate eigenvalues"
        })
      );
    }
    drawSpectrum() {
      this.spectrum.draw(this.eigen, this.none, undefined, this.plain);
      this.facts.replaceChildren(BILENS.facts(this.eigen, this.none));
    }
    /* What stands for a gated MLP, how deep the layer is, which layer to look at; the linear part. */
    drawLayer() {
      const { eigen, subject } = this;
      this.notes.replaceChildren(...BILENS.qualityNote(eigen), ...BILENS.depthNote(eigen));
      this.linear.replaceChildren(...BILENS.linearPart(eigen, BILENS.tokensWay(this.params.get("show"))));
      BILENS.drawLayers(this.layers, subject, this.key, eigen.layer, layer => this.href(this.index, { layer }));
    }
    /* False when it failed or came too late. */
    async drawDirection(key) {
      const turn = this.turn;
      this.key = key;
      this.main.setAttribute("aria-busy", "true");
      this.drawHead();
      try {
        const eigen = await BILENS.source.eigen(this.subject);
        if (turn !== this.turn) return false;
        Object.assign(this, { eigen, none: null });
        this.problem.replaceChildren();
        if (this.subject.direction) this.drawHead(); /* its name comes with it */
        this.drawSpectrum();
        this.drawLayer();
      } catch (error) {
        if (turn !== this.turn) return false;
        this.key = this.eigen = null;
        this.problem.replaceChildren(BILENS.failure(error, BILENS.directionLink));
      }
      this.main.classList.toggle("failed", !this.key);
      this.main.removeAttribute("aria-busy");
      return this.key !== null;
    }
    async drawNull(key) {
      try {
        const none = await BILENS.source.eigen(this.subject, { none: true });
        if (key !== this.key || !none || this.none) return;
        this.none = none;
        this.drawSpectrum();
      } catch (error) {
        BILENS.say("no null model: " + error.message);
      }
    }

    async drawVector() {
      const { turn, subject, eigen, index } = this;
      let vector;
      try {
        vector = await BILENS.vectorOf(subject, eigen, index);
      } catch (error) {
        if (turn === this.turn) this.vector.replaceChildren(BILENS.failure(error));
        return;
      }
      if (turn !== this.turn) return;
      const way = BILENS.tokensWay(this.params.get("show")),
        total = eigen.eigenvalues.reduce((sum, value) => sum + Math.abs(value), 0);
      this.compare.href = "#/compare?" + BILENS.writeSubject(new URLSearchParams({ with: "null", eig: index }), subject);
      this.picker.replaceChildren(BILENS.pickers(eigen.vectors, index, i => this.href(i)));
      this.spectrum.choose(BILENS.positionOf(index, eigen.eigenvalues.length));
      const shown = `${this.key} ${index}`;
      if (this.vector.dataset.shown !== shown) this.inputs.replaceChildren();
      Object.assign(this.vector.dataset, { index, shown });
      const tools = [this.toggle(way), BILENS.copyButton("the virtual tokens", () => BILENS.csvVector(vector))];
      /* Drawn again with the other sign when the inputs turn out to be at the other end. */
      this.drawTable = orientation => {
        const tokens = BILENS.virtualTokens(BILENS.turnVector(vector, orientation), way, tools),
          found = [this.matter, this.inputs];
        this.vector.replaceChildren(
          ...BILENS.vectorHead(eigen, this.plain ? { ...vector, group: null } : vector, total),
          ...(BILENS.isDeep(eigen) ? [...found.reverse(), ...tokens] : [...tokens, ...found])
        );
      };
      this.vector.classList.toggle("unsigned", !this.signs.has(shown)); /* grey until its inputs say which end it is */
      this.drawTable(this.signs.get(shown) || 1);
      await this.drawInputs(vector.index, shown);
    }
    toggle(way) {
      return BILENS.toggle("Show as", ["table", "bars"], way, show => BILENS.goTo(this.href(this.index, { show }), true));
    }

    async drawInputs(index, shown) {
      const { turn } = this,
        top = Math.min(256, Math.max(1, +this.params.get("top") || 8));
      this.inputs.setAttribute("aria-busy", "true");
      try {
        const scan = await BILENS.source.scan(this.subject, { eigs: [index], top });
        if (turn !== this.turn) return;
        const hits = scan.vectors[0],
          drawn = BILENS.oriented(hits);
        if ((this.signs.get(shown) || 1) !== drawn.orientation) this.drawTable(drawn.orientation);
        if (hits.matches.length) this.signs.set(shown, drawn.orientation);
        this.vector.classList.toggle("unsigned", !hits.matches.length);
        if (hits.matches.length) this.vector.querySelector(".note").append(...BILENS.excitedEnd(drawn));
        BILENS.drawMatter(this.matter, this.subject, hits, shown, this.eigen.token);
        this.inputs.replaceChildren(
          ...BILENS.inputs(
            drawn,
            BILENS.copyButton("the inputs", () => BILENS.csvInputs(hits)),
            this.subject
          )
        );
        if (hits.matches.length >= top && top < 256 && BILENS.source.server)
          this.inputs.append(
            h(
              "div",
              { class: "after" },
              BILENS.button("Show more", () => BILENS.goTo(this.href(this.index, { top: 2 * top }), true))
            )
          );
        this.inputs.append(
          h("p", { class: "note" }, `Of ${BILENS.grouped(scan.stories)} stories, ${BILENS.grouped(scan.positions)} positions.`)
        );
      } catch (error) {
        if (turn === this.turn) this.inputs.replaceChildren(BILENS.failure(error));
      }
      this.inputs.removeAttribute("aria-busy");
    }

    async update(params) {
      this.params = params;
      this.subject = BILENS.readSubject(params);
      this.index = BILENS.readIndex(params.get("eig"));
      this.turn++;
      if (!this.subject.token && !this.subject.direction) {
        const first = await BILENS.firstDirection();
        return first === null ? null : BILENS.goTo(BILENS.directionLink(first), true);
      }
      const key = BILENS.subjectQuery(this.subject, BILENS.source.contrast).toString(),
        plain = params.get("plain") === "1",
        turned = plain !== this.plain;
      this.plain = plain;
      if (key !== this.key && !(await this.drawDirection(key))) return null;
      else if (turned && this.eigen) this.drawSpectrum();
      await this.drawVector();
      if (BILENS.info.basis && BILENS.source.server) await BILENS.drawFeatures(this.features, this.subject, this.key);
      if (BILENS.hasHeads(this.subject)) await BILENS.drawHeads(this.heads, this.subject, this.key);
      else this.heads.replaceChildren();
      /* Last, for it is only the background: the machine's cores are for what is looked at. */
      return this.none ? null : this.drawNull(this.key);
    }
  }
  BILENS.views.direction = main => new Direction(main);
})();

/* A sentence: from behaviour back to weights. For each position what the model expects next, which eigenvectors of all directions the
 * position excites, and for a chosen one the words and heads that did it. */
"use strict";
(function () {
  const BILENS = globalThis.BILENS;
  const { h } = BILENS;
  const EXAMPLE = "Once upon a time there was a little girl who loved to swim in the big pool. One day she saw a";
  const PAUSE = 350; /* ms without a key before a text is read */
  const MOST = 40; /* lines of what a word excites */
  const OUTERMOST = [-1, -2, -3, -4, 0, 1, 2, 3];

  const head = () =>
    h(
      "header",
      { class: "head" },
      h("p", { class: "kicker" }, BILENS.kicker()),
      h("h1", {}, "A sentence"),
      h(
        "p",
        { class: "lede" },
        "Type a text and choose a word: on the left what the model expects after it, on the right which eigenvectors, of all directions, " +
          "the word excites. Choose one of these to see the words and heads that did it."
      )
    );

  class Sentence {
    title = "A sentence";
    turn = 0;
    timer = null;

    constructor(main) {
      this.main = main;
      this.area = h("textarea", { rows: 3, "aria-label": "Text", spellcheck: "false", placeholder: "Once upon a time …" });
      this.words = h("div", { class: "sentence", role: "toolbar", "aria-label": "Words" });
      this.problem = h("div");
      for (const name of ["next", "excited", "shares"]) this[name] = h("section", { class: name === "shares" ? "shares" : null });
      main.replaceChildren(
        head(),
        this.area,
        this.problem,
        this.words,
        h("div", { class: "columns two" }, this.next, this.excited),
        this.shares
      );
      this.area.addEventListener("input", () => {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.read(), PAUSE);
      });
      this.area.addEventListener("keydown", event => {
        if (event.key !== "Enter" || event.shiftKey) return;
        event.preventDefault();
        this.read();
      });
      this.words.addEventListener("keydown", event => this.walk(event));
    }
    read() {
      clearTimeout(this.timer);
      if (this.area.value !== this.text) this.go({ text: this.area.value, at: null });
    }
    walk(event) {
      if (!this.sentence) return;
      const last = this.sentence.tokens.length - 1,
        at = this.at;
      const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: last }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      if (to >= 0 && to <= last) this.go({ at: to });
    }
    go(change) {
      const params = new URLSearchParams(this.params);
      for (const [name, value] of Object.entries(change))
        if (value === null) params.delete(name);
        else params.set(name, value);
      BILENS.go("sentence", params, true);
    }
    /* The address in which an eigenvector is chosen. */
    link(token, index = -1) {
      const params = BILENS.writeSubject(new URLSearchParams(this.params), { token, minus: [] });
      params.set("at", this.at);
      params.set("eig", index);
      return "#/sentence?" + params;
    }
    here() {
      return `“${BILENS.visible(this.sentence.tokens[this.at])}”`;
    }

    drawWords() {
      const focused = this.words.contains(document.activeElement);
      this.words.replaceChildren(
        ...this.sentence.tokens.map((_, j) => BILENS.wordButton(this.sentence, j, this.at, at => this.go({ at })))
      );
      if (focused) this.words.children[this.at].focus();
    }
    /* What is shown when none was chosen: the strongest, or without an atlas what is expected most. */
    choose(token, index) {
      if (this.subject.token) return;
      this.subject = { token, minus: [] };
      this.index = index;
    }
    async drawExcited() {
      const { turn } = this,
        title = h("h2", {}, this.here(), " excites");
      if (!BILENS.info.atlas) {
        this.choose(this.sentence.predictions[this.at].top[0][0], -1);
        const how = "To look through all directions takes an atlas: bilens atlas makes it, bilens serve --atlas shows it. ";
        this.excited.replaceChildren(title, h("p", { class: "note" }, how, "Without one, choose one of the tokens beside."));
        return;
      }
      this.excited.setAttribute("aria-busy", "true");
      try {
        const { directions } = await BILENS.source.excited(this.text, this.at);
        if (turn !== this.turn) return;
        if (directions.length) this.choose(directions[0].token, directions[0].index);
        const way = ["for", "against"].includes(this.params.get("only")) ? this.params.get("only") : "all";
        const wanted = directions.filter(d => way === "all" || d.activation > 0 === (way === "for")).slice(0, MOST);
        const chosen = d => d.token === this.subject.token && d.index === this.index;
        const toggle = BILENS.toggle("Evidence", ["all", "for", "against"], way, only => this.go({ only }));
        this.excited.replaceChildren(
          h("div", { class: "over" }, title, toggle),
          wanted.length
            ? BILENS.excitedTable(wanted, chosen, (token, index) => this.link(token, index))
            : h("p", { class: "none" }, "Nothing.")
        );
      } catch (error) {
        if (turn === this.turn) this.excited.replaceChildren(title, BILENS.failure(error));
      }
      if (turn === this.turn) this.excited.removeAttribute("aria-busy");
    }
    async drawShares() {
      const { turn, subject, index } = this;
      if (!subject.token) return this.shares.replaceChildren();
      try {
        const match = await BILENS.source.contributions(this.text, this.at, subject, index);
        if (turn !== this.turn) return null;
        this.shares.replaceChildren(...this.why(match));
      } catch (error) {
        if (turn === this.turn) this.shares.replaceChildren(BILENS.failure(error));
      }
      return null;
    }
    why(match) {
      const { token } = this.subject,
        whole = BILENS.writeSubject(new URLSearchParams({ eig: this.index }), this.subject);
      return [
        h("h2", {}, "Why ", this.here(), " excites ", BILENS.token(token), ` ${BILENS.number(this.index, 0)}`),
        h(
          "p",
          { class: "note" },
          "λ(v·x)² = ",
          h("b", {}, BILENS.activationText(match.activation)),
          ", |v·x| = ",
          BILENS.short(Math.abs(match.similarity)),
          match.activation < 0 ? ": evidence against " : ": evidence for ",
          BILENS.token(token),
          " as the next word. ",
          h("a", { href: "#/direction?" + whole }, "The whole direction")
        ),
        BILENS.pickers(
          OUTERMOST.map(i => ({ index: i })),
          this.index,
          i => this.link(token, i)
        ),
        h(
          "div",
          { class: "over" },
          h("h3", {}, "By word"),
          match.heads ? BILENS.copyButton("the contributions", () => BILENS.csvHeads(match)) : null,
          BILENS.legend("against", "towards")
        ),
        BILENS.words(match, true),
        ...(match.heads ? [h("h3", {}, "By word and head"), BILENS.byHead(match)] : [])
      ];
    }

    async draw() {
      const turn = ++this.turn;
      this.main.setAttribute("aria-busy", "true");
      try {
        const sentence = await BILENS.source.sentence(this.text);
        if (turn !== this.turn) return;
        this.sentence = sentence;
        this.problem.replaceChildren();
      } catch (error) {
        if (turn !== this.turn) return;
        this.clear();
        this.problem.replaceChildren(BILENS.failure(error));
        return;
      } finally {
        if (turn === this.turn) this.main.removeAttribute("aria-busy");
      }
      const last = this.sentence.tokens.length - 1,
        asked = this.params.get("at");
      this.at = /^\d{1,6}$/.test(asked || "") ? Math.min(+asked, last) : last;
      this.drawWords();
      this.next.replaceChildren(
        h("h2", {}, "After ", this.here()),
        ...BILENS.predictionList(this.sentence.predictions[this.at], token => this.link(token))
      );
      /* With a direction chosen its words need not wait for the list. */
      const chosen = Boolean(this.subject.token);
      await Promise.all([this.drawExcited(), chosen ? this.drawShares() : null]);
      if (turn === this.turn && !chosen) await this.drawShares();
    }
    async update(params) {
      this.params = params;
      this.text = params.get("text") ?? EXAMPLE;
      this.subject = BILENS.readSubject(params);
      this.index = BILENS.readIndex(params.get("eig"));
      if (document.activeElement !== this.area || !this.area.value) this.area.value = this.text;
      if (this.text.trim()) return this.draw();
      this.turn++;
      this.clear();
      return null;
    }
    clear() {
      for (const part of [this.words, this.next, this.excited, this.shares, this.problem]) part.replaceChildren();
    }
  }

  function closed(main) {
    main.replaceChildren(
      head(),
      h(
        "div",
        { class: "failure" },
        h(
          "p",
          {},
          "Reading a sentence runs the model, and this is a static site. With a running explorer it works: ",
          h("code", {}, "bilens serve MODEL --atlas atlas.db")
        )
      )
    );
    return { title: "A sentence", update() {} };
  }
  BILENS.views.sentence = main => (BILENS.source.server ? new Sentence(main) : closed(main));
})();

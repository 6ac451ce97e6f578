/* Why this word?: from behaviour back to weights. For each position what the model expects next; for one of these words the account of its
 * logit, whose terms open into words and heads; and which eigenvectors of all directions the position excites. */
"use strict";
(function () {
  const BILENS = globalThis.BILENS;
  const { h } = BILENS;
  const EXAMPLE = "Tom went to the lake. He jumped into the";
  const PAUSE = 350; /* ms without a key before a text is read */
  const MOST = 40; /* lines of what a word excites */
  const TERMS = [8, 24]; /* eigenvectors in the account, and when more are asked for */

  const head = () =>
    h(
      "header",
      { class: "head" },
      h("p", { class: "kicker" }, BILENS.kicker()),
      h("h1", {}, "Why this word?"),
      h(
        "p",
        { class: "lede" },
        BILENS.source.server ? "Type a text and choose a word of it. " : "Choose a text and a word of it. ",
        "On the left what the model expects after it. On the right why: the score of the chosen prediction as a sum that is exact. " +
          "Each part opens into the words and heads that made it. “against” asks why not another one."
      )
    );

  class Sentence {
    title = "Why this word?";
    turn = 0;
    timer = null;

    constructor(main) {
      this.main = main;
      this.words = h("div", { class: "sentence", role: "toolbar", "aria-label": "Words" });
      this.problem = h("div");
      for (const name of ["next", "account", "shares", "excited"])
        this[name] = h("section", { class: { account: "account", shares: "shares", excited: "also" }[name] });
      this.area = BILENS.source.server ? this.field() : this.list();
      main.replaceChildren(
        head(),
        this.area,
        this.problem,
        this.words,
        h("div", { class: "columns two" }, this.next, h("div", {}, this.account)),
        this.shares,
        this.excited
      );
      this.words.addEventListener("keydown", event => this.walk(event));
    }
    /* A text of one's own. */
    field() {
      const area = h("textarea", { rows: 3, "aria-label": "Text", spellcheck: "false", placeholder: "Once upon a time …" });
      area.addEventListener("input", () => {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.read(), PAUSE);
      });
      area.addEventListener("keydown", event => {
        if (event.key !== "Enter" || event.shiftKey) return;
        event.preventDefault();
        this.read();
      });
      return area;
    }
    /* A static site's texts. */
    list() {
      const select = h(
        "select",
        { "aria-label": "Text", class: "texts" },
        BILENS.source.sentences.map(text => h("option", { value: text }, BILENS.visible(text)))
      );
      select.addEventListener("change", () => this.read());
      return select;
    }
    read() {
      clearTimeout(this.timer);
      if (this.area.value !== this.text)
        this.go({ text: this.area.value, story: null, at: null, token: null, minus: null, eig: null, part: null });
    }
    walk(event) {
      if (!this.sentence) return;
      const last = this.sentence.tokens.length - 1,
        at = this.at;
      const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: last }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      if (to >= 0 && to <= last) this.move(to);
    }
    move(at) {
      this.go({ at, token: null, minus: null, eig: null, part: null });
    }
    address(change) {
      const params = new URLSearchParams(this.params);
      for (const [name, value] of Object.entries(change))
        if (value === null) params.delete(name);
        else params.set(name, value);
      return params;
    }
    go(change) {
      BILENS.go("sentence", this.address(change), true);
    }
    link(change) {
      return "#/sentence?" + this.address({ at: this.at, ...change });
    }
    /* The address in which a prediction, or an eigenvector of a direction, is chosen. */
    choose(token, index = null) {
      return this.link({ token, minus: null, eig: index, part: null });
    }
    here() {
      return `“${BILENS.visible(this.sentence.tokens[this.at])}”`;
    }

    drawWords() {
      const focused = this.words.contains(document.activeElement);
      this.words.replaceChildren(...this.sentence.tokens.map((_, j) => BILENS.wordButton(this.sentence, j, this.at, at => this.move(at))));
      if (focused) this.words.children[this.at].focus();
    }
    drawNext() {
      const { token } = this.subject,
        rival = this.subject.minus.length === 1 ? this.subject.minus[0] : null,
        on = { token, eig: null, part: null },
        { top } = this.sentence.predictions[this.at];
      this.next.replaceChildren(
        h("h2", {}, "After ", this.here()),
        ...BILENS.predictionList(this.sentence.predictions[this.at], {
          link: other => (BILENS.source.canExplain(top, other) ? this.choose(other) : null),
          against: other => {
            if (other === token) return null;
            if (other === rival) return this.link({ ...on, minus: null });
            return BILENS.source.canOppose(top, token, other) ? this.link({ ...on, minus: other }) : null;
          },
          chosen: token,
          rival
        })
      );
    }

    question() {
      const { token, minus } = this.subject;
      return minus.length
        ? ["Why ", BILENS.token(token), " rather than ", ...minus.flatMap((other, i) => [i ? ", " : "", BILENS.token(other)])]
        : ["Why ", BILENS.token(token)];
    }
    /* What the sum is of. */
    sumOf(account) {
      const { minus, contrast } = this.subject,
        mean = !minus.length && (contrast || BILENS.source.contrast) === "mean",
        score = BILENS.number(account.logit, 2);
      const facts = [
        minus.length ? `Its logit is ${score} above the other’s` : mean ? `Its logit is ${score} above the average token’s` : `Its logit is ${score}`
      ];
      if (minus.length) facts.push(`: ${BILENS.grouped(Math.round(Math.exp(Math.min(Math.abs(account.logit), 20))))} to 1 ${account.logit < 0 ? "against it" : "for it"}`);
      facts.push(`. Probability ${BILENS.percent(account.probability)}, rank ${BILENS.grouped(account.rank)}.`);
      return facts.join("");
    }
    contrast() {
      if (this.subject.minus.length || !BILENS.source.server) return null;
      const names = { mean: "above the average", none: "the bare logit" },
        now = this.subject.contrast || BILENS.source.contrast,
        keys = Object.keys(names);
      return BILENS.toggle("Measure", Object.values(names), names[now], name =>
        this.go({ at: this.at, token: this.subject.token, contrast: keys.find(key => names[key] === name), eig: null, part: null })
      );
    }
    /* Whose MLP is opened into eigenvectors. */
    openLayer(layer) {
      this.go({ layer, at: this.at, token: this.subject.token, eig: null, part: null });
    }
    async drawAccount() {
      const { turn, subject } = this,
        more = this.params.get("terms") === "more",
        early = await this.early.account;
      try {
        const fits = early && early.position === this.at && (!this.guessed || early.token === subject.token);
        const account = fits ? { ...early } : await BILENS.source.explain(this.place, this.at, subject, this.wanted());
        if (turn !== this.turn) return;
        account.tokens = this.sentence.tokens.slice(0, this.at + 1);
        this.layers = account.parts.filter(part => part.name.endsWith(" mlp")).length;
        if (!this.part) this.index ??= BILENS.indexOf(account.mlp.terms[0].index, account.size); /* the largest is open */
        const chosen = step => (step.eig !== undefined && step.eig === this.index) || Boolean(step.part && step.part === this.part);
        this.account.replaceChildren(
          h("div", { class: "over" }, h("h2", {}, this.question()), BILENS.layerChoice(subject, to => this.openLayer(to.layer)), this.contrast()),
          h("p", { class: "note" }, this.sumOf(account)),
          BILENS.waterfall(account, {
            layers: this.layers,
            all: this.params.get("heads") === "all",
            chosen,
            link: step =>
              step.eig !== undefined
                ? this.link({ token: subject.token, eig: step.eig, part: null })
                : step.part
                  ? this.link({ token: subject.token, eig: null, part: step.part })
                  : null,
            unfold: () => this.go({ heads: "all" }),
            more: more || !BILENS.source.server ? null : () => this.go({ terms: "more" })
          })
        );
        await this.drawShares(account);
      } catch (error) {
        if (turn !== this.turn) return;
        this.account.replaceChildren(h("h2", {}, this.question()), BILENS.failure(error));
        this.shares.replaceChildren();
      }
    }
    wanted() {
      /* The words of the largest term, which is open; of all once another one was chosen. */
      return { most: TERMS[this.params.get("terms") === "more" ? 1 : 0], words: this.index === null ? 1 : 0 };
    }
    /* All that needs no answer to another question is asked for at once. */
    ask(place) {
      const asked = this.params.get("at"),
        at = asked === null ? null : /^\d{1,6}$/.test(asked) ? +asked : undefined,
        none = { sentence: BILENS.source.sentence(place), account: null, excited: null };
      if (!BILENS.source.server || at === undefined) return none;
      const quietly = promise => promise.catch(() => null); /* asked for again, with what the sentence says */
      return {
        ...none,
        account: quietly(BILENS.source.explain(place, at, this.subject, this.wanted())),
        excited: BILENS.info.atlas ? quietly(BILENS.source.excited(place, at, this.subject.layer)) : null
      };
    }
    /* The term that is opened. */
    async drawShares(account) {
      const { turn } = this,
        step = this.part ? { part: this.part } : { eig: this.index };
      let from = account,
        match = BILENS.termMatch(from, step);
      if (!match && step.eig !== undefined && BILENS.source.server) {
        from = { ...(await BILENS.source.explain(this.place, this.at, this.subject, { most: 1, eigs: [step.eig] })), tokens: account.tokens };
        if (turn !== this.turn) return;
        match = BILENS.termMatch(from, step);
      }
      if (!match) return this.shares.replaceChildren(h("p", { class: "note" }, "This site has no more about that part."));
      return this.shares.replaceChildren(...this.opened(step, match));
    }
    opened(step, match) {
      const { token, minus } = this.subject,
        whole = BILENS.writeSubject(new URLSearchParams({ eig: step.eig ?? -1 }), this.subject),
        adds = h("b", {}, (match.value >= 0 ? "+" : "") + BILENS.activationText(match.value));
      const what = step.part
        ? [step.part, " adds ", adds, " to the score of ", BILENS.token(token), " straight, past the MLP: what it brought from each word."]
        : [
            "Eigenvector ",
            BILENS.number(step.eig, 0),
            " adds ",
            adds,
            ` = λ(v·x)² with λ = ${BILENS.short(match.term.eigenvalue)}, |v·x| = ${BILENS.short(Math.abs(match.term.similarity))}. `,
            "Below: each word’s share of it. ",
            minus.length && !BILENS.source.server ? null : h("a", { href: "#/direction?" + whole }, "The whole direction")
          ];
      return [
        h("div", { class: "over" }, h("h2", {}, "By word"), BILENS.legend("lowers", "raises")),
        h("p", { class: "note" }, what),
        BILENS.words(match, true),
        ...(match.heads ? [h("h3", {}, "By word and head"), BILENS.byHead(match, "the term")] : [])
      ];
    }

    async drawExcited() {
      const { turn } = this,
        title = h("h2", {}, this.here(), " excites, of all directions");
      if (!BILENS.info.atlas) {
        const how = "To look through all directions takes an atlas: bilens atlas makes it, bilens serve --atlas shows it.";
        this.excited.replaceChildren(title, h("p", { class: "note" }, how));
        return;
      }
      const { layer } = this.subject;
      if (layer !== undefined && !BILENS.info.atlas.layers.includes(layer)) {
        this.excited.replaceChildren(title, h("p", { class: "note" }, `The atlas does not hold layer ${layer}.`));
        return;
      }
      this.excited.setAttribute("aria-busy", "true");
      try {
        const early = await this.early.excited,
          { directions } = early && early.position === this.at ? early : await BILENS.source.excited(this.place, this.at, this.subject.layer);
        if (turn !== this.turn) return;
        const way = ["for", "against"].includes(this.params.get("only")) ? this.params.get("only") : "all";
        const wanted = directions.filter(d => way === "all" || d.activation > 0 === (way === "for")).slice(0, MOST);
        const chosen = d => d.token === this.subject.token && d.index === this.index;
        const toggle = BILENS.toggle("Evidence", ["all", "for", "against"], way, only => this.go({ only }));
        const link = d => (BILENS.source.server && !d.direction ? this.choose(d.token, d.index) : BILENS.directionLink(d, d.index));
        this.excited.replaceChildren(
          h("div", { class: "over" }, title, toggle),
          wanted.length ? BILENS.excitedTable(wanted, chosen, link) : h("p", { class: "none" }, "Nothing.")
        );
      } catch (error) {
        if (turn === this.turn) this.excited.replaceChildren(title, BILENS.failure(error));
      }
      if (turn === this.turn) this.excited.removeAttribute("aria-busy");
    }

    async draw() {
      const turn = ++this.turn;
      this.main.setAttribute("aria-busy", "true");
      try {
        this.early = this.ask(this.place);
        const sentence = await this.early.sentence;
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
      /* Of what is expected most, when nothing was chosen. */
      this.guessed = !this.subject.token;
      if (this.guessed) this.subject = { ...this.subject, token: this.sentence.predictions[this.at].top[0][0], minus: [] };
      this.drawWords();
      this.drawNext();
      await Promise.all([this.drawAccount(), this.drawExcited()]);
    }
    async update(params) {
      this.params = params;
      const story = BILENS.source.server && !params.has("text") && /^\d{1,12}$/.test(params.get("story") || "") ? params.get("story") : null;
      this.text = story !== null ? "" : (params.get("text") ?? (BILENS.source.server ? EXAMPLE : BILENS.source.sentences[0]));
      this.place = story !== null ? { story } : { text: this.text };
      this.subject = BILENS.readSubject(params);
      this.part = params.get("part");
      this.index = this.part || !params.has("eig") ? null : BILENS.readIndex(params.get("eig"));
      if (document.activeElement !== this.area || !this.area.value || !BILENS.source.server) this.area.value = this.text;
      this.area.placeholder = story !== null ? `Story ${story} of the corpus. Type here for a text of your own.` : "Once upon a time …";
      if (this.text.trim() || story !== null) return this.draw();
      this.turn++;
      this.clear();
      return null;
    }
    clear() {
      for (const part of [this.words, this.next, this.account, this.excited, this.shares, this.problem]) part.replaceChildren();
    }
  }

  function closed(main) {
    main.replaceChildren(head(), h("p", { class: "note" }, "This site was made without texts."));
    return { title: "Why this word?", update() {} };
  }
  BILENS.views.sentence = main => (BILENS.source.server || BILENS.source.sentences.length ? new Sentence(main) : closed(main));
})();

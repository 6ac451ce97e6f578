/* Find: every direction of the model in a list that can be sorted, each with a small spectrum, beside the null model. */
"use strict";
(function () {
  const BILENS = globalThis.BILENS;
  const { h } = BILENS;
  const PAGE = 50;

  /* The API's sort key, heading, explanation, how a row shows it, its class. */
  const columns = [
    ["token", "Token", "the token of the direction"],
    [null, "Spectrum", "the outermost eigenvalues; grey: the null model's"],
    ["excess", "Beside chance", "largest |λ| over the null model's", row => (row.excess ? BILENS.number(row.excess, 2) + "×" : "–"), "v"],
    ["effect", "Effect", "how much the loss on the token rises without the eigenvector that it needs most, in nats", row => BILENS.signed(row.effect, 10), "v"],
    ["q", "q", "the false discovery rate at which its clearest eigenvector is a discovery; small is more than chance", row => BILENS.number(row.q, 3), "v"],
    ["largest", "Largest |λ|", "the strongest eigenvalue, whatever its sign", row => BILENS.short(row.largest), "v"],
    ["highest", "Highest", "the strongest evidence for the token", row => BILENS.short(row.highest), "v for"],
    ["lowest", "Lowest", "the strongest evidence against the token", row => BILENS.short(row.lowest), "v against-ink"],
    [
      "effective_rank",
      "Effective rank",
      "how many equally large eigenvalues would weigh as much",
      row => BILENS.number(row.effective_rank, 1),
      "v"
    ],
    [
      "reads",
      "Reads",
      "the strongest virtual tokens of its strongest eigenvector, and the path that carries them",
      row => [row.reads.tokens.map(token => [BILENS.token(token), " "]), h("span", { class: "through" }, row.reads.source)],
      "reads"
    ],
    ["count", "In the corpus", "how often the corpus has the token", row => BILENS.grouped(row.count), "v"]
  ];
  const known = value => value !== undefined && value !== null;

  /* Without an atlas only tokens and how often they are. */
  /* Of directions of one's own not what only tokens have. */
  const OF_TOKENS = ["effect", "count"];
  const isOwn = () => Boolean(BILENS.info.atlas?.source);
  const columnsHere = () => columns.filter(([key]) => (isOwn() ? !OF_TOKENS.includes(key) : BILENS.info.atlas || key === "token" || key === "count"));
  /* On a narrow page what the list is sorted by stands beside the name. */
  const NARROW = matchMedia("(max-width: 700px)");
  function shown(sort) {
    const all = columnsHere();
    return NARROW.matches ? [...all].sort((a, b) => rank(a[0], sort) - rank(b[0], sort)) : all;
  }
  const rank = (key, sort) => (key === "token" ? 0 : key === sort ? 1 : 2);
  const sortable = key => key !== null && key !== "reads";
  const LEAST = 20;
  const UPWARDS = ["token", "lowest", "q"]; /* where the least is the most of interest */

  function cell([key, , , show, type], row, scale) {
    if (key === "token") return h("th", { scope: "row" }, h("a", { href: BILENS.directionLink(row) }, BILENS.token(row.token)));
    if (key === null) return h("td", { class: "s" }, known(row.largest) ? BILENS.spark(row, scale) : null);
    return h("td", { class: type }, known(row[key]) ? show(row) : "–");
  }
  const line = (row, scale, sort) =>
    h(
      "tr",
      {},
      shown(sort).map(column => cell(column, row, scale))
    );
  /* One scale for the whole list, or small spectra would not compare; the few largest may be cut. */
  function scaleOf(rows) {
    const sizes = rows
      .map(row => Math.max(row.largest || 0, ...(row.null_values || []).map(Math.abs)))
      .filter(Boolean)
      .sort((a, b) => a - b);
    return sizes.length ? sizes[Math.floor(0.98 * (sizes.length - 1))] : 1;
  }

  const layerIn = params => (/^\d{1,4}$/.test(params.get("layer") || "") ? +params.get("layer") : undefined);

  class Find {
    title = "Find";
    rows = [];
    turn = 0;

    constructor(main) {
      const figures = Boolean(BILENS.info.atlas);
      this.figures = figures;
      this.heads = h("tr");
      this.body = h("tbody");
      this.status = h("div", { class: "note", role: "status" });
      this.more = BILENS.button("Show more", () => this.showMore(), { class: "button", hidden: true });
      this.filter = h("input", {
        type: "search",
        "aria-label": isOwn() ? "Only directions with" : "Only tokens with",
        placeholder: isOwn() ? "only directions with …" : "only tokens with …",
        autocomplete: "off",
        spellcheck: "false"
      });
      this.filter.addEventListener("input", () => this.go({ q: this.filter.value }));
      this.title_ = h("h1", {}, "Every direction");
      this.found = h("div", { class: "found", hidden: true });
      main.replaceChildren(
        h(
          "header",
          { class: "head" },
          h("p", { class: "kicker" }, BILENS.kicker()),
          this.title_,
          (this.lede = h(
            "p",
            { class: "lede" },
            (isOwn()
              ? "Each vector of " + BILENS.visible(BILENS.info.atlas.source) + " is a direction of the MLP’s output"
              : "Each token of the vocabulary is a direction of the MLP’s output") +
              ", and each direction has a spectrum: few eigenvalues that stand far out are few things that the layer knows about it. ",
            figures
              ? "The null model, the same weights with every alignment shuffled away, tells how far out chance alone gets."
              : "Without an atlas the list has no figures: make one with bilens atlas and serve it with --atlas."
          ))
        ),
        this.found,
        (this.tools = h(
          "div",
          { class: "tools" },
          this.filter,
          this.layers(),
          (this.often = this.check(`seen at least ${LEAST} times`, on => this.go({ least: on ? null : "0" }))),
          (this.words = this.check("whole words", on => this.go({ whole: on ? null : "0" }))),
          h("span", { class: "grow" }),
          BILENS.copyButton("the list", () => BILENS.csvTokens(this.rows))
        )),
        (this.all = h(
          "div",
          { class: "scroll", tabindex: 0, role: "group", "aria-label": "Directions" },
          h("table", { class: "list" }, h("thead", {}, this.heads), this.body)
        )),
        h("div", { class: "after" }, this.status, this.more)
      );
      this.usual = [[...this.title_.childNodes], [...this.lede.childNodes]];
    }
    /* Which of the atlas's layers. */
    layers() {
      const layers = BILENS.info.atlas?.layers || [];
      if (layers.length < 2) return null;
      this.layer = h("select", { "aria-label": "Layer" }, layers.map(i => h("option", { value: i }, "layer " + i)));
      this.layer.addEventListener("change", () => this.go({ layer: this.layer.value }));
      return this.layer;
    }
    check(name, does) {
      const box = h("input", { type: "checkbox", on: { change: () => does(box.checked) } });
      return h("label", { class: "check" }, box, " ", name);
    }
    go(change) {
      const { q, sort, asc, least, whole, layer } = this.state,
        all = { layer: this.layer ? String(layer) : null, q, sort, asc: asc ? "1" : "0", least: least ? null : "0", whole: whole ? null : "0", ...change };
      BILENS.go("find", new URLSearchParams(Object.entries(all).filter(([, value]) => value)), true);
    }

    drawHeads() {
      const { sort, asc } = this.state,
        focused = this.heads.contains(document.activeElement);
      this.heads.replaceChildren(
        ...shown(sort).map(([key, name, meaning, , type]) => {
          const on = key !== null && key === sort,
            ascending = on ? !asc : UPWARDS.includes(key);
          const button = h(
            "button",
            { type: "button", title: meaning, on: { click: () => this.go({ sort: key, asc: ascending ? "1" : "0" }) } },
            on ? h("span", { class: "arrow", "aria-hidden": "true" }, asc ? "↑" : "↓") : null,
            key === "token" && isOwn() ? "Direction" : name
          );
          return h(
            "th",
            {
              scope: "col",
              class: type === "reads" ? "t" : type ? "v" : null,
              title: sortable(key) ? null : meaning,
              "aria-sort": on ? (asc ? "ascending" : "descending") : null
            },
            sortable(key) ? button : name
          );
        })
      );
      if (focused) this.heads.querySelector("[aria-sort] button").focus();
    }
    /* Of the list, or of what was searched by meaning. */
    showMore() {
      if (!this.further) return this.load(true);
      const params = new URLSearchParams(this.params);
      params.set("top", this.further);
      return BILENS.go("find", params, true);
    }
    async load(further) {
      const turn = ++this.turn,
        { q, sort, asc, least, whole } = this.state,
        filters = q ? {} : { least: least && LEAST, whole }; /* who names a token wants it, however rare */
      this.body.setAttribute("aria-busy", "true");
      try {
        const answer = await BILENS.source.directions({
          layer: this.state.layer,
          q,
          sort,
          ascending: asc,
          limit: PAGE,
          offset: further ? this.rows.length : 0,
          reads: this.figures,
          ...filters
        });
        if (turn !== this.turn) return;
        const found = answer.tokens.map(row => ({ ...row, layer: this.state.layer }));
        this.rows = further ? [...this.rows, ...found] : found;
        const scale = scaleOf(this.rows);
        this.body.replaceChildren(...this.rows.map(row => line(row, scale, sort)));
        this.status.textContent = answer.total
          ? `${BILENS.grouped(this.rows.length)} of ${BILENS.grouped(answer.total)} directions`
          : isOwn()
            ? "No direction is like that."
            : "No token is like that.";
        this.more.hidden = this.rows.length >= answer.total;
      } catch (error) {
        if (turn !== this.turn) return;
        this.body.replaceChildren();
        this.status.replaceChildren(BILENS.failure(error));
        this.more.hidden = true;
      }
      this.body.removeAttribute("aria-busy");
    }
    /* The whole list, or what was searched by meaning. */
    show(found) {
      for (const part of [this.tools, this.all]) part.hidden = Boolean(found);
      this.found.hidden = !found;
      this.further = found ? found.more : null;
      this.title_.replaceChildren(...(found ? found.title : this.usual[0]));
      this.lede.replaceChildren(...(found ? [found.lede] : this.usual[1]));
      if (!found) return;
      this.found.replaceChildren(...[found.tools, found.table].filter(Boolean));
      this.status.textContent = found.status;
      this.more.hidden = !found.more;
    }
    async search(params) {
      const turn = ++this.turn;
      const found = await (params.has("reads")
        ? BILENS.drawReaders(params.get("reads"), params.get("source"), layerIn(params), Math.trunc(+params.get("top")))
        : BILENS.drawLike(params.get("like")));
      if (turn === this.turn) this.show(found);
    }
    update(params) {
      this.params = params;
      if (BILENS.source.server && (params.has("reads") || params.has("like"))) return this.search(params);
      this.show(null);
      if (params.has("reads") || params.has("like"))
        this.lede.replaceChildren("Searching by meaning takes a running explorer (bilens serve). This site lists every direction:");
      const usual = this.figures ? "excess" : "count",
        sort = shown().some(([key]) => sortable(key) && key === params.get("sort")) ? params.get("sort") : usual;
      this.state = {
        q: params.get("q") || "",
        sort,
        asc: params.has("asc") ? params.get("asc") === "1" : UPWARDS.includes(sort),
        least: params.get("least") !== "0",
        whole: params.get("whole") !== "0",
        layer: layerIn(params) ?? BILENS.info.atlas?.layer
      };
      if (this.layer) this.layer.value = String(this.state.layer);
      for (const box of [this.often, this.words]) box.hidden = isOwn();
      this.often.firstChild.checked = this.state.least;
      this.words.firstChild.checked = this.state.whole;
      for (const label of [this.often, this.words]) label.classList.toggle("idle", Boolean(this.state.q));
      if (this.filter.value !== this.state.q) this.filter.value = this.state.q;
      this.drawHeads();
      return this.load(false);
    }
  }
  BILENS.views.find = main => new Find(main);
})();

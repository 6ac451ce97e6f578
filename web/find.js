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
    ["count", "In the corpus", "how often the corpus has the token", row => BILENS.grouped(row.count), "v"]
  ];
  const known = value => value !== undefined && value !== null;

  /* Without an atlas only tokens and how often they are. */
  const shown = () => columns.filter(([key]) => BILENS.info.atlas || key === "token" || key === "count");

  function cell([key, , , show, type], row, scale) {
    if (key === "token") return h("th", { scope: "row" }, h("a", { href: BILENS.directionLink(row.token) }, BILENS.token(row.token)));
    if (key === null) return h("td", { class: "s" }, known(row.largest) ? BILENS.spark(row, scale) : null);
    return h("td", { class: type }, known(row[key]) ? show(row) : "–");
  }
  const line = (row, scale) =>
    h(
      "tr",
      {},
      shown().map(column => cell(column, row, scale))
    );
  /* One scale for the whole list, or small spectra would not compare; the few largest may be cut. */
  function scaleOf(rows) {
    const sizes = rows
      .map(row => Math.max(row.largest || 0, ...(row.null_values || []).map(Math.abs)))
      .filter(Boolean)
      .sort((a, b) => a - b);
    return sizes.length ? sizes[Math.floor(0.98 * (sizes.length - 1))] : 1;
  }

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
      this.more = BILENS.button("Show more", () => this.load(true), { class: "button", hidden: true });
      this.filter = h("input", {
        type: "search",
        "aria-label": "Only tokens with",
        placeholder: "only tokens with …",
        autocomplete: "off",
        spellcheck: "false"
      });
      this.filter.addEventListener("input", () => this.go({ q: this.filter.value }));
      main.replaceChildren(
        h(
          "header",
          { class: "head" },
          h("p", { class: "kicker" }, BILENS.kicker()),
          h("h1", {}, "Every direction"),
          h(
            "p",
            { class: "lede" },
            "Each token of the vocabulary is a direction of the MLP’s output, and each direction has a spectrum: few eigenvalues " +
              "that stand far out are few things that the layer knows about the token. ",
            figures
              ? "The null model, the same weights with every alignment shuffled away, tells how far out chance alone gets."
              : "Without an atlas the list has no figures: make one with bilens atlas and serve it with --atlas."
          )
        ),
        h(
          "div",
          { class: "tools" },
          this.filter,
          h("span", { class: "grow" }),
          BILENS.copyButton("the list", () => BILENS.csvTokens(this.rows))
        ),
        h(
          "div",
          { class: "scroll", tabindex: 0, role: "region", "aria-label": "Directions" },
          h("table", { class: "list" }, h("thead", {}, this.heads), this.body)
        ),
        h("div", { class: "after" }, this.status, this.more)
      );
    }
    go(change) {
      const { q, sort, asc } = this.state,
        all = { q, sort, asc: asc ? "1" : "0", ...change };
      BILENS.go("find", new URLSearchParams(Object.entries(all).filter(([, value]) => value)), true);
    }

    drawHeads() {
      const { sort, asc } = this.state,
        focused = this.heads.contains(document.activeElement);
      this.heads.replaceChildren(
        ...shown().map(([key, name, meaning, , type]) => {
          const on = key !== null && key === sort,
            ascending = on ? !asc : key === "token" || key === "lowest";
          const button = h(
            "button",
            { type: "button", title: meaning, on: { click: () => this.go({ sort: key, asc: ascending ? "1" : "0" }) } },
            on ? h("span", { class: "arrow", "aria-hidden": "true" }, asc ? "↑" : "↓") : null,
            name
          );
          return h(
            "th",
            {
              scope: "col",
              class: type ? "v" : null,
              title: key === null ? meaning : null,
              "aria-sort": on ? (asc ? "ascending" : "descending") : null
            },
            key === null ? name : button
          );
        })
      );
      if (focused) this.heads.querySelector("[aria-sort] button").focus();
    }
    async load(further) {
      const turn = ++this.turn,
        { q, sort, asc } = this.state;
      this.body.setAttribute("aria-busy", "true");
      try {
        const answer = await BILENS.source.tokens({ q, sort, ascending: asc, limit: PAGE, offset: further ? this.rows.length : 0 });
        if (turn !== this.turn) return;
        this.rows = further ? [...this.rows, ...answer.tokens] : answer.tokens;
        const scale = scaleOf(this.rows);
        this.body.replaceChildren(...this.rows.map(row => line(row, scale)));
        this.status.textContent = answer.total
          ? `${BILENS.grouped(this.rows.length)} of ${BILENS.grouped(answer.total)} directions`
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
    update(params) {
      const usual = this.figures ? "excess" : "count",
        sort = shown().some(([key]) => key !== null && key === params.get("sort")) ? params.get("sort") : usual;
      this.state = {
        q: params.get("q") || "",
        sort,
        asc: params.has("asc") ? params.get("asc") === "1" : sort === "token" || sort === "lowest"
      };
      if (this.filter.value !== this.state.q) this.filter.value = this.state.q;
      this.drawHeads();
      return this.load(false);
    }
  }
  BILENS.views.find = main => new Find(main);
})();

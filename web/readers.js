/* Searching by meaning: who reads a token (eigenvectors among whose virtual tokens it is, through one source or any), and which tokens' forms
 * are like one's. Both are tables in the place of Find's list. */
"use strict";
(function () {
  const BILENS = globalThis.BILENS;
  const { h } = BILENS;
  const FIRST = 40, /* readers that are shown at first, so that they are there at once */
    MOST = 1000;

  BILENS.readsLink = token => "#/find?" + new URLSearchParams({ reads: token });
  BILENS.likeLink = token => "#/find?" + new URLSearchParams({ like: token });
  /* What the search box offers beside the directions: for the token that was typed. */
  BILENS.searches = token => [
    BILENS.source.server && BILENS.info.atlas ? { text: ["Who reads ", BILENS.token(token), "?"], to: BILENS.readsLink(token) } : null,
    BILENS.source.server ? { text: ["Tokens like ", BILENS.token(token)], to: BILENS.likeLink(token) } : null
  ].filter(Boolean);

  const cell = (text, type) => h("td", { class: "v" + (type ? " " + type : "") }, text);
  const table = (label, heads, rows) =>
    h(
      "div",
      { class: "scroll", tabindex: 0, role: "group", "aria-label": label },
      h("table", { class: "list" }, h("thead", {}, h("tr", {}, heads.map(([name, type, title]) => h("th", { scope: "col", class: type, title }, name)))), h("tbody", {}, rows))
    );

  function sources(now, link) {
    const heads = BILENS.info.model.architecture?.n_head ?? BILENS.info.model.config.n_head ?? 0,
      names = ["any", "direct", ...Array.from({ length: heads }, (_, i) => "head " + i)];
    return h(
      "nav",
      { class: "chips", "aria-label": "Through" },
      names.map(name => h("a", { href: link(name === "any" ? null : name), "aria-current": name === (now || "any") ? "true" : null }, name))
    );
  }

  BILENS.drawReaders = async (token, source, layer, wanted) => {
    const limit = Math.min(MOST, Math.max(1, wanted || FIRST)),
      answer = await BILENS.source.readers(token, source, limit, layer);
    const largest = Math.max(0, ...answer.readers.map(r => Math.abs(r.activation)));
    const link = name => "#/find?" + new URLSearchParams({ reads: token, ...(name ? { source: name } : {}), ...(layer === undefined ? {} : { layer }) });
    const rows = answer.readers.map(r =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, h("a", { href: BILENS.directionLink(r, r.index) }, BILENS.token(r.token))),
        cell(h("span", { class: "single c" + BILENS.level(r.activation, largest) }, BILENS.activationText(r.activation))),
        h("td", {}, r.source),
        cell(BILENS.number(r.index, 0)),
        cell(r.effect === null ? "–" : BILENS.signed(r.effect, 10)),
        cell(r.ratio === null ? "–" : BILENS.number(r.ratio, 2) + "×"),
        cell(r.q === null ? "–" : BILENS.number(r.q, 3)),
        cell(BILENS.short(r.eigenvalue), r.eigenvalue < 0 ? "against-ink" : "for"),
        cell(BILENS.short(r.value))
      )
    );
    return {
      title: ["Who reads ", BILENS.token(answer.reads), "?"],
      lede: "The eigenvectors that have it among their strongest virtual tokens. λ·value² is what it alone would add to the score, if that source brought it whole.",
      tools: sources(source, link),
      table: rows.length
        ? table(
            "Readers",
            [
              ["Direction"],
              ["λ·value²", "v"],
              ["Through"],
              ["Eigenvector", "v"],
              ["Effect", "v", "how much the loss on the direction's token rises without the eigenvector, in nats"],
              ["Beside chance", "v"],
              ["q", "v"],
              ["λ", "v"],
              ["Value", "v", "its value as a virtual token"]
            ],
            rows
          )
        : h("p", { class: "none" }, "None: it is among no eigenvector’s strongest virtual tokens."),
      status: `${BILENS.grouped(rows.length)} of ${BILENS.grouped(answer.total)} readers`,
      more: rows.length < Math.min(MOST, answer.total) ? 4 * limit : null
    };
  };

  BILENS.drawLike = async token => {
    const { top, bottom } = await BILENS.source.similar({ token, minus: [] }, 30);
    const row = ([name, cosine]) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, h("a", { href: BILENS.directionLink(name) }, BILENS.token(name))),
        cell(h("span", { class: "single c" + BILENS.level(cosine, 1) }, BILENS.number(cosine, 3))),
        h("td", {}, h("a", { href: "#/compare?" + new URLSearchParams({ token, token2: name }) }, "compare"))
      );
    return {
      title: ["Tokens like ", BILENS.token(token)],
      lede: "By form: the cosine between the two tokens’ interaction matrices, over all inputs alike. 1 would be the same quadratic form.",
      table: h(
        "div",
        { class: "columns" },
        h("section", {}, h("h2", {}, "Most alike"), table("Most alike", [["Token"], ["Cosine", "v"], ["Beside it"]], top.map(row))),
        h("section", {}, h("h2", {}, "Most opposed"), table("Most opposed", [["Token"], ["Cosine", "v"], ["Beside it"]], bottom.map(row)))
      ),
      status: ""
    };
  };
})();

/* Find: every direction of the model in a list that can be sorted, each with a small spectrum, beside the null model. */
"use strict";
(function () {
  const BILENS = globalThis.BILENS;
  const { h } = BILENS;
  const PAGE = 50;

  /* Columns: the API's sort key, heading, explanation, how a row shows it. */
  const columns = [
    ["token", "Token", "the token of the direction"],
    [null, "Spectrum", "the outermost eigenvalues; grey: the null model's"],
    ["excess", "Beside chance", "largest |λ| over the null model's", row => (row.excess ? BILENS.number(row.excess, 2) + "×" : "–")],
    ["largest", "Largest |λ|", "the strongest eigenvalue, whatever its sign", row => BILENS.short(row.largest)],
    ["highest", "Highest", "the strongest evidence for the token", row => BILENS.short(row.highest)],
    ["lowest", "Lowest", "the strongest evidence against the token", row => BILENS.short(row.lowest)],
    [
      "effective_rank",
      "Effective rank",
      "how many equally large eigenvalues would weigh as much",
      row => BILENS.number(row.effective_rank, 1)
    ],
    [
      "count",
      "In the corpus",
      "how often the corpus has the token",
      row => (row.count === undefined || row.count === null ? "–" : BILENS.grouped(row.count))
    ]
  ];

  function line(row, scale) {
    const drawn = row.largest !== undefined && row.largest !== null;
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, h("a", { href: BILENS.directionLink(row.token) }, BILENS.token(row.token))),
      h("td", { class: "s" }, drawn ? BILENS.spark(row, scale) : null),
      columns
        .slice(2)
        .map(([key, , , show]) =>
          h(
            "td",
            { class: "v" + (key === "highest" ? " for" : key === "lowest" ? " against-ink" : "") },
            drawn || key === "count" ? show(row) : "–"
          )
        )
    );
  }

  BILENS.views.find = main => {
    const info = BILENS.info,
      atlas = info.atlas,
      heads = h("tr"),
      body = h("tbody"),
      status = h("p", { class: "note", role: "status" });
    const filter = h("input", {
      type: "search",
      "aria-label": "Only tokens with",
      placeholder: "only tokens with …",
      autocomplete: "off",
      spellcheck: "false"
    });
    const more = BILENS.button("Show more", () => load(true));
    let state = {},
      rows = [],
      total = 0,
      turn = 0,
      scale = 1;

    const go = change =>
      BILENS.go(
        "find",
        new URLSearchParams(Object.entries({ q: state.q, sort: state.sort, asc: state.asc ? 1 : "", ...change }).filter(([, v]) => v)),
        true
      );
    filter.addEventListener("input", () => go({ q: filter.value }));

    function drawHeads() {
      heads.replaceChildren(
        ...columns.map(([key, name, meaning]) => {
          const sortable = key && (atlas || key === "token" || key === "count"),
            on = key && key === state.sort;
          return h(
            "th",
            { scope: "col", class: key && key !== "token" ? "v" : null, "aria-sort": on ? (state.asc ? "ascending" : "descending") : null },
            sortable
              ? h(
                  "button",
                  {
                    type: "button",
                    title: meaning,
                    on: { click: () => go({ sort: key, asc: (on ? !state.asc : key === "token" || key === "lowest") ? 1 : "" }) }
                  },
                  on ? h("span", { class: "arrow", "aria-hidden": "true" }, state.asc ? "↑" : "↓") : null,
                  name
                )
              : name
          );
        })
      );
    }
    async function load(further) {
      const mine = ++turn;
      try {
        const answer = await BILENS.source.tokens({
          q: state.q,
          sort: state.sort,
          ascending: state.asc,
          limit: PAGE,
          offset: further ? rows.length : 0
        });
        if (mine !== turn) return;
        rows = further ? [...rows, ...answer.tokens] : answer.tokens;
        total = answer.total;
        /* One scale for the whole list, or small spectra would not compare. */
        const sizes = rows
          .map(row => Math.max(row.largest || 0, ...(row.null_values || []).map(Math.abs)))
          .filter(Boolean)
          .sort((a, b) => a - b);
        scale = sizes.length ? sizes[Math.floor(0.98 * (sizes.length - 1))] : 1;
        body.replaceChildren(...rows.map(row => line(row, scale)));
        status.textContent = total ? `${BILENS.grouped(rows.length)} of ${BILENS.grouped(total)} directions` : "No token is like that.";
        more.hidden = rows.length >= total;
      } catch (error) {
        if (mine === turn) {
          body.replaceChildren();
          status.replaceChildren(BILENS.failure(error));
          more.hidden = true;
        }
      }
    }

    main.replaceChildren(
      h(
        "header",
        { class: "head" },
        h("p", { class: "kicker" }, BILENS.kicker()),
        h("h1", {}, "Every direction"),
        h(
          "p",
          { class: "lede" },
          "Each token of the vocabulary is a direction of the MLP’s output, and each direction has a spectrum: few eigenvalues that stand far out are few things that the layer knows about the token. ",
          atlas
            ? "The null model, the same weights with every alignment shuffled away, tells how far out chance alone gets."
            : "Without an atlas the list has no figures; make one with bilens atlas and serve it with --atlas."
        )
      ),
      h(
        "div",
        { class: "tools" },
        filter,
        h("span", { class: "grow" }),
        BILENS.copyButton("the list", () => BILENS.csvTokens(rows))
      ),
      h(
        "div",
        { class: "scroll" },
        h("table", { class: "list" }, h("caption", { class: "unseen" }, "Directions"), h("thead", {}, heads), body)
      ),
      h("div", { class: "after" }, status, more)
    );

    return {
      title: "Find",
      update(params) {
        const sorts = columns.map(c => c[0]).filter(Boolean);
        state = {
          q: params.get("q") || "",
          sort: sorts.includes(params.get("sort")) ? params.get("sort") : atlas ? "excess" : "token",
          asc: params.get("asc") === "1" || (!atlas && !params.get("sort"))
        };
        if (filter.value !== state.q) filter.value = state.q;
        drawHeads();
        return load(false);
      }
    };
  };
})();

/* A direction's form in the features of a dictionary of what the MLP reads (bilens serve --basis): which features excite it by themselves,
 * which two together. Beside a spectrum that is exact and holds for every input. */
"use strict";
(function () {
  const BILENS = globalThis.BILENS;
  const { h } = BILENS;
  const AT_ONCE = 4096; /* features; more of them take seconds, and wait for a button */
  const feature = b => h("span", { class: "tok" }, "#" + b);

  /* One list: rows of [names, value], the highest, then the lowest. */
  function list(title, what, { top, bottom }) {
    const largest = Math.max(0, ...[...top, ...bottom].map(row => Math.abs(row[row.length - 1])));
    const line = row => {
      const value = row[row.length - 1];
      return h(
        "tr",
        {},
        h("th", { scope: "row" }, row.slice(0, -1).map((b, i) => [i ? " × " : "", feature(b)])),
        h("td", { class: "v" }, h("span", { class: "single c" + BILENS.level(value, largest) }, BILENS.signed(value, largest)))
      );
    };
    const table = (name, rows) =>
      h(
        "table",
        { class: "list" },
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, name), h("th", { scope: "col", class: "v" }, "Value"))),
        h("tbody", {}, rows.map(line))
      );
    return h(
      "section",
      {},
      h("h3", {}, title),
      h("p", { class: "note" }, what),
      h("div", { class: "columns" }, table("Highest", top), table("Lowest", bottom))
    );
  }

  function draw(answer) {
    const [form] = answer.features;
    return [
      list("By itself", "I[b, b]: what a feature adds to the score, times the square of its strength.", form.self),
      list("Two together", "I[b, c]: what two features add where both are there, times twice the product of their strengths.", form.pairs),
      form.linear ? list("Linear", "What a feature adds, times its strength, beside the dictionary’s centre.", form.linear) : "",
      h(
        "p",
        { class: "note" },
        `The two eigenvalues of largest size make ${BILENS.number(100 * form.top_pair_share, 1)}\u00a0% of Σλ²; effective rank ${BILENS.number(form.effective_rank, 1)}.`
      )
    ];
  }

  BILENS.drawFeatures = async (at, subject, key) => {
    if (at.dataset.shown === key) return;
    at.dataset.shown = key;
    const { dictionary, features } = BILENS.info.basis,
      title = h("h2", {}, "In the features of ", h("code", {}, BILENS.visible(BILENS.shortName(dictionary)))),
      body = h("div");
    const load = async () => {
      body.setAttribute("aria-busy", "true");
      body.replaceChildren(h("p", { class: "note" }, "…"));
      try {
        const answer = await BILENS.source.features(subject);
        if (at.dataset.shown === key) body.replaceChildren(...draw(answer).filter(Boolean));
      } catch (error) {
        if (at.dataset.shown === key) body.replaceChildren(BILENS.failure(error));
      }
      body.removeAttribute("aria-busy");
    };
    at.replaceChildren(title, body);
    if (features <= AT_ONCE) await load();
    else body.replaceChildren(BILENS.button(`Look through all pairs of ${BILENS.grouped(features)} features`, load));
  };
})();

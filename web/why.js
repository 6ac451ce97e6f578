/* Why this word: the account of a logit as a waterfall, each bar beginning where the one before ended, so that the last ends at the logit;
 * and one of its terms opened into the words and heads that made it. Blue raises the logit, red lowers it. */
"use strict";
(function () {
  const BILENS = globalThis.BILENS;
  const { h } = BILENS;
  const WEAK = 0.04; /* parts below this share of the largest are folded */

  /* "layer 0 head 3" is "head 3" where there is one layer. */
  const partName = (name, layers) => (layers > 1 ? name : name.replace(/^layer \d+ /, ""));

  /* { name, value, key, note }: the account's parts in the order in which they come; the opened layer's MLP as its eigenvectors. */
  function steps(account, layers) {
    const own = `layer ${account.layer} mlp`,
      out = [];
    for (const part of account.parts) {
      if (part.name === "embedding") out.push({ name: "the word itself", value: part.value, note: "its embedding, straight to the output" });
      else if (part.name !== own)
        out.push({ name: partName(part.name, layers), value: part.value, part: part.words ? part.name : null, fold: part.name.includes("head") });
    }
    for (const term of account.mlp.terms) {
      const index = BILENS.indexOf(term.index, account.size);
      out.push({
        name: `eigenvector ${BILENS.number(index, 0)}`,
        value: term.value,
        eig: index,
        note: `λ ${BILENS.short(term.eigenvalue)}, |v·x| ${BILENS.short(Math.abs(term.similarity))}`
      });
    }
    out.push({ name: "other eigenvectors", value: account.mlp.rest, more: true });
    if (account.mlp.constant) out.push({ name: "the MLP’s constant", value: account.mlp.constant });
    return out;
  }
  /* Weak heads as one step. */
  function folded(list) {
    const largest = Math.max(...list.map(step => Math.abs(step.value))),
      weak = step => step.fold && Math.abs(step.value) < WEAK * largest,
      few = list.filter(weak);
    if (few.length < 2) return list;
    const sum = few.reduce((a, step) => a + step.value, 0),
      at = list.indexOf(few[0]);
    const one = { name: `${few.length} weak heads`, value: sum, folds: true };
    return list.flatMap((step, i) => (i === at ? [one] : weak(step) ? [] : [step]));
  }

  function bar(from, to, low, high) {
    const share = value => (100 * (value - low)) / (high - low || 1),
      fill = h("span", { class: "fall " + (to < from ? "down" : "up") }),
      zero = h("span", { class: "zero" });
    fill.style.left = share(Math.min(from, to)).toFixed(3) + "%";
    fill.style.width = Math.max(0.15, Math.abs(share(to) - share(from))).toFixed(3) + "%";
    zero.style.left = share(0).toFixed(3) + "%";
    return h("span", { class: "fallway", "aria-hidden": "true" }, zero, fill);
  }

  /* `how`: layers, all (no folding), chosen(step), link(step) -> address or null, unfold(), more() */
  BILENS.waterfall = (account, how) => {
    const list = how.all ? steps(account, how.layers) : folded(steps(account, how.layers)),
      ends = [0];
    for (const step of list) ends.push(ends[ends.length - 1] + step.value);
    const low = Math.min(...ends, account.logit),
      high = Math.max(...ends, account.logit),
      largest = Math.max(-low, high),
      text = value => BILENS.signed(value, largest);
    const name = step => {
      const to = how.link(step);
      if (to) return h("a", { href: to, "aria-current": how.chosen(step) ? "true" : null }, step.name);
      if (step.folds) return h("button", { type: "button", class: "plain", on: { click: how.unfold } }, step.name);
      if (step.more && how.more) return h("button", { type: "button", class: "plain", on: { click: how.more } }, step.name);
      return step.name;
    };
    const rows = list.map((step, i) =>
      h(
        "tr",
        { "aria-current": how.chosen(step) ? "true" : null },
        h("th", { scope: "row" }, name(step), step.note ? h("small", {}, step.note) : null),
        h("td", { class: "way" }, bar(ends[i], ends[i + 1], low, high)),
        h("td", { class: "v " + (step.value < 0 ? "against-ink" : "for") }, text(step.value))
      )
    );
    rows.push(
      h(
        "tr",
        { class: "total" },
        h("th", { scope: "row" }, "together"),
        h("td", { class: "way" }, bar(0, account.logit, low, high)),
        h("td", { class: "v" }, text(account.logit))
      )
    );
    return h(
      "table",
      { class: "waterfall" },
      h("thead", { class: "unseen" }, h("tr", {}, ["part", "from where to where", "adds"].map(t => h("th", { scope: "col" }, t)))),
      h("tbody", {}, rows)
    );
  };

  const zip = (rows, n) => Array.from({ length: n }, (_, j) => rows.reduce((sum, row) => sum + row[j], 0));

  /* An opened term as what BILENS.words and byHead draw: shares that sum to the term's value. */
  BILENS.termMatch = (account, step) => {
    const position = account.position,
      tokens = account.tokens;
    if (step.part) {
      const part = account.parts.find(p => p.name === step.part);
      return part && part.words ? { position, tokens, contributions: part.words, value: part.value } : null;
    }
    const term = account.mlp.terms.find(t => BILENS.indexOf(t.index, account.size) === step.eig);
    if (!term || !term.words || !term.similarity) return null;
    const scale = term.value / term.similarity,
      rows = Object.entries(term.words)
        .filter(([name]) => name !== "tokens" && name !== "bias")
        .map(([, row]) => row.map(share => share * scale));
    const bias = term.words.bias * scale;
    return { position, tokens, heads: rows, contributions: zip(rows, position + 1), bias: bias || 0, value: term.value, term };
  };
})();

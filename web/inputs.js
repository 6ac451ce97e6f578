/* Coloured text: the inputs that excite an eigenvector, as the report draws them; a word's tip tells which heads carried it, and a table
 * on demand tells the same for every word. A match's "heads", when there: one row for the direct path, one per head, [position + 1] each, in
 * sum "contributions". */
"use strict";
(function () {
  const BILENS = globalThis.BILENS;
  const { h } = BILENS;
  const BEFORE = 20,
    IN_TIP = 6;

  const pathName = row => (row === 0 ? "direct" : "head " + (row - 1));

  /* The paths that carried most of word j, for its tip. */
  function carriers(match, j) {
    if (!match.heads) return [];
    const paths = match.heads.map((row, i) => ({ name: pathName(i), value: row[j] })).filter(path => path.value !== 0);
    paths.sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
    const largest = Math.max(...match.contributions.map(Math.abs)),
      most = Math.abs(paths.length ? paths[0].value : 1);
    const rows = paths.slice(0, IN_TIP).map(path => {
      const fill = h("span", { class: "fill c" + BILENS.level(path.value, largest) });
      fill.style.width = ((50 * Math.abs(path.value)) / most).toFixed(2) + "%";
      return h(
        "div",
        { class: "path" },
        h("span", {}, path.name),
        h("span", { class: "lane " + (path.value < 0 ? "left" : "right") }, fill),
        h("span", { class: "v" }, BILENS.signed(path.value, largest, match.coarse))
      );
    });
    if (paths.length > IN_TIP) rows.push(h("div", { class: "path rest" }, `and ${paths.length - IN_TIP} smaller`));
    return rows;
  }

  function word(match, j, largest, here) {
    const value = match.contributions[j],
      token = BILENS.visible(match.tokens[j]);
    const element = h(
      "a",
      {
        class: (here ? "at " : "") + "c" + BILENS.level(value, largest),
        href: BILENS.directionLink(match.tokens[j]),
        tabindex: here ? 0 : -1,
        "data-tip": BILENS.signed(value, largest, match.coarse)
      },
      here ? `[${token}]` : token + " "
    );
    element.tipParts = () => carriers(match, j);
    return element;
  }
  /* A line is one stop of the Tab key; the arrow keys go along its words, each a link to its direction. */
  function walk(event) {
    const words = [...event.currentTarget.querySelectorAll("a")],
      at = words.indexOf(document.activeElement);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: words.length - 1 }[event.key];
    if (at < 0 || !words[to]) return;
    event.preventDefault();
    words[at].tabIndex = -1;
    words[to].tabIndex = 0;
    words[to].focus();
  }

  /* The words of one match. `all`: from the first word, not from the twentieth before. */
  BILENS.words = (match, all) => {
    const largest = Math.max(0, ...match.contributions.map(Math.abs)),
      at = match.position,
      first = all ? 0 : Math.max(0, at - BEFORE);
    const line = h("p", { class: "words", on: { keydown: walk } });
    if (first > 0) {
      const sum = match.contributions.slice(0, first).reduce((a, b) => a + b, 0);
      line.append(
        h("span", { class: "more", "data-tip": `${first} earlier tokens, ${BILENS.signed(sum, largest, match.coarse)} together` }, "… ")
      );
    }
    for (let j = first; j <= at; j++) line.append(word(match, j, largest, j === at));
    line.append(
      h(
        "span",
        { class: "next" },
        (match.next || []).map(token => " " + BILENS.visible(token))
      )
    );
    if (match.bias)
      line.append(
        h("span", { class: "share c" + BILENS.level(match.bias, largest) }, "constant " + BILENS.signed(match.bias, largest, match.coarse))
      );
    return line;
  };

  /* Every word by every path; words that carried next to nothing are left out. `of`: what the numbers sum to. */
  BILENS.byHead = (match, of = "v·x") => {
    const n = match.position + 1,
      largest = Math.max(...match.contributions.map(Math.abs), ...match.heads.flat().map(Math.abs));
    let shown = Array.from({ length: n }, (_, j) => j);
    if (n > 24)
      shown = shown.filter(
        j =>
          Math.abs(match.contributions[j]) >= 0.02 * largest || j === n - 1 || match.heads.some(row => Math.abs(row[j]) >= 0.05 * largest)
      );
    const cell = value =>
      Math.abs(value) < 0.005 ? h("td") : h("td", { class: "c" + BILENS.level(value, largest) }, BILENS.number(value, 2));
    const line = (name, row, total) =>
      h(
        "tr",
        { class: total ? "total" : null },
        h("th", { scope: "row" }, name),
        shown.map(j => cell(row[j])),
        h(
          "td",
          { class: "v sum" },
          BILENS.number(
            row.reduce((a, b) => a + b, 0),
            2
          )
        )
      );
    return h(
      "div",
      { class: "scroll", tabindex: 0, role: "group", "aria-label": "Contributions by word and head" },
      h(
        "table",
        { class: "heads" },
        h(
          "caption",
          {},
          `Contributions to ${of} by word and path`,
          shown.length < n ? `; ${n - shown.length} words that carried little are left out, not from the sums` : ""
        ),
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("td"),
            shown.map(j => h("th", { scope: "col" }, BILENS.visible(match.tokens[j]))),
            h("th", { scope: "col", class: "v" }, "sum")
          )
        ),
        h(
          "tbody",
          {},
          match.heads.map((row, i) => line(pathName(i), row, false)),
          line("all", match.contributions, true)
        )
      )
    );
  };

  BILENS.activationText = value => BILENS.number(value, Math.abs(value) >= 0.1 ? 2 : BILENS.decimals(Math.abs(value)));

  /* A link to the whole story, at that place in "Why this word?". A static site has no more than the words up to there: a button shows
   * them all. */
  function placeOf(match, asked) {
    const text = `story ${match.story}, position ${match.position}`;
    if (!BILENS.source.server) {
      const open = BILENS.button(text, () => {
        const line = open.closest("li").querySelector(".words"),
          all = open.getAttribute("aria-expanded") === "false";
        line.replaceWith(BILENS.words(match, all));
        open.setAttribute("aria-expanded", String(all));
      });
      Object.assign(open, { className: "plain", title: "All words up to there" });
      open.setAttribute("aria-expanded", "false");
      return open;
    }
    const place = new URLSearchParams({ story: match.story, at: match.position });
    if (asked) BILENS.writeSubject(place, asked.subject).set("eig", asked.index);
    return h("a", { href: "#/sentence?" + place }, text);
  }

  /* The inputs of one end of an eigenvector; "by head" opens a table under a line. */
  function list(matches, asked) {
    return h(
      "ol",
      { class: "inputs" },
      matches.map(match => {
        const item = h(
          "li",
          {},
          h(
            "div",
            { class: "act" },
            h("b", {}, BILENS.activationText(match.activation)),
            placeOf(match, asked)
          ),
          BILENS.words(match)
        );
        if (match.heads) {
          const open = BILENS.button(
            "by head",
            () => {
              const shown = item.querySelector(".scroll");
              if (shown) shown.remove();
              else item.append(BILENS.byHead(match));
              open.setAttribute("aria-expanded", String(!shown));
            },
            { class: "button small", "aria-expanded": "false" }
          );
          item.append(open);
        }
        return item;
      })
    );
  }

  /* The list of a vector's inputs, oriented; `subject`: the direction that the links to their places are to ask for.
   * Drawn: first the end that is drawn positive, then the other one, where both are active. */
  BILENS.inputs = (hits, tools, subject) => {
    const head = h("div", { class: "over" }, h("h3", {}, "Top inputs"), tools || null, BILENS.legend("against", "towards"));
    if (!hits || hits.matches.length === 0)
      return [head, h("p", { class: "none" }, hits ? "The corpus holds none." : "None were looked for.")];
    const other = hits.matches.filter(match => match.similarity < 0),
      asked = subject && { subject, index: hits.index };
    if (!other.length) return [head, list(hits.matches, asked)];
    const end = (name, share, matches) => [
      h("p", { class: "end" }, h("b", {}, name), ` ${BILENS.number(100 * share, 0)}\u00a0% of these inputs\u2019 activation`),
      list(matches, asked)
    ];
    return [
      head,
      ...end("This end", hits.share, hits.matches.filter(match => !(match.similarity < 0))),
      ...end("The other end", 1 - hits.share, other)
    ];
  };
})();

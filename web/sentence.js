/* A sentence: from behaviour back to weights. For each position what the model expects next, which eigenvectors of all directions the position excites, and
 * for a chosen one the words and heads that did it. */
"use strict";
(function () {
  const BILENS = globalThis.BILENS;
  const { h } = BILENS;
  const EXAMPLE = "Once upon a time there was a little girl who loved to swim in the big pool. One day she saw a";

  const percent = p => (p >= 0.0995 ? BILENS.number(100 * p, 0) : BILENS.number(100 * p, 1)) + "\u00a0%";

  /* A word under the pointer and the arrow keys; below it, how sure the model was of it. */
  function wordButton(sentence, j, at, select) {
    const before = j > 0 ? sentence.predictions[j - 1].next : null,
      bar = h("span", { class: "sure", "aria-hidden": "true" });
    bar.style.width = (before ? Math.max(2, 100 * before.probability) : 0) + "%";
    const word = BILENS.visible(sentence.tokens[j]);
    return h(
      "button",
      {
        type: "button",
        class: "word",
        tabindex: j === at ? 0 : -1,
        "aria-current": j === at ? "true" : null,
        "data-tip": before
          ? `expected with ${percent(before.probability)}` + (before.rank !== undefined ? `, rank ${before.rank + 1}` : "")
          : null,
        "aria-label": `${word}, position ${j}`,
        on: { click: () => select(j) }
      },
      word,
      h("span", { class: "rail" }, bar)
    );
  }

  function predictionList(prediction, link) {
    const rows = prediction.top.map(([token, p]) => {
      const bar = h("span", { class: "sure", "aria-hidden": "true" });
      bar.style.width = (100 * p) / prediction.top[0][1] + "%";
      const came = prediction.next && prediction.next.token === token;
      return h(
        "li",
        { class: came ? "came" : null },
        h("a", { href: link(token) }, BILENS.token(token)),
        h("span", { class: "rail" }, bar),
        h("span", { class: "v" }, percent(p))
      );
    });
    return [
      h("ol", { class: "predictions" }, rows),
      prediction.next
        ? h(
            "p",
            { class: "note" },
            "It goes on with ",
            BILENS.token(prediction.next.token),
            `: ${percent(prediction.next.probability)}, rank ${prediction.next.rank + 1}.`
          )
        : null
    ];
  }

  function excitedTable(directions, chosen, link) {
    const largest = Math.max(...directions.map(d => Math.abs(d.activation)));
    return h(
      "div",
      { class: "scroll" },
      h(
        "table",
        { class: "excited" },
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            ["Direction", "Eigenvector", "λ", "v·x", "λ(v·x)²"].map((name, i) => h("th", { scope: "col", class: i ? "v" : null }, name))
          )
        ),
        h(
          "tbody",
          {},
          directions.map(d =>
            h(
              "tr",
              { "aria-current": chosen(d) ? "true" : null },
              h("th", { scope: "row" }, h("a", { href: link(d.token, d.index) }, BILENS.token(d.token))),
              h("td", { class: "v" }, BILENS.number(d.index, 0)),
              h("td", { class: "v " + (d.eigenvalue < 0 ? "against-ink" : "for") }, BILENS.short(d.eigenvalue)),
              h("td", { class: "v" }, BILENS.short(d.similarity)),
              h(
                "td",
                { class: "v" },
                h("span", { class: "single c" + BILENS.level(d.activation, largest) }, BILENS.activationText(d.activation))
              )
            )
          )
        )
      )
    );
  }

  BILENS.views.sentence = main => {
    const head = h(
      "header",
      { class: "head" },
      h("p", { class: "kicker" }, BILENS.kicker()),
      h("h1", {}, "A sentence"),
      h(
        "p",
        { class: "lede" },
        "Type a text. Choose a word: on the left what the model expects after it, on the right which eigenvectors, of all directions, the word excites. Choose one of these to see the words and heads that did it."
      )
    );
    if (!BILENS.source.server) {
      main.replaceChildren(
        head,
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
    let params,
      sentence = null,
      text = "",
      at = 0,
      turn = 0,
      timer = null,
      subject = null,
      index = -1;
    const area = h("textarea", { rows: 3, "aria-label": "Text", spellcheck: "false", placeholder: "Once upon a time …" });
    const words = h("div", { class: "sentence", role: "toolbar", "aria-label": "Words" }),
      problem = h("div"),
      next = h("section"),
      excited = h("section"),
      shares = h("section", { class: "shares" });
    main.replaceChildren(
      head,
      h("div", { class: "entry" }, area),
      problem,
      words,
      h("div", { class: "columns two" }, next, excited),
      shares
    );

    const go = (change, replace) => {
      const p = new URLSearchParams(params);
      for (const [k, v] of Object.entries(change))
        if (v === null) p.delete(k);
        else p.set(k, v);
      BILENS.go("sentence", p, replace);
    };
    const link = (token, i) => {
      const p = BILENS.writeSubject(new URLSearchParams(params), { token, minus: [] });
      p.set("at", at);
      p.set("eig", i === undefined ? -1 : i);
      return "#/sentence?" + p;
    };
    const read = () => {
      clearTimeout(timer);
      if (area.value !== text) go({ text: area.value, at: null }, true);
    };
    area.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(read, 350);
    });
    area.addEventListener("keydown", event => {
      if (event.key === "Enter" && !event.shiftKey) {
        event.preventDefault();
        read();
      }
    });
    words.addEventListener("keydown", event => {
      const to = {
        ArrowRight: at + 1,
        ArrowDown: at + 1,
        ArrowLeft: at - 1,
        ArrowUp: at - 1,
        Home: 0,
        End: sentence ? sentence.tokens.length - 1 : 0
      }[event.key];
      if (to === undefined || !sentence || to < 0 || to >= sentence.tokens.length) return;
      event.preventDefault();
      go({ at: to }, true);
    });

    function drawWords() {
      const focused = words.contains(document.activeElement);
      words.replaceChildren(...sentence.tokens.map((_, j) => wordButton(sentence, j, at, position => go({ at: position }, true))));
      if (focused) words.children[at].focus();
    }
    const here = () => `“${BILENS.visible(sentence.tokens[at])}”`;
    function drawNext() {
      next.replaceChildren(
        h("h3", {}, "After ", here()),
        ...predictionList(sentence.predictions[at], token => link(token)).filter(Boolean)
      );
    }
    async function drawExcited(mine) {
      excited.setAttribute("aria-busy", "true");
      try {
        const answer = await BILENS.source.excited(text, at);
        if (mine !== turn) return;
        const chosen = d => d.token === subject.token && d.index === index;
        excited.replaceChildren(h("h3", {}, here(), " excites"), excitedTable(answer.directions, chosen, link));
        if (!subject.token && answer.directions.length) {
          subject = { token: answer.directions[0].token, minus: [] };
          index = answer.directions[0].index;
        }
      } catch (error) {
        if (mine === turn) excited.replaceChildren(h("h3", {}, here(), " excites"), BILENS.failure(error));
      } finally {
        if (mine === turn) excited.removeAttribute("aria-busy");
      }
    }
    async function drawShares(mine) {
      if (!subject.token) return shares.replaceChildren();
      try {
        const match = await BILENS.source.contributions(text, at, subject, index);
        if (mine !== turn) return;
        const p = new URLSearchParams({ token: subject.token, eig: index });
        const others = [-1, -2, -3, -4, 0, 1, 2, 3];
        shares.replaceChildren(
          h("h2", {}, "Why ", here(), " excites ", BILENS.token(subject.token), ` ${BILENS.number(index, 0)}`),
          h(
            "p",
            { class: "note" },
            "λ(v·x)² = ",
            h("b", {}, BILENS.activationText(match.activation)),
            ", v·x = ",
            BILENS.short(match.similarity),
            match.activation < 0 ? ": evidence against " : ": evidence for ",
            BILENS.token(subject.token),
            " as the next word. ",
            h("a", { href: "#/direction?" + p }, "The whole direction")
          ),
          h(
            "nav",
            { class: "chips", "aria-label": "Eigenvectors" },
            others.map(i =>
              h(
                "a",
                { href: link(subject.token, i), "aria-current": i === index ? "true" : null, "aria-label": `eigenvector ${i}` },
                BILENS.number(i, 0)
              )
            )
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
        );
      } catch (error) {
        if (mine === turn) shares.replaceChildren(BILENS.failure(error));
      }
    }
    async function draw() {
      const mine = ++turn;
      main.setAttribute("aria-busy", "true");
      try {
        const answer = await BILENS.source.sentence(text);
        if (mine !== turn) return;
        sentence = answer;
      } catch (error) {
        if (mine === turn) {
          problem.replaceChildren(BILENS.failure(error));
          main.removeAttribute("aria-busy");
        }
        return;
      }
      problem.replaceChildren();
      const last = sentence.tokens.length - 1,
        asked = params.get("at");
      at = /^\d{1,6}$/.test(asked || "") ? Math.min(+asked, last) : last;
      drawWords();
      drawNext();
      main.removeAttribute("aria-busy");
      /* With a direction chosen its words need not wait for the list. */
      if (subject.token) drawShares(mine);
      const chosen = subject.token;
      await drawExcited(mine);
      if (mine === turn && !chosen) await drawShares(mine);
    }

    return {
      title: "A sentence",
      async update(now) {
        params = now;
        text = params.get("text") ?? EXAMPLE;
        subject = BILENS.readSubject(params);
        index = BILENS.readIndex(params.get("eig"));
        if (document.activeElement !== area || !area.value) area.value = text;
        if (text.trim()) return draw();
        turn++;
        for (const part of [words, next, excited, shares, problem]) part.replaceChildren();
      }
    };
  };
})();

/* A search box over the vocabulary with completion: a combobox with a list, as the ARIA practices describe it. Up and Down walk, Enter
 * takes the marked token (or the first), Escape closes. */
"use strict";
(function () {
  const BILENS = globalThis.BILENS;
  const { h } = BILENS;
  const SHOWN = 12;
  let count = 0;

  /* Options: `label`, `placeholder`, `choose(token)`, `offers(token)`: searches for a token, [{ text, to }], listed behind the tokens. The element's `input` is the text field. */
  BILENS.combobox = options => {
    const id = "choices-" + count++,
      list = h("ul", { id, role: "listbox", "aria-label": "Tokens", hidden: true });
    const input = h("input", {
      type: "search",
      role: "combobox",
      "aria-label": options.label,
      placeholder: options.placeholder,
      autocomplete: "off",
      autocapitalize: "off",
      spellcheck: "false",
      "aria-autocomplete": "list",
      "aria-expanded": "false",
      "aria-controls": id
    });
    const box = h("div", { class: "combobox" }, input, list);
    let found = [],
      marked = -1,
      asked = 0,
      answered = "";

    function close() {
      list.hidden = true;
      input.setAttribute("aria-expanded", "false");
      input.removeAttribute("aria-activedescendant");
      marked = -1;
    }
    function mark(i) {
      marked = i;
      [...list.children].forEach((item, at) => item.setAttribute("aria-selected", String(at === i)));
      const item = list.children[i];
      if (!item) return;
      input.setAttribute("aria-activedescendant", item.id);
      item.scrollIntoView({ block: "nearest" });
    }
    function take(row) {
      close();
      input.value = "";
      asked++;
      if (row.to) return BILENS.goTo(row.to, false);
      return options.choose(row.token);
    }
    function draw() {
      list.replaceChildren(
        ...found.map((row, i) =>
          h(
            "li",
            {
              id: `${id}-${i}`,
              role: "option",
              "aria-selected": "false",
              on: {
                pointerdown: event => {
                  event.preventDefault();
                  take(row);
                },
                pointermove: () => {
                  if (marked !== i) mark(i);
                }
              }
            },
            row.to ? h("span", {}, row.text) : BILENS.token(row.token),
            h(
              "span",
              { class: "hint" },
              row.to ? "search" : row.excess ? BILENS.number(row.excess, 1) + "× null" : row.count !== undefined ? BILENS.grouped(row.count) : ""
            )
          )
        )
      );
      if (!found.length) list.replaceChildren(h("li", { class: "none" }, "no such token"));
      list.hidden = false;
      input.setAttribute("aria-expanded", "true");
      mark(found.length ? 0 : -1);
    }
    async function look() {
      const q = input.value.trim(),
        turn = ++asked;
      if (!q) return close();
      try {
        const answer = await BILENS.source.tokens({ q, limit: SHOWN });
        if (turn !== asked) return;
        found = answer.tokens;
        if (found.length && options.offers) {
          const offers = options.offers(found[0].token);
          found = [...found.slice(0, SHOWN - offers.length), ...offers];
        }
        answered = q;
        draw();
      } catch (error) {
        if (turn === asked) list.replaceChildren(h("li", { class: "none" }, error.message));
      }
    }
    /* Enter before the list came: waits for it. */
    async function enter() {
      if (input.value.trim() !== answered || list.hidden) await look();
      if (marked >= 0 && found[marked]) take(found[marked]);
    }
    input.addEventListener("input", look);
    input.addEventListener("blur", close);
    function walk(step) {
      if (list.hidden) look();
      else if (found.length) mark((marked + step + found.length) % found.length);
    }
    /* Escape closes the list; with no list open the page has it, and leaves the field. */
    input.addEventListener("keydown", event => {
      const open = !list.hidden;
      if (event.key === "Enter") enter();
      else if (event.key === "ArrowDown") walk(1);
      else if (event.key === "ArrowUp") walk(-1);
      else if (event.key === "Escape" && open) close();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    box.input = input;
    return box;
  };
})();

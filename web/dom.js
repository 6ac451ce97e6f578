/* Elements, numbers and tokens as text. Everything of a model or corpus becomes a text node or an attribute, never markup.
 * Numbers and tokens come out as src/report/plot.c and visible.c write them; tests/web holds the page against the report. */
"use strict";
(function () {
  const BILENS = globalThis.BILENS;
  const SVG = "http://www.w3.org/2000/svg";

  BILENS.views = {}; /* name -> (main) => { title, update(params), … } */

  function fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name === "on") for (const [event, does] of Object.entries(value)) element.addEventListener(event, does);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value);
    }
    element.append(...children.flat(3).filter(child => child !== null && child !== undefined && child !== false));
    return element;
  }
  /* h("a", { class: "x", href: "#", on: { click: f } }, "text", element, …) */
  BILENS.h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
  BILENS.svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
  BILENS.say = text => {
    document.getElementById("said").textContent = text;
  };

  const MINUS = "\u2212";

  /* Digits after the point that tell values up to ±largest apart; -1: an exponent. */
  BILENS.decimals = largest => {
    if (largest === 0) return 4;
    const exponent = Math.floor(Math.log10(largest));
    if (exponent < -4 || exponent > 6) return -1;
    return Math.max(1, exponent >= 0 ? 4 - exponent : 3 - exponent);
  };
  /* toFixed rounds ties up, C's printf to even. */
  function fixed(value, decimals) {
    const text = value.toFixed(decimals),
      more = value.toFixed(Math.min(100, decimals + 40));
    const tail = more.slice(decimals ? text.length : text.length + 1);
    if (!/^50*$/.test(tail) || decimals > 60) return text;
    const down = more.slice(0, decimals ? text.length : more.indexOf("."));
    return "02468".includes(down[down.length - 1]) ? down : text;
  }
  BILENS.number = (value, decimals) => {
    const size = Math.abs(value);
    const digits = decimals < 0 ? size.toExponential(2).replace(/e([+-])(\d)$/, "e$10$2") : fixed(size, Math.min(decimals, 12));
    return (value < 0 && /[1-9]/.test(digits.split("e")[0]) ? MINUS : "") + digits;
  };
  /* A number among others up to ±largest; `coarse`: of which only three digits are known, as of a static site's. */
  BILENS.among = (value, largest, coarse) => {
    const decimals = BILENS.decimals(Math.abs(largest));
    return BILENS.number(value, coarse && decimals > 2 ? decimals - 2 : decimals);
  };
  BILENS.signed = (value, largest, coarse) => (value >= 0 ? "+" : "") + BILENS.among(value, largest, coarse);
  BILENS.grouped = n => String(n).replace(/\B(?=(\d{3})+$)/g, ",");
  BILENS.short = value =>
    value === null || value === undefined ? "–" : BILENS.number(value, Math.abs(value) >= 100 ? 1 : Math.abs(value) >= 10 ? 2 : 3);

  /* The byte that a character of a byte-level vocabulary stands for; -1: none. */
  const byteOf = code => {
    if ((code >= 0x21 && code <= 0x7e) || (code >= 0xa1 && code <= 0xff && code !== 0xad)) return code;
    if (code >= 0x100 && code <= 0x120) return code - 0x100;
    if (code >= 0x121 && code <= 0x142) return code - 0x121 + 0x7f;
    return code === 0x143 ? 0xad : -1;
  };
  /* A token of a byte-level vocabulary as the text it stands for, blanks as dots; SentencePiece's sign of a blank as a dot (base/spelling.c). */
  BILENS.spelled = text => {
    if (text.includes("\u2581")) return text.replaceAll("\u2581", "·");
    if (!/[\u0100-\u0143]/.test(text)) return text;
    const bytes = Array.from(text, c => byteOf(c.codePointAt(0)));
    if (bytes.some(byte => byte < 0 || byte === 0x7f || (byte < 0x20 && byte !== 9 && byte !== 10 && byte !== 13))) return text;
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(new Uint8Array(bytes)).replaceAll(" ", "·").replaceAll("\n", "↵");
    } catch (e) {
      return text; /* a piece of a character */
    }
  };
  /* A token made fit to be seen: what has no picture becomes one. */
  BILENS.visible = text => {
    let out = "",
      first = true;
    const spelled = BILENS.spelled(String(text).toWellFormed ? String(text).toWellFormed() : String(text));
    for (const c of spelled) {
      const code = c.codePointAt(0);
      if (code < 0x20) out += String.fromCodePoint(0x2400 + code);
      else if (code === 0x7f) out += "\u2421";
      else if (/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/u.test(c))
        out += "<U+" + code.toString(16).toUpperCase().padStart(4, "0") + ">";
      else out += (first && /\p{M}/u.test(c) ? "\u25CC" : "") + c;
      first = false;
    }
    return out;
  };
  BILENS.token = text => BILENS.h("span", { class: "tok" }, BILENS.visible(text));
  /* A model's name without its folders. */
  BILENS.shortName = path => {
    const parts = String(path).split("/").filter(Boolean);
    return !path.startsWith("/") && !path.startsWith(".") && parts.length === 2 ? path : parts[parts.length - 1] || path;
  };

  /* RdBu: the level of a value on a scale symmetric about 0; web/levels.css has the colours. */
  BILENS.level = (value, largest) => {
    if (!(largest > 0) || !Number.isFinite(value)) return 128;
    return Math.max(0, Math.min(255, Math.floor(((value / largest + 1) / 2) * 256)));
  };
  BILENS.legend = (low, high) =>
    BILENS.h("div", { class: "legend" }, BILENS.h("span", {}, low), BILENS.h("span", { class: "ramp" }), BILENS.h("span", {}, high));
  BILENS.button = (text, does, attributes) =>
    BILENS.h("button", { class: "button", type: "button", ...attributes, on: { click: does } }, text);

  /* Two or more buttons of which one is pressed; the focus stays on them when they are drawn again. */
  BILENS.toggle = (label, names, pressed, choose) => {
    const old = document.activeElement.closest && document.activeElement.closest(".toggle"),
      focused = old && old.getAttribute("aria-label") === label;
    const buttons = names.map(name => {
      const press = { click: () => choose(name) };
      return BILENS.h("button", { type: "button", "aria-pressed": String(name === pressed), on: press }, name);
    });
    if (focused) setTimeout(() => buttons[names.indexOf(pressed)].focus());
    return BILENS.h("div", { class: "toggle", role: "group", "aria-label": label }, buttons);
  };

  /* What is shown when something fails: the message, and tokens that are nearest to the one that is unknown. */
  BILENS.failure = (error, link) =>
    BILENS.h(
      "div",
      { class: "failure", role: "alert" },
      BILENS.h("p", {}, BILENS.visible(error.message)),
      error.nearest && link
        ? BILENS.h(
            "p",
            {},
            "Near it: ",
            error.nearest.map(token => [BILENS.h("a", { href: link(token) }, BILENS.token(token)), " "])
          )
        : null
    );
})();

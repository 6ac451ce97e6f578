/* The page as a whole: the address says what is shown (#/view?state), the bar, keys. Every change of state goes through the address, so
 * that any state can be shared, and back and forward work. */
"use strict";
(function () {
  const BILENS = globalThis.BILENS;
  const { h } = BILENS;
  /* The views: of a language model, and of an image model, whose first one is the gallery. */
  let names = ["find", "direction", "sentence", "compare"];
  const imageViews = [
    ["classes", "Classes"],
    ["class", "A class"],
    ["image", "An image"]
  ];
  const main = document.getElementById("main");
  let shown = null,
    view = null;

  BILENS.goTo = (hash, replace) => {
    if (hash === location.hash) route();
    else if (replace) location.replace(hash);
    else location.hash = hash;
  };
  BILENS.go = (name, params, replace) => {
    const query = params.toString();
    BILENS.goTo("#/" + name + (query ? "?" + query : ""), replace);
  };
  /* "ts-1-256 · layer 0 · 354 stories" */
  BILENS.kicker = () => {
    const { model, atlas, corpus, images } = BILENS.info,
      parts = [BILENS.visible(BILENS.shortName(model.model))];
    if (images) parts.push(BILENS.grouped(images) + " images");
    if (atlas && atlas.layers.length > 1) parts.push("layers " + atlas.layers.join(", "));
    else if (atlas) parts.push("layer " + atlas.layer);
    if (corpus && corpus.stories) parts.push(BILENS.grouped(corpus.stories) + " stories");
    if (!BILENS.source.server) parts.push("static site");
    return [parts.join(" · ")];
  };

  /* The direction that stands out most, as a row, for a view that was asked for none; null when there is none. */
  BILENS.firstDirection = async () => {
    const { tokens } = await BILENS.source.directions({ sort: BILENS.info.atlas ? "excess" : "count", limit: 1 });
    return tokens.length ? tokens[0] : null;
  };

  async function route() {
    if (location.hash && !location.hash.startsWith("#/")) return;
    const [path, query] = (location.hash.slice(2) || names[0]).split(/\?(.*)/s),
      params = new URLSearchParams(query || "");
    const name = names.includes(path) ? path : names[0];
    BILENS.hideTip();
    if (shown !== name) {
      shown = name;
      main.className = "view-" + name;
      main.removeAttribute("aria-busy");
      view = BILENS.views[name](main);
      scrollTo(0, 0);
    }
    const link = document.querySelector(`.views a[data-view="${name}"]`);
    document
      .querySelectorAll(".views a")
      .forEach(a => (a === link ? a.setAttribute("aria-current", "page") : a.removeAttribute("aria-current")));
    if (location.hash) link.setAttribute("href", location.hash); /* a view remembers where it was */
    const mine = view;
    try {
      await view.update(params);
    } catch (error) {
      if (mine === view) main.replaceChildren(h("header", { class: "head" }, BILENS.failure(error)));
      if (mine === view) shown = null;
    }
    document.title = [view.name ? view.name() : null, view.title, "bilens"].filter(Boolean).join(" · ");
  }

  const help = document.getElementById("help");
  document.getElementById("keys").addEventListener("click", () => help.showModal());
  function keys(event) {
    const typing = event.target.closest && event.target.closest("input, textarea, select, dialog");
    if (event.key === "Escape") {
      BILENS.hideTip();
      if (typing && typing.blur) typing.blur();
      return;
    }
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const view_ = names[+event.key - 1];
    const search = document.querySelector("#search input");
    if (event.key === "/" && search) search.focus();
    else if (view_) location.hash = document.querySelector(`.views a[data-view="${view_}"]`).getAttribute("href");
    else if ((event.key === "[" || event.key === "]") && view && view.step) view.step(event.key === "]" ? 1 : -1);
    else if (event.key === "t") document.getElementById("theme").click();
    else if (event.key === "?") help.showModal();
    else return;
    event.preventDefault();
  }

  function foot(info) {
    document
      .getElementById("foot")
      .replaceChildren(
        h(
          "p",
          {},
          `bilens ${info.version || ""}. `,
          BILENS.source.server ? "The numbers are to be had as JSON under /api. " : "A static site, made by bilens atlas --site. ",
          "The method: Pearce, Dooms, Rigg, ",
          h("i", {}, "Weight-based Decomposition: A Case for Bilinear MLPs"),
          ", ",
          h("a", { href: "https://arxiv.org/abs/2406.03947", rel: "noreferrer" }, "arXiv\u00a02406.03947"),
          "."
        )
      );
  }
  function useImageViews() {
    names = imageViews.map(([name]) => name);
    document.querySelector(".home").setAttribute("href", "#/" + names[0]);
    document
      .querySelector(".views")
      .replaceChildren(...imageViews.map(([name, title]) => h("a", { href: "#/" + name, "data-view": name }, title)));
  }
  async function start() {
    const site = globalThis.BILENS_SITE;
    BILENS.source = site ? BILENS.siteSource(site) : BILENS.serverSource();
    const search = BILENS.combobox({
      label: "Find a token",
      placeholder: BILENS.source.server ? "Find a token, or who reads it" : "Find a token",
      offers: BILENS.searches,
      choose: token => {
        main.focus({ preventScroll: true });
        BILENS.goTo(BILENS.directionLink(token), false);
      }
    });
    try {
      BILENS.info = await BILENS.source.info();
    } catch (error) {
      main.replaceChildren(h("header", { class: "head" }, BILENS.failure(error)));
      return;
    }
    if (BILENS.info.classes) useImageViews();
    else document.getElementById("search").append(search, h("kbd", { "aria-hidden": "true" }, "/"));
    foot(BILENS.info);
    document.querySelector(".skip").addEventListener("click", event => {
      event.preventDefault();
      main.focus();
    });
    document.addEventListener("keydown", keys);
    addEventListener("hashchange", route);
    await route();
  }
  start();
})();

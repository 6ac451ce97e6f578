/* A direction as it stands in the page's address, and the line of controls that changes it: contrast tokens as chips, what it is measured
 * against, layer. */
"use strict";
(function () {
  const BILENS = globalThis.BILENS;
  const { h } = BILENS;

  /* `suffix` "2": the second direction of a comparison. */
  BILENS.readSubject = (params, suffix = "") => {
    const layer = params.get("layer" + suffix),
      contrast = params.get("contrast" + suffix);
    return {
      token: params.get("token" + suffix) || "",
      direction: params.get("direction" + suffix) || "" /* one of the atlas's own, "@FILE:7", which is no token */,
      minus: params.getAll("minus" + suffix),
      layer: /^\d{1,4}$/.test(layer || "") ? +layer : undefined,
      contrast: contrast === "mean" || contrast === "none" ? contrast : undefined
    };
  };
  BILENS.writeSubject = (params, subject, suffix = "") => {
    for (const name of ["token", "direction", "minus", "layer", "contrast"]) params.delete(name + suffix);
    if (subject.direction) params.set("direction" + suffix, subject.direction);
    else if (subject.token) params.set("token" + suffix, subject.token);
    for (const token of subject.minus) params.append("minus" + suffix, token);
    if (subject.layer !== undefined) params.set("layer" + suffix, subject.layer);
    if (subject.contrast && !subject.minus.length) params.set("contrast" + suffix, subject.contrast);
    return params;
  };
  /* `what`: a token, or a row of a list: { token, direction, layer }. */
  BILENS.directionLink = (what, eig) => {
    const row = typeof what === "string" ? { token: what } : what,
      own = row.direction && row.direction.startsWith("@"),
      layers = BILENS.info.atlas?.layers || [];
    const params = new URLSearchParams(own ? { direction: row.direction } : { token: row.token });
    if (row.layer !== undefined && row.layer !== layers[0]) params.set("layer", row.layer);
    if (eig !== undefined) params.set("eig", eig);
    return "#/direction?" + params;
  };
  BILENS.readIndex = text => (/^-?\d{1,6}$/.test(text || "") ? +text : -1);

  function chips(subject, change) {
    return subject.minus.map(token =>
      h(
        "span",
        { class: "chip" },
        BILENS.token(token),
        h(
          "button",
          {
            type: "button",
            "aria-label": "Remove " + BILENS.visible(token),
            on: { click: () => change({ ...subject, minus: subject.minus.filter(other => other !== token) }) }
          },
          "×"
        )
      )
    );
  }
  function against(subject, change) {
    const now = subject.contrast || BILENS.source.contrast;
    const select = h(
      "select",
      { "aria-label": "Measured against" },
      h("option", { value: "mean" }, "the average token"),
      h("option", { value: "none" }, "nothing")
    );
    select.value = now === "mean" ? "mean" : "none";
    select.addEventListener("change", () => change({ ...subject, contrast: select.value }));
    return select;
  }
  function layers(subject, change, list) {
    const select = h(
      "select",
      { "aria-label": "Layer" },
      list.map(i => h("option", { value: i }, "layer " + i))
    );
    select.value = subject.layer === undefined ? String(BILENS.firstLayer() ?? 0) : String(subject.layer);
    select.addEventListener("change", () => change({ ...subject, layer: +select.value }));
    return select;
  }

  /* Which layer, where there are several: of a server all, of a static site the atlas's. Otherwise null. */
  BILENS.layerChoice = (subject, change) => {
    const known = BILENS.source.server && BILENS.info.model.architecture ? BILENS.info.model.architecture.n_layer : 0,
      fitted = BILENS.info.surrogate?.layers.map(layer => layer.layer),
      list = known ? fitted || Array.from({ length: known }, (_, i) => i) : BILENS.info.atlas?.layers || [];
    return list.length > 1 ? layers(subject, change, list) : null;
  };

  /* `change(subject)` is called with the new one. A static site holds one contrast and the atlas's layers. */
  BILENS.subjectLine = (subject, change) => {
    const choice = BILENS.layerChoice(subject, change);
    if (subject.direction)
      return h("div", { class: "subject" }, h("span", { class: "fixed" }, "a vector of your own, ", h("code", {}, BILENS.visible(subject.direction))), choice);
    const line = h("div", { class: "subject" }, h("span", { class: "label" }, "rather than"));
    if (!BILENS.source.server) {
      line.append(h("span", { class: "fixed" }, BILENS.source.contrast === "mean" ? "the average token" : "nothing"));
      if (choice) line.append(choice);
      return line;
    }
    const adding = BILENS.combobox({
      label: "Add a contrast token",
      placeholder: "+ token",
      choose: token => change({ ...subject, minus: [...new Set([...subject.minus, token])] })
    });
    line.append(
      ...chips(subject, change),
      ...(subject.minus.length ? [] : [against(subject, change), h("span", { class: "label" }, "or")]),
      adding
    );
    if (choice) line.append(choice);
    return line;
  };

  /* The facts of a spectrum; the null model's beside them when they are there. */
  BILENS.facts = (eigen, none) => {
    const values = eigen.eigenvalues,
      n = values.length,
      largest = Math.max(Math.abs(values[0]), Math.abs(values[n - 1]));
    const item = (name, value, beside) => h("div", {}, h("dt", {}, name), h("dd", {}, value, beside ? h("small", {}, beside) : null));
    const quality = BILENS.qualityOf(eigen),
      nulls = none ? none.eigenvalues : null,
      chance = nulls ? Math.max(Math.abs(nulls[0]), Math.abs(nulls[nulls.length - 1])) : 0;
    const rank = values => {
      const sum = values.reduce((a, b) => a + Math.abs(b), 0);
      return (sum * sum) / (values.reduce((a, b) => a + b * b, 0) || 1);
    };
    return h(
      "dl",
      { class: "facts" },
      item("Eigenvalues", BILENS.grouped(n)),
      item("Highest", BILENS.among(values[n - 1], largest), nulls ? "null " + BILENS.among(nulls[nulls.length - 1], largest) : null),
      item("Lowest", BILENS.among(values[0], largest), nulls ? "null " + BILENS.among(nulls[0], largest) : null),
      quality ? item("MLP explained", BILENS.number(100 * quality.r2, 1) + "\u00a0%", "by the surrogate") : null,
      item("Effective rank", BILENS.number(rank(values), 1), nulls ? "null " + BILENS.number(rank(nulls), 1) : null),
      item("Largest |λ| beside chance", nulls ? BILENS.number(largest / (chance || 1), 2) + "×" : "…", nulls ? "of the null model’s" : null)
    );
  };
})();

/* What can be taken along: CSV to the clipboard in the columns of the command line's, figures as SVG and PNG. */
"use strict";
(function () {
  const BILENS = globalThis.BILENS;
  const { h } = BILENS;

  /* RFC 4180. */
  function csv(header, rows) {
    const field = value => (typeof value === "number" ? String(value) : `"${String(value).replace(/"/g, '""')}"`);
    return header + "\r\n" + rows.map(row => row.map(field).join(",") + "\r\n").join("");
  }
  BILENS.csvSpectrum = (eigen, none) =>
    none
      ? csv(
          "index,eigenvalue,null",
          eigen.eigenvalues.map((value, i) => [i, value, none[i]])
        )
      : csv(
          "index,eigenvalue",
          eigen.eigenvalues.map((value, i) => [i, value])
        );
  BILENS.csvVector = vector =>
    csv(
      "vector,eigenvalue,source,side,rank,token,value",
      Object.entries(vector.sources).flatMap(([name, source]) => {
        const row = (side, rank, token, value) => [vector.index, vector.eigenvalue, name, side, rank, token, value];
        if (source.value !== undefined) return [row("value", 0, "", source.value)];
        return [
          ...source.top.map(([token, value], i) => row("top", i, token, value)),
          ...source.bottom.map(([token, value], i) => row("bottom", i, token, value))
        ];
      })
    );
  BILENS.csvInputs = hits =>
    csv(
      "vector,eigenvalue,rank,story,position,activation,similarity,source_position,token,contribution",
      hits.matches.flatMap((m, rank) =>
        m.contributions.map((value, j) => [
          hits.index,
          hits.eigenvalue,
          rank,
          m.story,
          m.position,
          m.activation,
          m.similarity,
          j,
          m.tokens[j],
          value
        ])
      )
    );
  BILENS.csvHeads = match =>
    csv(
      "path,position,token,contribution",
      match.heads.flatMap((row, i) => row.map((value, j) => [i ? "head " + (i - 1) : "direct", j, match.tokens[j], value]))
    );
  BILENS.csvTokens = rows =>
    csv(
      "token,id,count,largest,highest,lowest,effective_rank,share,null_largest,null_effective_rank,excess",
      rows.map(r =>
        [
          r.token,
          r.id,
          r.count,
          r.largest,
          r.highest,
          r.lowest,
          r.effective_rank,
          r.share,
          r.null_largest,
          r.null_effective_rank,
          r.excess
        ].map(v => v ?? "")
      )
    );

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch (e) {
      /* no permission, or an insecure place: the old way */
      const area = h("textarea", { class: "unseen", "aria-hidden": "true" });
      area.value = text;
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      if (!done) throw new Error("the browser does not give the clipboard");
    }
  }
  /* A button that copies what `make` gives, and says so. */
  BILENS.copyButton = (what, make) => {
    const button = BILENS.button(
      "CSV",
      async () => {
        try {
          await copy(make());
          button.textContent = "copied";
          BILENS.say(what + " copied as CSV");
        } catch (error) {
          button.textContent = "failed";
          BILENS.say(error.message);
        }
        setTimeout(() => {
          button.textContent = "CSV";
        }, 1500);
      },
      { class: "button small", "aria-label": `Copy ${what} as CSV` }
    );
    return button;
  };

  const DRAWN = [
    "fill",
    "stroke",
    "stroke-width",
    "stroke-linecap",
    "stroke-linejoin",
    "stroke-dasharray",
    "opacity",
    "font-family",
    "font-size",
    "font-weight",
    "visibility",
    "display"
  ];

  /* The figure with its styles written into it, by itself: no pointer's traces, the page's colours, a title. */
  function alone(figure, title) {
    const copyOf = figure.cloneNode(true),
      from = [figure, ...figure.querySelectorAll("*")],
      to = [copyOf, ...copyOf.querySelectorAll("*")];
    from.forEach((element, i) => {
      const style = getComputedStyle(element);
      for (const name of DRAWN) if (style.getPropertyValue(name)) to[i].setAttribute(name, style.getPropertyValue(name));
      for (const name of [...to[i].getAttributeNames()])
        if (/^(data-|aria-|class$|role$|tabindex$|href$)/.test(name)) to[i].removeAttribute(name);
    });
    copyOf.querySelectorAll("line, circle[visibility=hidden]").forEach(element => element.remove());
    const { width, height } = figure.viewBox.baseVal;
    const heading = BILENS.svg("title", {}, title),
      paper = BILENS.svg("rect", { width, height, fill: getComputedStyle(document.body).backgroundColor });
    copyOf.prepend(heading, paper);
    for (const [name, value] of Object.entries({ xmlns: "http://www.w3.org/2000/svg", width, height })) copyOf.setAttribute(name, value);
    return { text: new XMLSerializer().serializeToString(copyOf), width, height };
  }
  function hand(blob, name) {
    const link = h("a", { href: URL.createObjectURL(blob), download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }
  async function png(drawn) {
    const address = URL.createObjectURL(new Blob([drawn.text], { type: "image/svg+xml" })),
      image = new Image();
    image.src = address;
    await image.decode();
    const canvas = h("canvas", { width: 2 * drawn.width, height: 2 * drawn.height });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    URL.revokeObjectURL(address);
    return new Promise(done => canvas.toBlob(done, "image/png"));
  }
  /* Buttons that save `figure()`; `name` becomes the file's. */
  BILENS.figureButtons = (name, figure) => {
    const file = name.replace(/[^\p{L}\p{N}_.-]+/gu, "-") || "figure";
    return ["SVG", "PNG"].map(kind =>
      BILENS.button(
        kind,
        async () => {
          const drawn = alone(figure(), name);
          hand(kind === "SVG" ? new Blob([drawn.text], { type: "image/svg+xml" }) : await png(drawn), `${file}.${kind.toLowerCase()}`);
          BILENS.say(`${name} saved as ${kind}`);
        },
        { class: "button small", "aria-label": `Save ${name} as ${kind}` }
      )
    );
  };
})();

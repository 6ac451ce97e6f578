/* The views of an image model: the gallery of its classes, one class with its eigenvectors and what excites them, one image with the account
 * of its logits. */
"use strict";
(function () {
  const BILENS = globalThis.BILENS;
  const { h } = BILENS;

  const readDirection = params => ({
    name: params.get("class") || BILENS.info.classes[0],
    minus: params.getAll("minus"),
    space: params.get("space") === "pixel" ? "pixel" : "embed"
  });
  const tone = value => (value < 0 ? "against-ink" : "for");
  const spaces = (params, view) =>
    BILENS.info.pixel_space
      ? BILENS.toggle("Eigenvectors of", ["embedding", "pixels"], params.get("space") === "pixel" ? "pixels" : "embedding", name => {
          const next = new URLSearchParams(params);
          if (name === "pixels") next.set("space", "pixel");
          else next.delete("space");
          BILENS.go(view, next, true);
        })
      : null;
  const picture = (vector, title, large) =>
    vector.picture
      ? BILENS.picture(vector.picture, BILENS.info.shape, { name: `${title}, eigenvector ${vector.index}`, large })
      : h("span", { class: "note" }, "no picture: no direct path leads here from the pixels");
  /* Of modular addition: the closed form that the eigenvector should be. */
  const closedForm = ({ mode }) =>
    mode
      ? [
          BILENS.picture(mode.picture, BILENS.info.shape, { name: `closed form, frequency ${mode.frequency}`, large: true }),
          h("p", { class: "note" }, `Below: the closed form, cosines of frequency ${mode.frequency}; it is ${BILENS.number(100 * mode.share, 1)} % of the eigenvector.`)
        ]
      : null;
  const classLink = (name, index, params, minus) => {
    const query = new URLSearchParams({ class: name, eig: index });
    for (const other of minus || []) query.append("minus", other);
    if (params.get("space") === "pixel") query.set("space", "pixel");
    return "#/class?" + query;
  };
  const imageLink = (image, params) =>
    "#/image?" + new URLSearchParams(params.get("space") === "pixel" ? { image, space: "pixel" } : { image });

  class View {
    constructor(main) {
      this.main = main;
      this.turn = 0;
    }
    /* Draws what `make` gives, unless another state of the address came meanwhile. */
    async update(params) {
      const turn = ++this.turn;
      this.main.setAttribute("aria-busy", "true");
      let parts;
      try {
        parts = await this.make(params);
      } catch (error) {
        parts = [h("header", { class: "head" }, BILENS.failure(error))];
      }
      if (turn !== this.turn) return;
      this.main.removeAttribute("aria-busy");
      this.main.replaceChildren(...parts.flat(3).filter(Boolean));
    }
  }

  class Classes extends View {
    title = "Classes";
    async make(params) {
      const { classes } = await BILENS.source.gallery(params.get("space"));
      const row = one =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, h("a", { href: classLink(one.class, -1, params, ["all"]) }, BILENS.visible(one.class))),
          one.vectors.map((vector, j) =>
            h(
              "td",
              { class: 2 * j === one.vectors.length ? "gap" : null },
              h("a", { href: classLink(one.class, vector.index, params, ["all"]) }, picture(vector, one.class)),
              h("span", { class: tone(vector.eigenvalue) }, BILENS.number(vector.eigenvalue, 3))
            )
          )
        );
      return [
        h("header", { class: "head" }, h("p", { class: "kicker" }, BILENS.kicker()), h("h1", {}, "Every class at a glance")),
        h("div", { class: "tools" }, spaces(params, "classes")),
        h(
          "p",
          { class: "read" },
          "Each row is an output class less the mean of all: the eigenvectors that speak most for it, then those that speak most against it. " +
            "Blue and red are the two ends of one axis: a picture and its negative mean the same. The number is the eigenvalue."
        ),
        h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Gallery" }, h("table", { class: "gallery" }, h("tbody", {}, classes.map(row))))
      ];
    }
  }

  class Class extends View {
    title = "A class";
    name() {
      return this.direction ? BILENS.visible(this.direction.name) : null;
    }
    step(by) {
      const n = this.eigen.eigenvalues.length,
        to = BILENS.positionOf(this.index, n) + by;
      if (to >= 0 && to < n) BILENS.goTo(this.href(BILENS.indexOf(to, n)), false);
    }
    href(index) {
      const next = new URLSearchParams(this.params);
      next.set("class", this.direction.name);
      next.set("eig", index);
      return "#/class?" + next;
    }
    choosers() {
      const go = (key, value) => {
        const next = new URLSearchParams(this.params);
        next.set("class", this.direction.name);
        next.delete(key);
        if (value) next.append(key, value);
        BILENS.go("class", next, false);
      };
      const choose = (label, options, now, key) => {
        const select = h("select", { "aria-label": label }, options.map(([value, text]) => h("option", { value }, BILENS.visible(text))));
        select.value = now;
        select.addEventListener("change", () => go(key, select.value));
        return select;
      };
      const names = BILENS.info.classes.map(name => [name, name]);
      return h(
        "div",
        { class: "subject" },
        choose("Class", names, this.direction.name, "class"),
        h("span", { class: "label" }, "rather than"),
        choose("Less", [["", "nothing"], ["all", "the average class"], ...names], this.direction.minus[0] || "", "minus"),
        spaces(this.params, "class")
      );
    }
    async inputs(vector) {
      if (!BILENS.info.images) return h("p", { class: "note" }, "Without --images there are no top images.");
      const scan = await BILENS.source.classScan(this.direction, vector.index, 12),
        hits = scan.vectors[0].matches;
      return [
        h("h3", {}, "Images that excite it most"),
        h(
          "div",
          { class: "inputs-row" },
          hits.map(m =>
            h(
              "figure",
              {},
              h("a", { href: imageLink(m.image, this.params) }, BILENS.picture(m.pixels, BILENS.info.shape, { grey: true, name: `image ${m.image}` })),
              m.contributions ? BILENS.picture(m.contributions, BILENS.info.shape, { name: `what each pixel of image ${m.image} adds` }) : null,
              h(
                "figcaption",
                {},
                BILENS.visible(m.label),
                m.label === m.predicted ? null : [h("br"), "called ", BILENS.visible(m.predicted)],
                h("br"),
                BILENS.number(m.activation, 2)
              )
            )
          )
        ),
        h(
          "p",
          { class: "note" },
          `Of ${BILENS.grouped(scan.images)} images. Below each: what its pixels add to the similarity, blue towards, red against. The number is the activation λ(v·h)².`
        )
      ];
    }
    async make(params) {
      this.params = params;
      this.direction = readDirection(params);
      this.index = BILENS.readIndex(params.get("eig"));
      const eigen = (this.eigen = await BILENS.source.classEigen(this.direction));
      if (BILENS.info.classes.includes(eigen.class)) this.direction.name = eigen.class; /* asked for by its number */
      const vector =
        eigen.vectors.find(v => BILENS.positionOf(v.index, eigen.eigenvalues.length) === BILENS.positionOf(this.index, eigen.eigenvalues.length)) ||
        (await BILENS.source.classEigen(this.direction, [this.index])).vectors[0];
      const spectrum = BILENS.spectrumPart({
        pick: index => BILENS.goTo(this.href(index), false),
        href: index => this.href(index),
        height: 240
      });
      const n = eigen.eigenvalues.length,
        marked = eigen.vectors.map(v => ({ ...v, position: BILENS.positionOf(v.index, n) }));
      spectrum.draw({ ...eigen, vectors: marked, token: eigen.class }, null);
      spectrum.choose(BILENS.positionOf(this.index, eigen.eigenvalues.length));
      return [
        h("header", { class: "head" }, h("p", { class: "kicker" }, BILENS.kicker()), h("h1", {}, BILENS.visible(eigen.class)), this.choosers()),
        spectrum,
        BILENS.pickers(eigen.vectors, this.index, index => this.href(index)),
        h(
          "section",
          { class: "vector" },
          h(
            "h2",
            {},
            `Eigenvector ${BILENS.number(vector.index, 0)} `,
            h("span", { class: tone(vector.eigenvalue) }, `λ = ${BILENS.number(vector.eigenvalue, 4)}`)
          ),
          h("p", { class: "read" }, `Whatever excites it, in either sense, speaks ${vector.eigenvalue < 0 ? "against" : "for"} the class.`),
          picture(vector, eigen.class, true),
          closedForm(vector),
          await this.inputs(vector)
        )
      ];
    }
  }

  class Image extends View {
    title = "An image";
    form(image) {
      const input = h("input", { type: "number", min: 0, max: BILENS.info.images - 1, value: image, "aria-label": "Which image" });
      input.addEventListener("change", () => BILENS.goTo(imageLink(Math.max(0, Math.trunc(+input.value) || 0), this.params), false));
      return h("div", { class: "subject" }, h("span", { class: "label" }, "image"), input, spaces(this.params, "image"));
    }
    async account(one) {
      const terms = [...one.highest, ...one.lowest].filter((t, i, all) => all.findIndex(o => o.index === t.index) === i);
      const direction = { name: one.class, minus: [], space: this.space };
      const { vectors } = await BILENS.source.classEigen(
        direction,
        terms.map(t => t.index)
      );
      const ordered = terms.map((term, i) => [term, vectors[i]]).sort(([a], [b]) => b.contribution - a.contribution);
      return [
        h(
          "h2",
          {},
          h("a", { href: classLink(one.class, -1, this.params) }, BILENS.visible(one.class)),
          ` logit ${BILENS.number(one.logit, 3)}`
        ),
        one.direct ? h("p", { class: "note" }, `direct path ${BILENS.number(one.direct, 3)}`) : null,
        h(
          "div",
          { class: "inputs-row" },
          ordered.map(([term, vector]) =>
            h(
              "figure",
              {},
              h("a", { href: classLink(one.class, term.index, this.params) }, picture(vector, one.class)),
              h("figcaption", {}, h("span", { class: tone(term.contribution) }, BILENS.signed(term.contribution, one.logit)), h("br"), `eigenvector ${term.index}`)
            )
          )
        )
      ];
    }
    async make(params) {
      this.params = params;
      this.space = params.get("space") === "pixel" ? "pixel" : "embed";
      if (!BILENS.info.images) return [h("header", { class: "head" }, h("h1", {}, "An image"), h("p", {}, "The explorer was started without --images."))];
      const number = /^\d{1,9}$/.test(params.get("image") || "") ? +params.get("image") : 0;
      const [image, account] = await Promise.all([BILENS.source.image(number), BILENS.source.explainImage(number, this.space)]);
      const accounts = await Promise.all(account.classes.map(one => this.account(one)));
      return [
        h(
          "header",
          { class: "head" },
          h("p", { class: "kicker" }, BILENS.kicker()),
          h("h1", {}, `Image ${number}: ${BILENS.visible(image.label)}`),
          this.form(number)
        ),
        BILENS.picture(image.pixels, BILENS.info.shape, { grey: true, large: true, name: `image ${number}` }),
        h(
          "p",
          { class: "read" },
          account.label === account.predicted ? "The model says so, too. " : `The model calls it ${BILENS.visible(account.predicted)}. `,
          "Each logit is a sum that is exact: every eigenvector adds its eigenvalue times its squared similarity with the image. Shown are the largest terms of the three highest logits."
        ),
        accounts
      ];
    }
  }

  BILENS.views.classes = main => new Classes(main);
  BILENS.views.class = main => new Class(main);
  BILENS.views.image = main => new Image(main);
})();

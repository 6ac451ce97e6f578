/* Pictures: the numbers of a basis that has a picture's shape, as an image. Eigenvectors on the page's scale of colours, symmetric about 0;
 * inputs in grey. */
"use strict";
(function () {
  const BILENS = globalThis.BILENS;
  const { h } = BILENS;
  const drawn = new Set(); /* WeakRefs of pictures on the page, to be drawn again when light and dark change */
  let levels = null;

  /* The colours of .c0 … .c255 as they are now. */
  function colours() {
    if (levels) return levels;
    const probe = h("i", { hidden: true });
    document.body.append(probe);
    levels = Array.from({ length: 256 }, (_, i) => {
      probe.className = "c" + i;
      return getComputedStyle(probe).backgroundColor.match(/[\d.]+/g).slice(0, 3).map(Number);
    });
    probe.remove();
    return levels;
  }
  function pixel(values, at, [channels, rows, columns], grey, largest) {
    const size = rows * columns;
    if (!grey) return colours()[BILENS.level(channels === 1 ? values[at] : (values[at] + values[at + size] + values[at + 2 * size]) / 3, largest)];
    const shade = channel => 255 * Math.max(0, Math.min(1, values[at + (channels === 3 ? channel : 0) * size]));
    return [shade(0), shade(1), shade(2)];
  }
  function paint(canvas) {
    const { values, shape, grey } = canvas.picture,
      [, rows, columns] = shape,
      context = canvas.getContext("2d"),
      image = context.createImageData(columns, rows);
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    for (let at = 0; at < rows * columns; at++) image.data.set([...pixel(values, at, shape, grey, largest), 255], 4 * at);
    context.putImageData(image, 0, 0);
  }
  /* `name` is its text for those who cannot see it. A shape that is no picture (one row) is drawn as a band. */
  BILENS.picture = (values, shape, { name, grey, large } = {}) => {
    const canvas = h("canvas", {
      class: "picture" + (large ? " large" : "") + (shape[1] * 4 < shape[2] ? " band" : ""),
      width: shape[2],
      height: shape[1],
      role: "img",
      "aria-label": name
    });
    canvas.picture = { values, shape, grey };
    paint(canvas);
    if (!grey) drawn.add(new WeakRef(canvas));
    return canvas;
  };
  function again() {
    levels = null;
    for (const ref of drawn) {
      const canvas = ref.deref();
      if (canvas && canvas.isConnected) paint(canvas);
      else drawn.delete(ref);
    }
  }
  document.getElementById("theme").addEventListener("click", again);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
})();

// One look: the same direction in the report (drawn by C) and in the explorer (drawn by web/*.js) has the same texts, numbers and colours.
"use strict";
const { test, before, after } = require("node:test");
const assert = require("node:assert/strict");
const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const { BILENS, folder, serve, open, quit } = require("./support.js");

let server, report, page;
before(async () => {
  const to = path.join(folder, "report");
  execFileSync(BILENS, ["report", "--token", "swim", "--minus", "run,climb", "-o", to, "--quiet"], { stdio: "ignore" });
  report = await open("file://");
  await report.goto(`file://${to}/index.html`);
  server = await serve();
  page = await open(server.url);
  /* The very same numbers: the server computes with other sums, whose last digit may differ. */
  const data = JSON.parse(fs.readFileSync(path.join(to, "report.json"), "utf8"));
  const answer = part => route => {
    const asked = new URL(route.request().url()).searchParams.getAll("eigs").map(Number);
    const vectors = part.vectors.filter(v => !asked.length || asked.includes(v.index));
    return route.fulfill({ json: { ...part, vectors } });
  };
  await page.route(/\/api\/eigen\?/, answer(data.eigen));
  await page.route(/\/api\/scan\?/, answer(data.scan));
});
after(async () => {
  await quit();
  await server.stop();
});

/* Every element in `root` that `selector` finds: its text, its classes, its colours, its type. */
function seen(page, root, selector) {
  return page
    .locator(root)
    .first()
    .evaluate(
      (element, wanted) =>
        [...element.querySelectorAll(wanted)].map(e => {
          const style = getComputedStyle(e);
          const text = e.dataset.tip === undefined ? e.textContent : `${e.textContent} | ${e.dataset.tip}`;
          return [text, e.className, style.color, style.backgroundColor, style.fontWeight, style.fontSize].join(" · ");
        }),
      selector
    );
}

test("virtual tokens and inputs", async () => {
  for (const index of [-1, -2, -3, -4, 0, 1, 2, 3]) {
    await page.show(`#/direction?token=swim&minus=run&minus=climb&eig=${index}`);
    await page.waitForSelector(`.vector[data-index="${index}"] .inputs li .words`);
    const section = `#eig-${index < 0 ? "m" + -index : index}`;
    for (const [selector, most] of [
      ["h2 .lambda, h2 .badge, h2 .tok", 3],
      [".vt th, .vt td", 200],
      [".legend span", 5],
      [".act b", 8],
      [".words, .words [data-tip], .words .next", 40],
      [".note", 1]
    ]) {
      const theirs = await seen(report, section, selector),
        ours = await seen(page, ".vector", selector);
      /* The explorer says below the inputs of how many stories they are. */
      const same = selector === ".note" ? ours.slice(0, theirs.length) : ours;
      assert.ok(theirs.length >= most, `${selector}: ${theirs.length}`);
      assert.deepEqual(same, theirs, `eigenvector ${index}, ${selector}`);
    }
  }
});

/* In `page`: the report's spectrum, without the null model's. */
async function showSpectrum() {
  await page.show("#/direction?token=swim&minus=run&minus=climb");
  await page.waitForSelector(".spectrum svg");
  await page.evaluate(async () => {
    const { BILENS } = globalThis,
      eigen = await BILENS.source.eigen({ token: "swim", minus: ["run", "climb"] });
    document.body.replaceChildren(BILENS.spectrum(eigen, { href: () => "#", name: "as the report has it" }));
  });
}

test("spectrum", async () => {
  /* Without the null model both have one axis: the curve, its dots, the marks, ticks and labels are the same drawing. */
  await showSpectrum();
  const drawing = p =>
    p
      .locator(".spectrum svg")
      .first()
      .evaluate(svg =>
        [...svg.querySelectorAll("path, text, circle, rect")]
          .filter(e => !/chosen|spot/.test(e.getAttribute("class") || "") && e.getAttribute("d") !== "M0 0")
          .map(e =>
            [
              e.tagName,
              e.getAttribute("class"),
              e.textContent,
              ...["d", "x", "y", "cx", "cy", "width", "height"].map(a =>
                (e.getAttribute(a) || "").replace(/-?\d+(\.\d+)?/g, n => Number(n).toFixed(0))
              )
            ].join(" ")
          )
          .sort()
      );
  const [theirs, ours] = [await drawing(report), await drawing(page)];
  assert.ok(theirs.length > 30);
  assert.equal(ours.length, theirs.length);
  let apart = 0;
  theirs.forEach((line, i) => {
    if (line !== ours[i]) apart++;
  });
  assert.ok(apart <= 2, `${apart} of ${theirs.length} parts differ, as ${theirs.find((line, i) => line !== ours[i])}`);
});

test("the probe says the same", async () => {
  await showSpectrum();
  for (const p of [report, page]) await p.locator(".probe").first().focus();
  for (const key of ["Home", "ArrowRight", "PageUp", "End"]) {
    const said = [];
    for (const p of [report, page]) {
      await p.locator(".probe").first().press(key);
      said.push(await p.locator(".probe b").first().textContent());
    }
    assert.equal(said[0], said[1]);
  }
});

test("nobody complains", () => assert.deepEqual([...report.complaints, ...page.complaints], []));

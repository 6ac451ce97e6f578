// No finding of axe-core on any view of the explorer, of a static site and on a report, light and dark, at three widths; and no view that is
// wider than its window.
"use strict";
const test = require("node:test");
const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const { execFileSync } = require("node:child_process");
const { BILENS, MODEL, CORPUS, folder, makeAtlas, serve, open, quit } = require("./support.js");

const AXE = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const WIDTHS = [1440, 1024, 390];
const THEMES = ["light", "dark"];
const TEXT = "Tom went to the lake. He jumped into the";
const VIEWS = [
  ["#/find", ".list tbody tr"],
  ["#/find?reads=the", ".found table"],
  ["#/find?like=swim", ".found table"],
  ["#/direction?token=the", ".inputs li .words"],
  ["#/direction?token=the&show=bars&minus=a", ".inputs li .words"],
  ["#/sentence?" + new URLSearchParams({ text: TEXT, token: "water", minus: "pond" }), ".shares .heads"],
  ["#/compare?token=the&token2=a", ".side .inputs"]
];
let server, atlas;
test.before(async () => {
  atlas = makeAtlas("axe.db", "--frequent", "40");
  server = await serve("--atlas", atlas);
});
test.after(async () => {
  await quit();
  assert.equal(await server.stop(), 0);
});

/* The findings as "rule: node", each once. */
async function findings(page) {
  /* In the page's own world: its policy forbids scripts from elsewhere, not those that the browser itself runs. */
  if (!(await page.evaluate(() => Boolean(globalThis.axe)))) await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  return violations.flatMap(v => v.nodes.slice(0, 5).map(node => `${v.id}: ${node.html.slice(0, 140)} ${node.failureSummary.split("\n")[1] || ""}`));
}
async function check(home, address, wait, name) {
  const found = [],
    page = await open(home, { viewport: { width: WIDTHS[0], height: 900 } });
  await page.show(address);
  await page.waitForSelector(wait);
  await page.waitForFunction(() => !document.querySelector('[aria-busy="true"]'));
  for (const colorScheme of THEMES)
    for (const width of WIDTHS) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 900 });
      await page.waitForTimeout(200);
      found.push(...(await findings(page)).map(f => `${name} ${colorScheme} ${width}: ${f}`));
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (wide > 0) found.push(`${name} ${colorScheme} ${width}: ${wide} pixels wider than the window`);
    }
  await page.context().close();
  assert.deepEqual(found, []);
}

for (const [address, wait] of VIEWS) test(`axe: ${decodeURIComponent(address)}`, () => check(server.url, address, wait, address));
test("axe: a report", async () => {
  const report = path.join(folder, "report");
  execFileSync(BILENS, ["report", MODEL, "--corpus", CORPUS, "--token", "swim", "--evidence-stories", "12", "-o", report, "--quiet"]);
  await check(`file://${report}/`, "index.html", "#evidence .forest", "report");
});
test("axe: directions of one's own, with features, and a report on them", async () => {
  const vectors = path.join(folder, "own.csv"),
    report = path.join(folder, "rows");
  let seed = 11;
  const number = () => ((seed = (seed * 16807) % 2147483647) / 2147483647 - 0.5).toFixed(6);
  fs.writeFileSync(vectors, Array.from({ length: 5 }, () => Array.from({ length: 256 }, number).join(",")).join("\n"));
  const own = await serve("--atlas", makeAtlas("own.db", "--stories", "40", "--directions", vectors), "--basis", vectors);
  try {
    await check(own.url, "#/find", ".list tbody tr", "own: find");
    await check(own.url, "#/direction?" + new URLSearchParams({ direction: `@${vectors}:1` }), ".features table", "own: direction");
  } finally {
    await own.stop();
  }
  execFileSync(BILENS, ["report", MODEL, "--corpus", CORPUS, "--directions", vectors, "--rows", "1", "--stories", "20", "-o", report, "--quiet"]);
  await check(`file://${report}/`, "index.html", "table.rank a", "index of a report");
});
test("axe: a static site", async () => {
  const site = path.join(folder, "site"),
    texts = path.join(folder, "texts");
  fs.writeFileSync(texts, TEXT + "\n");
  execFileSync(BILENS, ["atlas", MODEL, "--from", atlas, "--site", site, "--no-spectra", "--sentences", texts, "--quiet"]);
  await check(`file://${site}/`, "index.html#/sentence", ".shares .heads", "site");
  await check(`file://${site}/`, "index.html#/direction?token=the", ".inputs li .words", "site");
});

// The static site of a small atlas, from disk: the same page with no server behind it.
"use strict";
const { test, before, after } = require("node:test");
const assert = require("node:assert/strict");
const { execFileSync } = require("node:child_process");
const path = require("node:path");
const { BILENS, MODEL, folder, bilens, makeAtlas, open, quit } = require("./support.js");

let home, atlas;
before(() => {
  const to = path.join(folder, "site");
  atlas = makeAtlas("site.db", "--frequent", "400");
  execFileSync(BILENS, ["atlas", MODEL, "--from", atlas, "--site", to, "--quiet"], { stdio: "ignore" });
  home = `file://${to}/`;
});
after(quit);

const number = text => parseFloat(text.replace(/\u2212/g, "-").replace("λ = ", ""));
const row = token => bilens("atlas", "query", atlas, `token=${token}`);

test("the list, a direction found by typing, its numbers", async () => {
  const page = await open(home);
  await page.show("index.html");
  await page.waitForSelector(".list tbody tr");
  assert.ok((await page.locator(".list .spark rect").count()) > 100);
  await page.keyboard.press("/");
  await page.keyboard.type("mother");
  await page.waitForSelector('[role="option"]');
  await page.keyboard.press("Enter");
  await page.waitForSelector(".inputs li .words");
  const truth = row("mother");
  assert.equal(truth.vectors.length, 8);
  for (const vector of truth.vectors) {
    await page.locator(`.picker a[aria-label="eigenvector ${vector.index}"]`).click();
    await page.waitForSelector(`.vector[data-index="${vector.index}"]`);
    assert.ok(Math.abs(number(await page.locator(".vector .lambda").textContent()) - vector.eigenvalue) < 1e-3);
    const first = page.locator(".vt", { has: page.getByText("Direct", { exact: true }) }).locator("tbody tr").first().locator("td");
    /* An eigenvector is drawn by the end its inputs are at, so its sign may be turned against the atlas's. */
    const { top, bottom } = vector.sources.direct;
    const turned = vector.matches.reduce((sum, m) => sum + m.similarity * Math.abs(m.similarity), 0) < 0;
    const best = turned ? [bottom[0][0], -bottom[0][1]] : top[0];
    assert.equal(await first.nth(0).textContent(), best[0]);
    const [shown, exact] = [number(await first.nth(1).textContent()), best[1]];
    assert.ok(Math.abs(shown - exact) <= 0.0051 + 0.005 * Math.abs(exact), `${shown}, ${exact}`);
    await page.waitForFunction(n => document.querySelectorAll(".inputs li").length === n, vector.matches.length);
    const match = vector.matches[0];
    assert.equal(await page.locator(".inputs .act .plain").first().textContent(), `story ${match.story}, position ${match.position}`);
    assert.equal(await page.locator(".inputs .at").first().textContent(), `[${match.token}]`);
    const tip = await page.locator(".inputs .at").first().getAttribute("data-tip");
    assert.ok(
      Math.abs(number(tip) - match.contributions[match.position]) <= 0.0051 + 0.004 * Math.max(...match.contributions.map(Math.abs)),
      tip
    );
  }
  /* The whole spectrum against the command line's of a direction with the mean subtracted is the atlas's own concern; its ends are here. */
  const values = (await page.locator(".spectrum svg").getAttribute("data-values")).split(" ").map(Number);
  assert.equal(values.length, 256);
  assert.ok(Math.abs(values[255] - truth.highest) < 1e-3 && Math.abs(values[0] - truth.lowest) < 1e-3);
  assert.ok(values.every((x, i) => i === 0 || x >= values[i - 1] - 1e-3));
  await page.waitForSelector(".spectrum svg[data-null]");
  const none = (await page.locator(".spectrum svg").getAttribute("data-null")).split(" ").map(Number);
  assert.ok(Math.abs(none[255] - truth.null_highest) < 1e-3);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test("sorting, comparing, sharing, and what needs the server", async () => {
  const page = await open(home);
  await page.show("index.html#/find?sort=count&asc=0");
  await page.waitForSelector(".list tbody tr");
  const counts = (await page.locator(".list tbody td:last-child").allTextContents()).map(t => number(t.replace(/,/g, "")));
  assert.ok(counts.length >= 50 && counts.every((c, i) => i === 0 || c <= counts[i - 1]));
  await page.show("index.html#/compare?token=mother&with=null");
  await page.waitForFunction(() => document.querySelectorAll(".side .spectrum svg").length === 2);
  await page.show("index.html#/direction?token=mother&eig=0&show=bars");
  await page.waitForSelector('.vector[data-index="0"] .bars');
  await page.show("index.html#/sentence");
  await page.waitForSelector(".shares .heads");
  const sums = async () => (await page.locator(".waterfall .v").allTextContents()).map(number);
  const closes = values => Math.abs(values.slice(0, -1).reduce((a, b) => a + b, 0) - values[values.length - 1]) < 0.02;
  const alone = await sums();
  assert.ok(closes(alone), `${alone}`);
  assert.equal(await page.locator(".predictions .button").count(), 4);
  await page.locator(".predictions .button").nth(1).click();
  await page.waitForFunction(() => document.querySelector(".account h2").textContent.includes("rather than"));
  const against = await sums();
  assert.ok(closes(against), `${against}`);
  /* The other way round the same sum with the other sign. */
  const rival = await page.locator(".account h2 .tok").last().textContent();
  await page.locator(".predictions a", { hasText: new RegExp(`^${rival}$`) }).click();
  await page.waitForFunction(rival => document.querySelector(".account h2").textContent === "Why " + rival, rival);
  await page.locator(".predictions .button").first().click();
  await page.waitForFunction(() => document.querySelector(".account h2").textContent.includes("rather than"));
  const turned = await sums();
  assert.ok(closes(turned) && Math.abs(turned[turned.length - 1] + against[against.length - 1]) < 0.01, `${turned}`);
  await page.locator(".excited a").first().click();
  await page.waitForSelector(".vector .vt");
  await page.show("index.html#/direction?token=mother&minus=swim");
  await page.waitForSelector(".failure");
  assert.match(await page.locator(".failure").textContent(), /running explorer/);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

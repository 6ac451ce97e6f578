// Directions of one's own and several layers in one atlas: the list, a page of one, a dictionary's features beside it, the layer in the
// address; the same as a static site.
"use strict";
const { test, before, after } = require("node:test");
const assert = require("node:assert/strict");
const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const { BILENS, MODEL, SOURCE, folder, makeAtlas, serve, open, quit } = require("./support.js");

const TWO = path.join(SOURCE, "tests", "data", "models", "later-bilinear");
const vectors = path.join(folder, "own.csv");
let own, layers, site;
before(async () => {
  /* Numbers that look like chance, and are the same every time. */
  let seed = 7;
  const number = () => ((seed = (seed * 16807) % 2147483647) / 2147483647 - 0.5).toFixed(6);
  const row = () => Array.from({ length: 256 }, number).join(",");
  fs.writeFileSync(vectors, Array.from({ length: 6 }, row).join("\n"));
  fs.writeFileSync(path.join(folder, "names.txt"), "red\ngreen\nblue <b>\nhot\ncold\nwet\n");
  const atlas = makeAtlas("own.db", "--stories", "60", "--directions", vectors, "--names", path.join(folder, "names.txt"));
  own = await serve("--atlas", atlas, "--basis", vectors);
  const two = path.join(folder, "two.db"),
    stories = path.join(SOURCE, "tests", "data", "models", "stories.txt");
  execFileSync(BILENS, ["atlas", TWO, "--corpus", stories, "--layers", "0,1", "-o", two, "--quiet"]);
  layers = await serve(TWO, "--atlas", two);
  site = path.join(folder, "own-site");
  execFileSync(BILENS, ["atlas", MODEL, "--from", atlas, "--site", site, "--quiet"], { stdio: "ignore" });
});
after(async () => {
  await quit();
  for (const server of [own, layers]) assert.equal(await server.stop(), 0);
});
const leave = async page => {
  assert.deepEqual(page.complaints, []);
  await page.context().close();
};

test("the list of one's own directions, and a page of one", async () => {
  const page = await open(own.url);
  await page.show("#/find");
  await page.waitForSelector(".list tbody tr");
  assert.equal(await page.locator(".list tbody tr").count(), 6);
  const heads = (await page.locator(".list thead th").allTextContents()).join(" ");
  assert.match(heads, /Direction/);
  assert.doesNotMatch(heads, /Effect(?!ive)|In the corpus/, "what only tokens have");
  await page.click('.list tbody a:has-text("blue <b>")');
  await page.waitForSelector(".inputs li .words");
  assert.equal(await page.locator("h1").textContent(), "“blue <b>”");
  assert.match(page.url(), /#\/direction\?direction=%40.*own\.csv%3A2$/);
  assert.match(await page.locator(".matter").textContent(), /no token/);
  await page.waitForSelector(".features table");
  assert.match(await page.locator(".features").textContent(), /By itself.*Two together/s);
  assert.ok((await page.locator(".vector h3", { hasText: "Input features" }).count()) === 1);
  await page.show("#/find?q=HOT");
  await page.waitForFunction(() => document.querySelectorAll(".list tbody tr").length === 1);
  await leave(page);
});

test("a vector that the atlas does not hold is refused, and no file is opened", async () => {
  const page = await open(own.url);
  const ask = async direction => page.request.get(own.url + "api/eigen?direction=" + encodeURIComponent(direction));
  for (const text of ["@/etc/passwd", `@${vectors}:6`, `@${vectors}`, `@${vectors}:1x`, "@own.csv:1"]) {
    const answer = await ask(text);
    assert.equal(answer.status(), 400, text);
    assert.match((await answer.json()).error.message, /no files here/);
  }
  assert.equal((await ask(`@${vectors}:5`)).status(), 200);
  await page.context().close();
});

test("the layer is in the address, and goes along", async () => {
  const page = await open(layers.url);
  await page.show("#/find?least=0&whole=0");
  await page.waitForSelector(".list tbody tr");
  const first = await page.locator(".list tbody tr").first().textContent();
  await page.selectOption(".tools select", "1");
  await page.waitForFunction(before => document.querySelector(".list tbody tr").textContent !== before, first);
  assert.match(page.url(), /layer=1/);
  await page.locator(".list tbody tr a").first().click();
  await page.waitForSelector(".inputs li .words");
  assert.match(page.url(), /layer=1/);
  assert.equal(await page.locator(".subject select[aria-label=Layer]").inputValue(), "1");
  await leave(page);
});

test("why this word, layer by layer: of a server and of a static site", async () => {
  const place = path.join(folder, "two-site");
  execFileSync(BILENS, ["atlas", TWO, "--from", path.join(folder, "two.db"), "--site", place, "--quiet"], { stdio: "ignore" });
  for (const home of [layers.url, `file://${place}/`]) {
    const page = await open(home);
    await page.show(home.startsWith("file") ? "index.html#/sentence" : "#/sentence?story=0");
    await page.waitForSelector(".waterfall");
    const sum = () => page.locator(".account").textContent();
    const before = await sum();
    await page.selectOption(".account select[aria-label=Layer]", "1");
    await page.waitForFunction(was => document.querySelector(".waterfall") && document.querySelector(".account").textContent !== was, before);
    assert.match(page.url(), /layer=1/);
    await page.waitForSelector(".shares .heads");
    assert.equal(await page.locator(".failure").count(), 0);
    await leave(page);
  }
});

test("the static site of one's own directions", async () => {
  const home = `file://${site}/`,
    page = await open(home);
  await page.show("index.html");
  await page.waitForSelector(".list tbody tr");
  assert.equal(await page.locator(".list tbody tr").count(), 6);
  await page.click('.list tbody a:has-text("green")');
  await page.waitForSelector(".inputs li .words");
  assert.equal(await page.locator("h1").textContent(), "“green”");
  await leave(page);
});

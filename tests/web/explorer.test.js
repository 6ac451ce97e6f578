// The explorer of the embedded default, with a small atlas: what a reader does in it, and what it must never do.
"use strict";
const { test, before, after } = require("node:test");
const assert = require("node:assert/strict");
const fs = require("node:fs");
const { bilens, makeAtlas, serve, open, quit } = require("./support.js");

let server;
before(async () => {
  server = await serve("--atlas", makeAtlas("small.db", "--frequent", "80"));
});
after(async () => {
  await quit();
  assert.equal(await server.stop(), 0, "Ctrl-C ends the server cleanly");
});

const visit = async (hash, options) => {
  const page = await open(server.url, options);
  await page.show(hash);
  return page;
};
/* A page is left with no complaint. */
const leave = async page => {
  assert.deepEqual(page.complaints, []);
  await page.context().close();
};
const texts = (page, selector) => page.locator(selector).allTextContents();
const plain = text => text.replace(/\u2212/g, "-");
const ready = page => page.waitForSelector(".inputs li .words");

test("find a token by typing", async () => {
  const page = await visit("#/find");
  await page.waitForSelector(".list tbody tr");
  await page.keyboard.press("/");
  await page.keyboard.type("swim");
  await page.waitForSelector('[role="option"]');
  assert.equal(await page.locator('[role="option"] .tok').first().textContent(), "swim");
  assert.equal(await page.locator(".search input").getAttribute("aria-expanded"), "true");
  await page.keyboard.press("Enter");
  await ready(page);
  assert.equal(await page.locator("h1").textContent(), "“swim”");
  assert.match(page.url(), /#\/direction\?token=swim$/);
  await page.waitForFunction(() => document.title === "swim · A direction · bilens"); /* once all of it is there */
  await leave(page);
});

test("sort and filter the list", async () => {
  const page = await visit("#/find");
  await page.waitForSelector(".list tbody tr");
  const numbers = async column =>
    (await texts(page, `.list tbody td:nth-child(${column})`)).filter(t => t !== "–").map(t => parseFloat(plain(t).replace(/[,×]/g, "")));
  const sorted = (list, way) => list.every((x, i) => i === 0 || way * (list[i - 1] - x) <= 0);
  for (const [name, column] of [
    ["Largest |λ|", 6],
    ["Effective rank", 9],
    ["Effect", 4],
    ["Beside chance", 3],
    ["In the corpus", 11]
  ]) {
    for (const way of ["descending", "ascending"]) {
      const on = page.locator(`.list th[aria-sort="${way}"]`).getByRole("button", { name, exact: true });
      if (!(await on.count())) await page.getByRole("button", { name, exact: true }).click();
      await on.waitFor();
      await page.waitForFunction(() => !document.querySelector('[aria-busy="true"]'));
      await page.waitForTimeout(300);
      const list = await numbers(column);
      assert.ok(list.length > 10 && sorted(list, way === "ascending" ? 1 : -1), `${name} ${way}: ${list}`);
    }
  }
  await page.getByLabel("Only tokens with").fill("th");
  await page.waitForFunction(() => [...document.querySelectorAll(".list tbody th")].every(th => th.textContent.includes("th")));
  assert.ok((await page.locator(".list tbody tr").count()) > 1);
  assert.ok(await page.locator(".list .spark rect").count(), "small spectra are drawn");
  await leave(page);
});

test("the numbers are the command line's", async () => {
  const truth = bilens("eigen", "--token", "swim", "--minus", "run,climb");
  const scan = bilens("scan", "--token", "swim", "--minus", "run,climb");
  const page = await visit("#/direction?token=swim&minus=run&minus=climb");
  await ready(page);
  const drawn = (await page.locator(".spectrum svg").getAttribute("data-values")).split(" ").map(Number);
  assert.equal(drawn.length, truth.eigenvalues.length);
  truth.eigenvalues.forEach((value, i) => assert.ok(Math.abs(value - drawn[i]) < 1e-4, `eigenvalue ${i}`));
  await page.waitForSelector(".spectrum svg[data-null]"); /* the null model is behind it */
  for (const vector of truth.vectors) {
    await page.locator(`.picker a[aria-label="eigenvector ${vector.index}"]`).click();
    await page.waitForSelector(`.vector[data-index="${vector.index}"]`);
    const head = plain(await page.locator(".vector h2").textContent());
    assert.ok(Math.abs(parseFloat(head.match(/λ = (\S+?)evidence/)[1]) - vector.eigenvalue) < 1e-3, head);
    assert.match(head, vector.eigenvalue > 0 ? /evidence for swim/ : /evidence against swim/);
    const hits = scan.vectors.find(v => v.index === vector.index);
    await page.waitForFunction(n => document.querySelectorAll(".inputs li").length === n, hits.matches.length);
    /* The sign that is drawn is that of the end with most of the inputs' activation. */
    const [token, value] = hits.orientation > 0 ? vector.sources.direct.top[0] : vector.sources.direct.bottom[0];
    const first = page.locator(".vt", { has: page.getByText("Direct", { exact: true }) }).locator("tbody tr").first().locator("td");
    assert.equal(await first.nth(0).textContent(), token);
    assert.ok(Math.abs(parseFloat(plain(await first.nth(1).textContent())) - hits.orientation * value) < 2e-3);
    const match = hits.matches.find(m => hits.orientation * m.similarity >= 0);
    assert.ok(Math.abs(parseFloat(plain(await page.locator(".inputs .act b").first().textContent())) - match.activation) < 0.02);
    assert.equal(await page.locator(".inputs .act a, .inputs .act span").first().textContent(), `story ${match.story}, position ${match.position}`);
  }
  await leave(page);
});

test("select an eigenvalue by clicking and by keys", async () => {
  const page = await visit("#/direction?token=swim");
  await ready(page);
  const box = await page.locator(".spectrum svg").boundingBox();
  await page.mouse.click(box.x + box.width * 0.3, box.y + box.height / 2);
  await page.waitForFunction(() => !["-1", undefined].includes(document.querySelector(".vector").dataset.index));
  const at = +(await page.locator(".vector").getAttribute("data-index"));
  assert.ok(at > 40 && at < 110, `index ${at}`);
  await page.locator(".probe").focus();
  await page.keyboard.press("Home");
  await page.keyboard.press("ArrowRight");
  assert.equal(await page.locator(".probe").getAttribute("aria-valuenow"), "1");
  await page.keyboard.press("Enter");
  await page.waitForSelector('.vector[data-index="1"]');
  assert.ok(await page.evaluate(() => document.activeElement.className === "probe"), "the focus stays");
  await page.goBack();
  await page.waitForSelector(`.vector[data-index="${at}"]`);
  await leave(page);
});

test("keyboard only: search, direction, eigenvectors, contrast, bars, sentence", async () => {
  const page = await visit("#/find");
  await page.waitForSelector(".list tbody tr");
  const to = async name => {
    for (let i = 0; i < 80; i++) {
      await page.keyboard.press("Tab");
      const here = await page.evaluate(() => document.activeElement.getAttribute("aria-label") || document.activeElement.textContent);
      if (here === name) return;
    }
    assert.fail(`Tab does not lead to '${name}'`);
  };
  await page.keyboard.press("/");
  await page.keyboard.type("swi");
  await page.waitForSelector('[role="option"]');
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("Enter");
  await ready(page);
  await page.keyboard.press("Escape");
  await page.keyboard.press("]");
  await page.keyboard.press("[");
  await page.keyboard.press("[");
  await page.waitForSelector('.vector[data-index="-3"]');
  await to("Add a contrast token");
  await page.keyboard.type("run");
  await page.waitForSelector('.subject [role="option"]');
  await page.keyboard.press("Enter");
  await page.waitForSelector(".chip");
  assert.deepEqual(await texts(page, ".chip .tok"), ["run"]);
  await ready(page);
  await to("bars");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".bars");
  assert.match(page.url(), /show=bars/);
  await page.keyboard.press("Escape");
  await page.keyboard.press("3");
  await page.waitForSelector(".word");
  await page.locator(".word").last().focus();
  await page.keyboard.press("ArrowLeft");
  await page.waitForFunction(() => document.activeElement === document.querySelector(".word[aria-current]"));
  await page.keyboard.press("?");
  assert.ok(await page.locator("#help").evaluate(d => d.open));
  await page.keyboard.press("Escape");
  await leave(page);
});

test("a word's tip tells its contribution and the heads that carried it", async () => {
  const page = await visit("#/direction?token=swim&minus=run&minus=climb");
  await ready(page);
  const word = page.locator(".words .at").first();
  await word.hover();
  const lines = await texts(page, "#tip .path .v");
  assert.match(await page.locator("#tip").textContent(), /^[+\u2212]\d/);
  assert.ok(lines.length >= 2, "paths are listed");
  await page.getByRole("button", { name: "by head" }).first().click();
  await page.waitForSelector(".heads");
  /* Rows and columns sum to the similarity. */
  const sums = (await texts(page, ".heads .sum")).map(t => parseFloat(plain(t)));
  const all = sums.pop();
  assert.ok(Math.abs(sums.reduce((a, b) => a + b, 0) - all) < 0.06, `${sums} sum to ${all}`);
  await page.getByRole("button", { name: "Show more" }).click();
  await page.waitForFunction(() => document.querySelectorAll(".inputs li").length === 16);
  await leave(page);
});

test("why this word: an account that sums to the logit, against another word, opened by word and head", async () => {
  const text = "Tom went to the lake. He jumped into the",
    page = await visit("#/sentence");
  await page.getByLabel("Text").fill(text);
  await page.waitForFunction(() => [...document.querySelectorAll(".word")].some(w => w.textContent === "lake"));
  assert.deepEqual(await texts(page, ".word"), bilens("tokenize", "--text", text).tokens);
  const shown = (await texts(page, ".predictions .v")).map(parseFloat);
  assert.equal(shown.length, 10);
  assert.ok(shown.every((p, i) => i === 0 || p <= shown[i - 1]));
  /* The parts sum to the logit that the program gives. */
  const check = async truth => {
    await page.waitForFunction(
      want => {
        const total = document.querySelector(".waterfall .total .v");
        return total && Math.abs(parseFloat(total.textContent.replace("\u2212", "-")) - want) < 0.01;
      },
      truth.logit
    );
    const values = (await texts(page, ".waterfall .v")).map(t => parseFloat(plain(t))),
      total = values.pop();
    assert.ok(Math.abs(values.reduce((a, b) => a + b, 0) - total) < 0.02, `${values} sum to ${total}`);
    await page.waitForSelector(".shares .heads");
    const term = parseFloat(plain(await page.locator(".shares .note b").textContent())),
      sums = (await texts(page, ".shares .heads .sum")).map(t => parseFloat(plain(t)));
    assert.ok(Math.abs(sums.pop() - term) < 0.02, "its words sum to the term");
  };
  await check(bilens("explain", "--text", text, "--token", "water", "--minus", "*"));
  await page.getByRole("link", { name: "rather than pond" }).click();
  await check(bilens("explain", "--text", text, "--token", "water", "--minus", "pond"));
  assert.match(await page.locator(".account h2").textContent(), /water rather than pond/);
  await page.locator(".waterfall a", { hasText: "head 4" }).click();
  await page.waitForFunction(() => /head 4 adds/.test(document.querySelector(".shares .note").textContent));
  /* What the place excites, of all directions. */
  const activations = (await texts(page, ".excited .single")).map(t => Math.abs(parseFloat(plain(t))));
  assert.ok(activations.length > 5 && activations.every((a, i) => i === 0 || a <= activations[i - 1] + 0.011));
  await page.locator(".excited tbody a").nth(4).click();
  await page.waitForFunction(() => {
    const row = document.querySelector(".excited [aria-current] .single");
    return row && document.querySelector(".shares .note").textContent.includes(`adds ${/^\d/.test(row.textContent) ? "+" : ""}${row.textContent} `);
  });
  await page.locator(".word").nth(3).click();
  await page.waitForFunction(
    () => document.querySelector("section h2").textContent === "After “to”" && document.querySelector(".word:nth-child(4)[aria-current]")
  );
  await leave(page);
});

test("does it matter: what the atlas knows, and the model without an eigenvector beside its controls", async () => {
  const page = await visit("#/direction?token=the");
  await page.waitForSelector(".matter .button");
  assert.match(await page.locator(".matter").textContent(), /times as large as chance.*nats/s);
  await page.getByRole("button", { name: "Take it out of the model" }).click();
  await page.waitForSelector(".matter .curve");
  assert.equal(await page.locator(".matter .control").count(), 10);
  assert.match(await page.locator(".matter").textContent(), /Of 5 random directions and as many null models/);
  await page.show("#/find?sort=effect");
  await page.waitForSelector(".list [aria-sort] button");
  await page.waitForSelector(".list tbody tr:nth-child(5)");
  const effects = (await texts(page, ".list tbody td:nth-child(4)")).map(t => parseFloat(plain(t))).filter(Number.isFinite);
  assert.ok(effects.length > 3 && effects.every((e, i) => i === 0 || e <= effects[i - 1]), `${effects}`);
  await leave(page);
});

test("by meaning: who reads a word, what is like one, and from a place back to its story", async () => {
  const page = await visit("#/find");
  await page.locator("#search input").fill("the");
  await page.getByRole("option", { name: /Who reads the/ }).click();
  await page.waitForSelector(".found table tbody tr");
  const strength = (await texts(page, ".found .single")).map(t => Math.abs(parseFloat(plain(t))));
  assert.ok(strength.length > 3 && strength.every((a, i) => i === 0 || a <= strength[i - 1] + 0.011), `${strength}`);
  await page.getByRole("navigation", { name: "Through" }).getByRole("link", { name: "head 4" }).click();
  await page.waitForFunction(() => [...document.querySelectorAll(".found tbody tr td:nth-child(3)")].every(td => td.textContent === "head 4"));
  await page.locator("#search input").fill("swim");
  await page.getByRole("option", { name: /Tokens like swim/ }).click();
  await page.waitForFunction(() => document.querySelector("h1").textContent === "Tokens like swim");
  const alike = (await texts(page, ".found section:first-child tbody th")).slice(0, 5);
  const truth = bilens("similar", "--token", "swim", "--minus", "*");
  assert.deepEqual(alike, truth.top.slice(0, 5).map(([token]) => token));
  await page.show("#/direction?token=the");
  const place = page.locator(".inputs .act a").first(),
    [, position] = (await place.textContent()).match(/position (\d+)/);
  await place.click();
  await page.waitForSelector(".waterfall");
  assert.equal(await page.locator(".word[aria-current]").evaluate(w => [...w.parentElement.children].indexOf(w)), +position);
  await leave(page);
});

test("a shared address shows the same", async () => {
  for (const hash of [
    "#/direction?token=swim&minus=run&eig=0&show=bars",
    "#/sentence?text=the+dog+ran+home&at=2",
    "#/compare?token=swim&token2=run&eig=-2",
    "#/find?q=th&sort=count"
  ]) {
    const one = await visit(hash);
    await one.waitForLoadState("networkidle");
    await one.waitForTimeout(600);
    const other = await visit(one.url().slice(server.url.length));
    await other.waitForLoadState("networkidle");
    await other.waitForTimeout(600);
    const [a, b] = [await one.locator("main").innerText(), await other.locator("main").innerText()];
    assert.ok(a.length > 100);
    assert.equal(a, b);
    await leave(one);
    await leave(other);
  }
});

test("compare shares one axis; the null model stands beside", async () => {
  const page = await visit("#/compare?token=swim&token2=run");
  await page.waitForFunction(() => document.querySelectorAll(".side .inputs").length === 2);
  const scales = await page.locator(".side .spectrum svg").evaluateAll(all => all.map(s => s.dataset.dy + " " + s.dataset.y0));
  assert.equal(scales.length, 2);
  assert.equal(scales[0], scales[1]);
  await page.getByRole("button", { name: "null model" }).click();
  await page.waitForFunction(() => document.querySelectorAll(".side > h2")[1].textContent.startsWith("null model of"));
  await page.waitForFunction(() => document.querySelectorAll(".side .spectrum svg").length === 2);
  await page.waitForLoadState("networkidle");
  await leave(page);
});

test("dark and light", async () => {
  const page = await visit("#/direction?token=swim", { colorScheme: "dark" });
  await ready(page);
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.equal(await paper(), "rgb(20, 23, 27)");
  await page.locator("#theme").click();
  assert.equal(await paper(), "rgb(252, 252, 250)");
  await page.reload();
  assert.equal(await paper(), "rgb(252, 252, 250)");
  await leave(page);
});

test("a narrow window scrolls only downwards", async () => {
  for (const hash of [
    "#/find",
    "#/direction?token=swim&minus=run",
    "#/direction?token=swim&show=bars",
    "#/sentence",
    "#/compare?token=swim"
  ]) {
    const page = await visit(hash, { viewport: { width: 360, height: 740 } });
    await page.waitForLoadState("networkidle");
    await page.waitForTimeout(400);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), hash);
    await leave(page);
  }
});

test("CSV and figures can be taken along", async () => {
  const page = await visit("#/direction?token=swim");
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await ready(page);
  const clipboard = async name => {
    await page.getByRole("button", { name, exact: true }).click();
    await page.waitForFunction(() => document.querySelector("#said").textContent.includes("copied"));
    return page.evaluate(() => navigator.clipboard.readText());
  };
  const spectrum = (await clipboard("Copy the spectrum as CSV")).trim().split(/\r?\n/);
  assert.equal(spectrum[0], "index,eigenvalue,null");
  assert.equal(spectrum.length, 257);
  assert.match(await clipboard("Copy the virtual tokens as CSV"), /^vector,eigenvalue,source,side,rank,token,value\r?\n-1,/);
  assert.match(
    await clipboard("Copy the inputs as CSV"),
    /^vector,eigenvalue,rank,story,position,activation,similarity,source_position,token,contribution/
  );
  for (const [kind, begin] of [
    ["SVG", "<svg"],
    ["PNG", "\x89PNG"]
  ]) {
    const [saved] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: `Save spectrum of swim as ${kind}` }).click()
    ]);
    assert.equal(saved.suggestedFilename(), `spectrum-of-swim.${kind.toLowerCase()}`);
    const bytes = fs.readFileSync(await saved.path(), "latin1");
    assert.ok(bytes.startsWith(begin) && bytes.length > 5000, kind);
    assert.ok(!bytes.includes("var(--"), "colours are written out");
  }
  await leave(page);
});

test("what is wrong is said", async () => {
  const page = await open(server.url);
  await page.show("#/direction?token=swimm");
  await page.waitForSelector(".failure");
  assert.match(await page.locator(".failure").textContent(), /swimm/);
  assert.ok((await page.locator(".failure a").count()) > 0, "the nearest tokens are offered");
  await page.show("#/direction?token=swim&eig=4000");
  await page.waitForSelector(".failure");
  await page.show("#/nothing?%%%");
  await page.waitForSelector(".list tbody tr");
  /* Chromium itself notes an answer of 400 on the console; nothing else may be there. */
  assert.deepEqual(
    page.complaints.filter(c => !/status of 4\d\d/.test(c)),
    []
  );
  await page.context().close();
});

test("the marks of degenerate eigenvalues are explained, and can be left out", async () => {
  const page = await open(server.url);
  await page.route("**/api/eigen?*", async route => {
    const answer = await route.fetch(),
      json = await answer.json();
    await route.fulfill({ response: answer, json: { ...json, groups: [[10, 14]] } });
  });
  await page.show("#/direction?token=swim");
  await page.waitForSelector(".inputs li .words");
  assert.equal(await page.locator(".spectrum .band").count(), 1);
  await page.getByRole("button", { name: "Hide the marks of degenerate eigenvalues" }).click();
  await page.waitForFunction(() => !document.querySelector(".spectrum .band"));
  assert.match(page.url(), /plain=1/);
  await page.getByRole("button", { name: "Show the marks of degenerate eigenvalues" }).click();
  await page.waitForSelector(".spectrum .band");
  await leave(page);
});

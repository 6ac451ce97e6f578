// The explorer of an image model and of one of modular addition: gallery, a class, an image, the closed form.
"use strict";
const { test, before, after } = require("node:test");
const assert = require("node:assert/strict");
const path = require("node:path");
const { SOURCE, bilens, serve, open, quit } = require("./support.js");

const MODEL = path.join(SOURCE, "tests/data/images/fashion-64"),
  SAMPLE = path.join(SOURCE, "tests/data/images/sample"),
  MODULAR = path.join(SOURCE, "tests/data/images/modular-59");
let images, modular;
before(async () => {
  images = await serve(MODEL, "--images", SAMPLE);
  modular = await serve(MODULAR);
});
after(async () => {
  await quit();
  assert.equal(await images.stop(), 0);
  assert.equal(await modular.stop(), 0);
});
const visit = async (server, hash) => {
  const page = await open(server.url);
  await page.show(hash);
  return page;
};
const leave = async page => {
  assert.deepEqual(page.complaints, []);
  await page.context().close();
};
const plain = text => text.replace(/\u2212/g, "-");
/* The colours of a canvas, as one text. */
const pixels = canvas => canvas.evaluate(c => c.toDataURL());

test("the gallery is the first view: ten classes of eight pictures, each of its own", async () => {
  const page = await visit(images, "");
  await page.waitForSelector(".gallery canvas");
  assert.equal(await page.locator(".gallery tr").count(), 10);
  assert.equal(await page.locator(".gallery canvas").count(), 80);
  const drawn = new Set();
  for (const canvas of await page.locator(".gallery canvas").all()) drawn.add(await pixels(canvas));
  assert.equal(drawn.size, 80);
  const box = await page.locator(".gallery").boundingBox();
  assert.ok(box.height < 900, `the gallery fits on one screen: ${box.height}`);
  const numbers = (await page.locator(".gallery tr").nth(7).locator("td span").allTextContents()).map(t => +plain(t));
  const want = bilens("eigen", MODEL, "--class", "7", "--minus", "all").vectors.map(v => v.eigenvalue);
  numbers.forEach((value, i) => assert.ok(Math.abs(value - want[i]) < 6e-4, `${value} for ${want[i]}`));
  await leave(page);
});

test("a class: from the gallery to its eigenvectors, the images that excite them, and the other space", async () => {
  const page = await visit(images, "");
  await page.waitForSelector(".gallery canvas");
  await page.locator(".gallery th a").nth(7).click();
  await page.waitForSelector(".inputs-row figure");
  assert.equal(await page.locator("h1").textContent(), "Sneaker");
  assert.equal(await page.locator(".inputs-row figure").count(), 12);
  const first = await pixels(page.locator("canvas.large").first());
  await page.locator(".chips a").nth(4).click();
  await page.waitForFunction(() => document.querySelector("h2").textContent.includes("Eigenvector 0"));
  await page.waitForSelector(".inputs-row figure");
  assert.notEqual(await pixels(page.locator("canvas.large").first()), first);
  await page.getByRole("button", { name: "pixels" }).click();
  await page.waitForFunction(() => location.hash.includes("space=pixel") && !document.querySelector("main[aria-busy]"));
  const want = bilens("eigen", MODEL, "--class", "7", "--minus", "all", "--space", "pixel", "--eigs", "0").vectors[0].eigenvalue;
  assert.ok(Math.abs(parseFloat(plain(await page.locator("h2 span").textContent()).replace("λ = ", "")) - want) < 1e-4);
  await page.keyboard.press("]");
  await page.waitForFunction(() => document.querySelector("h2").textContent.includes("Eigenvector 1"));
  await leave(page);
});

test("an image: its class, and the terms of its highest logits with their pictures", async () => {
  const page = await visit(images, "#/image?image=17");
  await page.waitForSelector(".inputs-row canvas");
  const want = bilens("explain", MODEL, "--images", SAMPLE, "--image", "17", "--top", "6");
  assert.equal(await page.locator("h1").textContent(), `Image 17: ${want.label}`);
  const titles = (await page.locator("main h2").allTextContents()).map(plain);
  want.classes.forEach((one, i) => assert.equal(titles[i], `${one.class} logit ${one.logit.toFixed(3)}`));
  const shown = (await page.locator(".inputs-row").first().locator("figcaption span").allTextContents()).map(t => +plain(t));
  const top = Math.max(...want.classes[0].highest.map(t => t.contribution));
  assert.ok(Math.abs(shown[0] - top) < 1e-3 && shown.length === 12);
  await leave(page);
});

test("light and dark: pictures are drawn again", async () => {
  const page = await visit(images, "");
  await page.waitForSelector(".gallery canvas");
  const canvas = page.locator(".gallery canvas").first(),
    light = await pixels(canvas);
  await page.click("#theme");
  assert.notEqual(await pixels(canvas), light);
  await leave(page);
});

test("modular addition: the closed form below the picture", async () => {
  const page = await visit(modular, "#/class?class=3&minus=all&eig=-1");
  await page.waitForSelector("canvas.large");
  assert.equal(await page.locator("canvas.large").count(), 2);
  assert.match(await page.locator("main").textContent(), /cosines of frequency 10; it is 99\.9 % of the eigenvector/);
  await leave(page);
});

test("a direction as text is the same as class and minus", async () => {
  const ask = async parameters => (await fetch(`${new URL("/api/eigen", images.url)}?eigs=-1&${parameters}`)).text();
  const text = await ask("direction=class:9%20-%20class:7");
  assert.equal(text, await ask("class=ankle-boot&minus=sneaker"));
  assert.match(text, /"direction":"\\"class:Ankle boot\\" - class:Sneaker"/);
  assert.match(await ask("direction=class:9&class=3"), /says it all/);
  assert.match(await ask("direction=@x.npy"), /no files here/);
});

test("what is not there is said", async () => {
  const page = await visit(images, "#/class?class=boots");
  await page.waitForSelector('[role="alert"]');
  assert.match(await page.locator('[role="alert"]').textContent(), /no class 'boots'/);
  page.complaints = page.complaints.filter(text => !text.includes("404")); /* the browser's own note of the answer's status */
  await leave(page);
});

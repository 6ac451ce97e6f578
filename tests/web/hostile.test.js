// A vocabulary that means harm: tokens are markup, handlers, addresses, direction marks. The page shows them and does nothing else.
"use strict";
const { test, after } = require("node:test");
const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const { MODEL, folder, serve, open, quit } = require("./support.js");

after(quit);

const attacks = {
  swim: "<script>globalThis.hacked=1</script>",
  the: "<img src=x onerror=globalThis.hacked=1>",
  and: '"><svg onload=globalThis.hacked=1>',
  was: "javascript:globalThis.hacked=1",
  he: "\u202egnp.exe",
  she: "</title></style></script>",
  run: "a,b&minus=c#d?e=f",
  big: "'\"`${globalThis.hacked=1}`"
};

function poisoned() {
  const to = path.join(folder, "poisoned");
  fs.cpSync(MODEL, to, { recursive: true });
  const file = path.join(to, "tokenizer.json"),
    json = JSON.parse(fs.readFileSync(file, "utf8"));
  for (const [token, attack] of Object.entries(attacks)) {
    json.model.vocab[attack] = json.model.vocab[token];
    delete json.model.vocab[token];
  }
  fs.writeFileSync(file, JSON.stringify(json));
  return to;
}

test("tokens are text, whatever they say", async () => {
  const server = await serve(poisoned());
  const page = await open(server.url);
  const harmless = async () => {
    assert.equal(await page.evaluate(() => globalThis.hacked), undefined);
    assert.equal(
      await page.evaluate(
        () => document.querySelectorAll("main script, main img, main style, [onload], [onerror], a[href^=javascript]").length
      ),
      0
    );
  };
  await page.show("#/find");
  await page.waitForSelector(".list tbody tr");
  await page.locator(".search input").fill("<script>");
  await page.waitForSelector('[role="option"]');
  assert.equal(await page.locator('[role="option"] .tok').first().textContent(), attacks.swim);
  await harmless();
  await page.keyboard.press("Enter");
  await page.waitForSelector(".inputs li .words");
  assert.equal(await page.locator("h1").textContent(), `“${attacks.swim}”`);
  await page.locator(".words span").first().hover();
  await harmless();
  for (const attack of Object.values(attacks)) {
    if (attack === attacks.swim) continue; // a token minus itself is no direction
    await page.show("#/direction?" + new URLSearchParams({ token: attack, minus: attacks.swim, show: "bars" }));
    await page.waitForSelector(".inputs li .words");
    assert.equal(await page.locator(".chip .tok").textContent(), attacks.swim);
    await harmless();
  }
  await page.show("#/direction?" + new URLSearchParams({ token: attacks.he }));
  await page.waitForSelector(".inputs li .words");
  assert.equal(await page.locator("h1").textContent(), "“<U+202E>gnp.exe”");
  await page.show("#/sentence?" + new URLSearchParams({ text: "<script>globalThis.hacked=1</script> the <b>dog</b> was" }));
  await page.waitForSelector(".shares .words");
  await harmless();
  await page.show("#/compare?" + new URLSearchParams({ token: attacks.the, token2: attacks.run }));
  await page.waitForFunction(() => document.querySelectorAll(".side .inputs").length === 2);
  await harmless();
  assert.deepEqual(page.complaints, []);
  await page.context().close();
  assert.equal(await server.stop(), 0);
});

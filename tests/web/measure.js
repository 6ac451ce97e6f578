// How long a reader waits: medians in Chromium, in milliseconds. With BILENS (the program) and playwright-core to be found
// (tests/web/install.sh):
//
//   node tests/web/measure.js MODEL ATLAS [SITE]       RUNS=15; OLD=1: of a program that cannot say who reads a token
//
// A direction counts as drawn when spectrum, virtual tokens and top inputs are on the screen and the next frame has begun. Each run asks
// for another token, so that nothing is answered from the page's memory; with and without an atlas the server is fresh.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const { bilens, serve, open, quit } = require("./support.js");

const [model, atlas, site] = process.argv.slice(2);
const RUNS = +(process.env.RUNS || 15);
const median = list => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const report = (what, list) =>
  console.log(
    `${what.padEnd(62)} ${median(list).toFixed(0).padStart(6)} ms   (${Math.min(...list).toFixed(0)} … ${Math.max(...list).toFixed(0)}, ${list.length} runs)`
  );

/* In the page: from Enter in the search box to the direction on the screen; [spectrum and virtual tokens, top inputs as well]. */
function search(token) {
  const input = document.querySelector("#search input"),
    frame = () => new Promise(done => requestAnimationFrame(done));
  return (async () => {
    input.focus();
    input.value = token;
    const start = performance.now();
    input.dispatchEvent(new Event("input"));
    input.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
    const here = () => document.querySelector("h1").textContent === `“${token}”`;
    while (!(here() && document.querySelector(".vector[data-index='-1'] .vt"))) await frame();
    await frame();
    const drawn = performance.now() - start;
    while (!document.querySelector(".inputs li .words")) await frame();
    await frame();
    return [drawn, performance.now() - start];
  })();
}

async function searching(what, tokens, ...args) {
  const server = await serve(model, ...args),
    page = await open(server.url),
    times = [],
    paints = [];
  await page.show("#/find");
  await page.waitForSelector(".list tbody tr");
  await page.evaluate(search, tokens[RUNS]); /* once for nothing */
  for (const token of tokens.slice(0, RUNS)) {
    await page.waitForLoadState("networkidle"); /* the last direction's null model, which the page asks for at the end, is not this one's */
    times.push(await page.evaluate(search, token));
    await page.waitForTimeout(500);
    await page.evaluate(() => (location.hash = "#/find"));
    await page.waitForSelector(".list tbody tr");
  }
  report(
    `${what}: search to spectrum and virtual tokens`,
    times.map(t => t[0])
  );
  report(
    `${what}: search to top inputs as well`,
    times.map(t => t[1])
  );
  for (let i = 0; i < RUNS; i++) {
    const fresh = await open(server.url);
    await fresh.show("#/find");
    await fresh.waitForFunction(() => performance.getEntriesByName("first-contentful-paint").length);
    paints.push(await fresh.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime));
    await fresh.context().close();
  }
  report(`${what}: first paint`, paints);
  await page.context().close();
  return server;
}

/* "Who reads lake?" as the page asks it, other tokens first so that nothing is answered from memory. */
async function readers(server, tokens) {
  const page = await open(server.url),
    times = [];
  await page.show("#/find");
  await page.waitForSelector(".list tbody tr");
  for (const token of tokens.slice(0, RUNS))
    times.push(
      await page.evaluate(async token => {
        const frame = () => new Promise(done => requestAnimationFrame(done)),
          start = performance.now(),
          title = `Who reads ${token}?`;
        location.hash = "#/find?" + new URLSearchParams({ reads: token });
        while (!(document.querySelector("h1").textContent === title && document.querySelector(".found tbody tr"))) await frame();
        await frame();
        return performance.now() - start;
      }, token)
    );
  report("who reads a token: question to table", times);
  await page.context().close();
}

/* MB of the page's script after five directions, and of the server's process. */
async function memory(server, tokens) {
  const page = await open(server.url);
  for (const token of tokens.slice(0, 5)) {
    await page.show("#/direction?" + new URLSearchParams({ token }));
    await page.waitForSelector(".inputs li .words");
  }
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize } = await session.send("Runtime.getHeapUsage");
  const resident = +fs.readFileSync(`/proc/${server.pid}/status`, "utf8").match(/VmRSS:\s+(\d+)/)[1];
  console.log(`memory: ${(usedSize / 1e6).toFixed(1)} MB of the page's script, ${(resident / 1024).toFixed(0)} MB of the server`);
  await page.context().close();
}

async function sentences(server) {
  const page = await open(server.url),
    times = [];
  await page.show("#/sentence");
  await page.waitForSelector(".shares .words");
  for (let i = 0; i < RUNS; i++) {
    const text = Array.from(
      { length: 199 },
      (_, k) => ["the", "dog", "ran", "to", "mom", "and", "saw", "a"][(k * (i + 3) + (k >> 3)) % 8]
    ).join(" ");
    times.push(
      await page.evaluate(async text => {
        const frame = () => new Promise(done => requestAnimationFrame(done)),
          start = performance.now();
        document.querySelectorAll(".word, .excited, .account > *, .shares > *").forEach(e => e.remove());
        location.hash = "#/sentence?" + new URLSearchParams({ text });
        while (!(
          document.querySelectorAll(".word").length === 200 &&
          document.querySelector(".excited tbody tr") &&
          document.querySelector(".shares .words")
        ))
          await frame();
        await frame();
        return performance.now() - start;
      }, text)
    );
  }
  report("a sentence of 200 tokens: predictions, account, words, excited", times);
  await page.context().close();
}

async function staticSite(tokens) {
  const times = [],
    paints = [],
    home = `file://${path.resolve(site)}/`;
  for (const token of tokens.slice(0, RUNS)) {
    const page = await open(home);
    await page.show("index.html#/direction?" + new URLSearchParams({ token }));
    times.push(
      await page.evaluate(async () => {
        while (!document.querySelector(".inputs li .words")) await new Promise(done => requestAnimationFrame(done));
        return performance.now(); /* since the navigation began */
      })
    );
    paints.push(await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime));
    await page.context().close();
  }
  report("static site from disk: opening to the first direction", times);
  report("static site from disk: first paint", paints);
}

(async () => {
  const tokens = bilens("atlas", "query", atlas, "sort=count", `limit=${20 * RUNS}`)
    .directions.map(d => d.token)
    .filter(t => /^[a-z]+$/.test(t));
  if (tokens.length <= RUNS) throw new Error(`the atlas has only ${tokens.length} words: RUNS=${tokens.length - 1} is the most`);
  const server = await searching("with an atlas", tokens, "--atlas", atlas);
  await sentences(server);
  if (process.env.OLD !== "1") await readers(server, tokens);
  await memory(server, tokens);
  await server.stop();
  await (await searching("without an atlas", tokens)).stop();
  if (site) await staticSite(tokens);
  await quit();
})();

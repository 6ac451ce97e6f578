// By keyboard alone: on every view, Tab comes by everything that can be acted on, what has the focus is seen to have it, and Enter or Space
// (of a slider or a menu: an arrow) acts. Nothing that a mouse can act on lies beside.
"use strict";
const test = require("node:test");
const assert = require("node:assert/strict");
const path = require("node:path");
const { execFileSync } = require("node:child_process");
const { BILENS, SOURCE, MODEL, CORPUS, folder, makeAtlas, serve, open, quit } = require("./support.js");

const IMAGES = path.join(SOURCE, "tests", "data", "images");
const STORY = "#/sentence?" + new URLSearchParams({ text: "Tom went to the lake. He jumped into the", token: "water", minus: "pond" });
let server, images, report;
test.before(async () => {
  server = await serve("--atlas", makeAtlas("keyboard.db", "--frequent", "30"));
  images = await serve(path.join(IMAGES, "fashion-64"), "--images", path.join(IMAGES, "sample"));
  report = path.join(folder, "keyboard-report");
  execFileSync(BILENS, ["report", MODEL, "--corpus", CORPUS, "--token", "swim", "--eigs", "-1,0", "--no-evidence", "-o", report, "--quiet"]);
});
test.after(async () => {
  await quit();
  assert.equal(await server.stop(), 0);
  assert.equal(await images.stop(), 0);
});

/* In the page: what can be acted on gets a number; clicks are counted and stopped; what only a mouse could act on is listed. */
function prepare() {
  const can = 'a[href], button, input, select, textarea, summary, [tabindex="0"]';
  const seen = e => e.checkVisibility({ visibilityProperty: true }) && !e.disabled;
  const name = e => `${e.tagName.toLowerCase()} ${e.getAttribute("aria-label") || e.textContent.trim().slice(0, 40)}`;
  const all = [...document.querySelectorAll(can)].filter(e => seen(e) && e.tabIndex >= 0);
  all.forEach((e, i) => (e.dataset.stop = i));
  window.addEventListener(
    "click",
    event => {
      globalThis.clicked = event.target.closest("[data-stop]")?.dataset.stop;
      event.preventDefault();
      event.stopImmediatePropagation();
    },
    true
  );
  /* A word of a row of words is reached by the arrow keys (tabindex -1 in a toolbar). */
  const reached = e => e.closest(`${can}, label, [role="toolbar"]`);
  const mouse = [...document.querySelectorAll("body *")].filter(e => seen(e) && getComputedStyle(e).cursor === "pointer" && !reached(e));
  return { names: all.map(name), mouse: mouse.map(name) };
}
/* The element with the focus: its number, kind, and whether something shows that it has it. */
function here() {
  const e = document.activeElement,
    style = getComputedStyle(e),
    shape = e.querySelector?.("circle") && getComputedStyle(e.querySelector("circle"));
  const shows = s => s && ((s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0) || s.boxShadow !== "none" || (s.stroke && s.stroke !== "none" && parseFloat(s.strokeWidth) > 1));
  return { stop: e.dataset?.stop, tag: e.tagName.toLowerCase(), type: e.type, slider: e.getAttribute?.("role") === "slider" && e.getAttribute("aria-valuenow"), value: e.value, shown: shows(style) || shows(shape) };
}

async function act(page, at) {
  const press = async key => {
    await page.evaluate(() => (globalThis.clicked = null));
    await page.keyboard.press(key);
    return page.evaluate(() => globalThis.clicked);
  };
  if (at.slider !== false) {
    await page.keyboard.press("Home");
    await page.keyboard.press("ArrowRight");
    return (await page.evaluate(here)).slider === "1";
  }
  if (at.tag === "a") return (await press("Enter")) === at.stop;
  if (at.tag === "button" || at.tag === "summary") return (await press("Enter")) === at.stop && (await press("Space")) === at.stop;
  if (at.tag === "input" && at.type === "checkbox") return (await press("Space")) === at.stop;
  return true; /* a field takes letters, a menu its arrows, a table scrolls: the browser's own */
}
async function walk(page, name) {
  await page.waitForFunction(() => !document.querySelector('[aria-busy="true"]'));
  await page.evaluate(() => document.activeElement.blur());
  const { names, mouse } = await page.evaluate(prepare),
    met = new Set(),
    bad = mouse.map(what => `${name}: only a mouse reaches ${what}`);
  assert.ok(names.length > 5, `${name}: ${names.length} things to act on`);
  for (let i = 0; i < 2 * names.length + 20 && met.size < names.length; i++) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(here);
    if (at.stop === undefined || met.has(at.stop)) continue;
    met.add(at.stop);
    if (!at.shown) bad.push(`${name}: nothing shows the focus of ${names[at.stop]}`);
    if (!(await act(page, at))) bad.push(`${name}: no key acts on ${names[at.stop]}`);
  }
  names.forEach((what, i) => met.has(String(i)) || bad.push(`${name}: Tab does not reach ${what}`));
  return bad;
}
const view = (address, wait, at = () => server) =>
  test(`keyboard: ${decodeURIComponent(address)}`, async () => {
    const page = await open(at().url, { viewport: { width: 1280, height: 900 } });
    await page.show(address);
    await page.waitForSelector(wait);
    assert.deepEqual(await walk(page, address), []);
    await page.context().close();
  });

view("#/find", ".list tbody tr");
view("#/find?reads=the", ".found table");
view("#/find?like=swim", ".found table");
view("#/direction?token=the&minus=a", ".inputs li .words");
view(STORY, ".shares .heads");
view("#/compare?token=the&token2=a", ".side .inputs");
view("#/classes", ".gallery canvas", () => images);
view("#/class?class=5", ".inputs-row canvas", () => images);
view("#/image?image=3", ".inputs-row canvas", () => images);
test("keyboard: a report", async () => {
  const page = await open("file://");
  await page.goto(`file://${report}/index.html`);
  assert.deepEqual(await walk(page, "report"), []);
  await page.context().close();
});
test("keyboard: what is amiss is found", async () => {
  const page = await open("file://");
  await page.setContent(`<style>.mute { outline: none } .hand { cursor: pointer }</style><p class="hand">a word</p><a href="#a" class="mute">mute</a>
    <button onkeydown="if (event.key !== 'Tab') event.preventDefault()">dumb</button>${"<button>fine</button>".repeat(5)}`);
  const bad = await walk(page, "planted");
  assert.equal(bad.length, 3, bad.join("; "));
  for (const [i, what] of ["only a mouse reaches p a word", "nothing shows the focus of a mute", "no key acts on button dumb"].entries())
    assert.ok(bad[i].includes(what), bad[i]);
  await page.context().close();
});
test("keyboard: the glossary opens, and Escape closes it", async () => {
  const page = await open(server.url);
  await page.show("#/find");
  await page.waitForSelector(".list tbody tr");
  const help = page.locator("#keys");
  await help.focus();
  await page.keyboard.press("Enter");
  await page.waitForSelector("dialog[open]");
  assert.ok(await page.evaluate(() => document.querySelector("dialog[open]").contains(document.activeElement)), "the focus is in it");
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog:not([open])", { state: "attached" });
  assert.ok(await help.evaluate(e => e === document.activeElement), "the focus comes back");
  await page.context().close();
});

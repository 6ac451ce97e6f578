// Pictures of every page that bilens draws, light and dark, at three widths, to be looked at by a person:
//
//   node tests/web/shoot.js FOLDER [NAME…]       BILENS: the program; WIDTHS=390 THEMES=dark HEIGHT=2600: only these, so high at most
//
// Made of the embedded default in some minutes: FOLDER/NAME-WIDTH-THEME.png; what is there already (reports, atlases) is used again.
// What cannot be made here (a notebook in Jupyter) is shown as the HTML that it holds.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const { execFileSync } = require("node:child_process");
const { BILENS, MODEL, CORPUS, SOURCE, serve, open, quit } = require("./support.js");

const [out, ...only] = process.argv.slice(2);
const WIDTHS = (process.env.WIDTHS || "1440,1024,390").split(",").map(Number);
const THEMES = (process.env.THEMES || "light,dark").split(",");
const HEIGHT = +(process.env.HEIGHT || 2600);
const IMAGES = path.join(SOURCE, "tests", "data", "images");
const SENTENCE = new URLSearchParams({ text: "Tom went to the lake. He jumped into the", token: "water", minus: "pond" });
const at = name => path.join(out, name);
const run = (...args) => execFileSync(BILENS, [...args, "--quiet"], { maxBuffer: 1 << 28 });
/* Made once. */
const once = (name, make) => {
  if (!fs.existsSync(at(name))) make(at(name));
  return at(name);
};
const file = (folder, hash = "index.html") => [`file://${folder}/`, hash];
const report = (name, ...args) => once(name, to => run("report", ...args, "-o", to));
const page = (name, html) => {
  fs.writeFileSync(at(name), html);
  return [`file://${out}/`, name];
};
/* A terminal's picture is an SVG of its own, light or dark. */
const terminal = (name, ...args) => {
  const draw = theme => fs.writeFileSync(at(`${name}-${theme}.svg`), run(...args, "--format", "svg", "--theme", theme));
  THEMES.forEach(draw);
  return page(
    `${name}.html`,
    `<!doctype html><meta name=viewport content="width=device-width"><title>${name}</title><style>:root{color-scheme:light dark}img{max-width:100%}</style>` +
      `<picture><source media="(prefers-color-scheme: dark)" srcset="${name}-dark.svg"><img src="${name}-light.svg"></picture>`
  );
};
function notebook() {
  const cells = JSON.parse(fs.readFileSync(path.join(SOURCE, "examples", "paper_notebook.ipynb"))).cells;
  const texts = cells.flatMap(cell => (cell.outputs || []).flatMap(o => (o.data && o.data["text/html"] ? [o.data["text/html"]].flat().join("") : [])));
  return page("notebook.html", `<!doctype html><meta name=viewport content="width=device-width"><title>notebook</title><style>:root{color-scheme:light dark}</style>${texts.join("<hr>")}`);
}
let server, images;
const own = () =>
  once("own.csv", to => {
    let seed = 11;
    const number = () => ((seed = (seed * 16807) % 2147483647) / 2147483647 - 0.5).toFixed(6);
    fs.writeFileSync(to, Array.from({ length: 5 }, () => Array.from({ length: 256 }, number).join(",")).join("\n"));
  });
const atlas = () => once("atlas.db", to => run("atlas", MODEL, "--corpus", CORPUS, "--frequent", "400", "-o", to));
const explorer = hash => async () => [(server = server || (await serve("--atlas", atlas(), "--basis", own()))).url, hash];
const gallery = hash => async () => [
  (images = images || (await serve(path.join(IMAGES, "fashion-64"), "--images", path.join(IMAGES, "sample")))).url,
  hash
];
const site = hash => () =>
  file(
    once("site", to => run("atlas", MODEL, "--from", atlas(), "--site", to, "--no-spectra")),
    "index.html" + hash
  );
const VIEWS = {
  report: () => file(report("report", MODEL, "--corpus", CORPUS, "--token", "swim", "--minus", "run,climb,eat,see,smell,walk,fly,sit,sleep")),
  "report-plain": () => file(report("report-plain", MODEL, "--corpus", CORPUS, "--token", "lake", "--no-evidence")),
  "report-rows": () => file(report("report-rows", MODEL, "--corpus", CORPUS, "--directions", own(), "--rows", "0-1")),
  "report-row": () => file(path.join(report("report-rows", MODEL, "--corpus", CORPUS, "--directions", own(), "--rows", "0-1"), "rows", "0")),
  "report-image": () => file(report("report-image", path.join(IMAGES, "fashion-64"), "--images", path.join(IMAGES, "sample"), "--class", "5")),
  "report-surrogate": () => {
    const model = path.join(SOURCE, "tests", "data", "general", "qwen3"),
      fit = once("surrogate.safetensors", to => run("surrogate", model, "--corpus", CORPUS, "--stories", "60", "-o", to));
    return file(report("report-surrogate", model, "--surrogate", fit, "--corpus", CORPUS, "--stories", "60", "--token", " swim"));
  },
  figures: () => {
    const draw = (name, ...args) => THEMES.forEach(theme => run(...args, "--plot", at(`${name}-${theme}.svg`), "--theme", theme, "--width", "120"));
    draw("figure-spectrum", "eigen", "--token", "swim");
    draw("figure-truncate", "truncate", "--stories", "16");
    draw("figure-image", "eigen", path.join(IMAGES, "fashion-64"), "--class", "5");
    return page("figures.html", `<!doctype html><meta name=viewport content="width=device-width"><title>figures</title><style>:root{color-scheme:light dark}img{max-width:100%}</style>` + ["spectrum", "truncate", "image"].map(name => `<picture><source media="(prefers-color-scheme: dark)" srcset="figure-${name}-dark.svg"><img src="figure-${name}-light.svg"></picture> `).join(""));
  },
  find: explorer("#/find"),
  "find-reads": explorer("#/find?reads=lake"),
  "find-like": explorer("#/find?like=swim"),
  direction: explorer("#/direction?token=the&minus=a"),
  sentence: explorer("#/sentence?" + SENTENCE),
  compare: explorer("#/compare?token=the&token2=a"),
  gallery: gallery("#/gallery"),
  class: gallery("#/class?class=5"),
  image: gallery("#/image?image=17"),
  site: site("#/find"),
  "site-sentence": site("#/sentence"),
  notebook,
  "terminal-eigen": () => terminal("terminal-eigen", "eigen", "--token", "swim", "--eigs", "-1,0"),
  "terminal-grey": () => terminal("terminal-grey", "eigen", MODEL, "--token", "swim", "--eigs", "-1"),
  "terminal-scan": () => terminal("terminal-scan", "scan", "--token", "swim", "--eigs", "-1,0", "--top", "4"),
  "terminal-explain": () => terminal("terminal-explain", "explain", "--text", "Tom jumped into the", "--token", "water", "--minus", "pond"),
  "terminal-atlas": () => terminal("terminal-atlas", "atlas", "query", atlas(), "token=the")
};

async function shoot(name) {
  const [home, hash] = await VIEWS[name](),
    view = await open(home, { viewport: { width: WIDTHS[0], height: 900 } });
  await view.show(hash);
  await view.waitForTimeout(500);
  await view.waitForFunction(() => !document.querySelector('[aria-busy="true"]'));
  for (const colorScheme of THEMES)
    for (const width of WIDTHS) {
      await view.emulateMedia({ colorScheme });
      await view.setViewportSize({ width, height: 900 });
      await view.waitForTimeout(250);
      const height = await view.evaluate(() => document.documentElement.scrollHeight);
      await view.setViewportSize({ width, height: Math.max(400, Math.min(height, HEIGHT)) });
      await view.screenshot({ path: at(`${name}-${width}-${colorScheme}.png`) });
    }
  if (view.complaints.length) console.error(`${name}: ${view.complaints.join("; ")}`);
  await view.context().close();
}

(async () => {
  if (!out) throw new Error("which folder?");
  fs.mkdirSync(out, { recursive: true });
  for (const name of only.length ? only : Object.keys(VIEWS))
    await shoot(name).catch(error => console.error(`${name}: ${String(error.stderr || error.message).slice(0, 400)}`));
  await quit();
  for (const one of [server, images]) if (one) await one.stop();
})();

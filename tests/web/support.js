// What the browser tests share: the program as a user runs it, a Chromium that reports every complaint and every request to another host.
"use strict";
const { chromium } = require("playwright-core");
const { execFileSync, spawn } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");

const BILENS = process.env.BILENS;
const SOURCE = process.env.SOURCE || path.join(__dirname, "..", "..");
const MODEL = path.join(SOURCE, "data", "stories-1-256");
const CORPUS = path.join(SOURCE, "data", "stories.txt");
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
FLAGS.push("--disable-component-update", "--disable-sync");

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "bilens-web-"));
process.on("exit", () => fs.rmSync(folder, { recursive: true, force: true }));

/* The program's JSON. */
function bilens(...args) {
  return JSON.parse(execFileSync(BILENS, [...args, "--quiet", "--format", "json"], { maxBuffer: 1 << 28 }));
}

/* A small atlas of the embedded default: its path. */
function makeAtlas(name, ...options) {
  const file = path.join(folder, name);
  execFileSync(BILENS, ["atlas", MODEL, "--corpus", CORPUS, "-o", file, "--quiet", ...options]);
  return file;
}

/* A running explorer: { url, stop() }; the port is any that is free. stop() gives the exit status. */
async function serve(...args) {
  const child = spawn(BILENS, ["serve", ...args, "--port", "0"], { stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise(done => child.on("exit", done));
  let said = "",
    url;
  child.stderr.on("data", text => (said += text));
  await new Promise((done, fail) => {
    child.stdout.on("data", text => {
      url = url || (String(text).match(/http:\S+/) || [])[0];
      if (url) done();
    });
    ended.then(code => fail(new Error(`bilens serve ended with ${code}: ${said}`)));
  });
  const stop = () => {
    child.kill("SIGINT");
    return ended;
  };
  return { url, stop, pid: child.pid };
}

let browser = null;
async function launch() {
  const found = process.env.CHROMIUM || "/usr/bin/chromium";
  browser = browser || (await chromium.launch({ executablePath: found, headless: true, args: FLAGS }));
  return browser;
}
async function quit() {
  if (browser) await browser.close();
  browser = null;
}

/* A page; `page.complaints` collects console errors and warnings, exceptions, failed requests and requests to any host but `home` (an
 * address that begins so is the page's own). */
async function open(home, options = {}) {
  const context = await (await launch()).newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(90000); /* under sanitizers, beside other tests */
  page.complaints = [];
  page.on("console", message => {
    if (["error", "warning"].includes(message.type())) page.complaints.push(message.text());
  });
  page.on("pageerror", error => page.complaints.push(String(error.stack || error)));
  page.on("requestfailed", request => page.complaints.push(`${request.url()}: ${request.failure().errorText}`));
  page.on("request", request => {
    if (!request.url().startsWith(home) && !/^(data|blob):/.test(request.url())) page.complaints.push(`asks a stranger: ${request.url()}`);
  });
  page.home = home;
  page.show = async hash => {
    await page.goto(home + hash);
  };
  return page;
}

module.exports = { BILENS, SOURCE, MODEL, CORPUS, folder, bilens, makeAtlas, serve, launch, quit, open };

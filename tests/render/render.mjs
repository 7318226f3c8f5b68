// Draws every dashboard to a PNG: Grafana's own components, bundled by esbuild, in headless Chromium, against a Prometheus.
//
//     npm ci --ignore-scripts
//     node render.mjs --prometheus http://127.0.0.1:9090 --out /tmp/pictures [--minutes 15] [--unit L000001] [--scale 0.75 --colors 64]

import { build } from 'esbuild';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import puppeteer from 'puppeteer-core';
import UPNG from 'upng-js';

const here = dirname(fileURLToPath(import.meta.url));
const dashboards = join(here, '..', '..', 'dashboards');
const { values: options } = parseArgs({
  options: {
    prometheus: { type: 'string' },
    out: { type: 'string' },
    minutes: { type: 'string', default: '15' },
    unit: { type: 'string' },
    chromium: { type: 'string', default: '/usr/bin/chromium' },
    scale: { type: 'string', default: '1' },
    colors: { type: 'string', default: '0' },
  },
});
if (!options.prometheus || !options.out) throw new Error('--prometheus URL and --out FOLDER are needed');
mkdirSync(options.out, { recursive: true });

const bundle = await build({
  entryPoints: [join(here, 'src', 'page.jsx')],
  bundle: true,
  write: false,
  outdir: 'out',
  format: 'iife',
  jsx: 'automatic',
  loader: { '.svg': 'dataurl', '.woff': 'dataurl', '.woff2': 'dataurl', '.ttf': 'dataurl' },
  // The packages' ES modules end in .mjs, for which bundlers read CommonJS parts as Node does, and some parts break.
  alias: Object.fromEntries(
    ['data', 'i18n', 'schema', 'ui'].map((name) => [`@grafana/${name}`, join(here, 'node_modules', '@grafana', name, 'dist', 'cjs', 'index.cjs')]),
  ),
  define: { 'process.env.NODE_ENV': '"development"', global: 'window' },
  logLevel: 'error',
});
const script = bundle.outputFiles.find((file) => file.path.endsWith('.js')).text;

const style = bundle.outputFiles.find((file) => file.path.endsWith('.css')).text;

const html = '<!doctype html><html lang="en"><head><meta charset="utf-8"><link rel="stylesheet" href="/bundle.css"></head><body style="margin:0"><div id="root"></div><script src="/bundle.js"></script></body></html>';
const server = createServer(async (request, response) => {
  if (request.url.startsWith('/prometheus/')) {
    const answer = await fetch(options.prometheus + request.url.slice('/prometheus'.length));
    response.writeHead(answer.status, { 'Content-Type': 'application/json' }).end(await answer.text());
  } else if (request.url === '/bundle.js') response.writeHead(200, { 'Content-Type': 'text/javascript; charset=utf-8' }).end(script);
  else if (request.url === '/bundle.css') response.writeHead(200, { 'Content-Type': 'text/css' }).end(style);
  else if (request.url === '/') response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(html);
  else response.writeHead(404).end();
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

const browser = await puppeteer.launch({
  executablePath: options.chromium,
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run', '--hide-scrollbars'],
});
let empty = 0;
for (const file of readdirSync(dashboards).filter((name) => name.endsWith('.json')).sort()) {
  const board = JSON.parse(readFileSync(join(dashboards, file), 'utf8'));
  const page = await browser.newPage();
  page.on('console', (message) => message.type() === 'error' && !message.text().includes('404') && console.error(`${file}: ${message.text()}`));
  page.on('pageerror', (error) => console.error(`${file}: ${error.stack ?? error}`));
  await page.setViewport({ width: 1616, height: 1000, deviceScaleFactor: Number(options.scale) });
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  const chosen = options.unit ? { unit: options.unit } : {};
  for (const title of await page.evaluate((...args) => window.draw(...args), board, Number(options.minutes) * 60, chosen)) {
    console.error(`${file}: empty: ${title}`);
    empty++;
  }
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const root = await page.$('#root > div');
  const path = join(options.out, file.replace('.json', '.png'));
  const picture = UPNG.decode((await root.screenshot()).slice().buffer);
  // Few colours make a small file; 0 keeps all.
  const rgba = UPNG.toRGBA8(picture)[0];
  writeFileSync(path, Buffer.from(UPNG.encode([rgba], picture.width, picture.height, Number(options.colors))));
  console.log(path);
  await page.close();
}
await browser.close();
server.close();
process.exit(empty ? 1 : 0);

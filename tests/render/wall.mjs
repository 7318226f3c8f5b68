// A city to draw: mosquitto, the daemon, the simulator and Prometheus on free ports of loopback, in a folder of their own,
// until this process is told to stop. A few entrapments are told by mosquitto_pub and answered by made-up people, because
// the simulator has controllers and no people.
//
//     node wall.mjs [--liftwatch PATH] [--units 8000] [--speed 24]

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const { values: options } = parseArgs({
  options: {
    liftwatch: { type: 'string', default: join(root, 'target', 'debug', 'liftwatch') },
    units: { type: 'string', default: '8000' },
    speed: { type: 'string', default: '24' },
  },
});
const folder = mkdtempSync(join(tmpdir(), 'liftwatch-wall-'));
const children = [];

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

function start(name, program, args) {
  const log = openSync(join(folder, `${name}.log`), 'w');
  const child = spawn(program, args, { stdio: ['ignore', log, log], cwd: folder });
  child.on('exit', (code) => stop(`${name} ended with ${code}: ${readFileSync(join(folder, `${name}.log`), 'utf8').slice(-800)}`));
  children.push(child);
}

function liftwatch(...args) {
  const done = spawnSync(options.liftwatch, args, { cwd: folder, encoding: 'utf8' });
  if (done.status !== 0) stop(`liftwatch ${args[0]}: ${done.stderr}`);
}

let stopping = false;
function stop(why) {
  if (stopping) return;
  stopping = true;
  if (why) console.error(why);
  for (const child of children) child.kill('SIGTERM');
  setTimeout(() => {
    rmSync(folder, { recursive: true, force: true });
    process.exit(why ? 1 : 0);
  }, 2000);
}
process.on('SIGINT', () => stop());
process.on('SIGTERM', () => stop());

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const [mqtt, http, prom] = [await freePort(), await freePort(), await freePort()];
writeFileSync(
  join(folder, 'mosquitto.conf'),
  `user root\nlistener ${mqtt} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 1000000\nmax_inflight_messages 0\npersistence false\n`,
);
writeFileSync(
  join(folder, 'liftwatch.toml'),
  `[store]\npath = "city.db"\n[http]\nlisten = "127.0.0.1:${http}"\n` +
    `[[region]]\ncode = "350582"\nname = "演示城"\nbroker = "mqtt://127.0.0.1:${mqtt}"\n` +
    `[notify]\ntown_regions = ["350582"]\n` +
    `[[receiver]]\nname = "board"\n[[receiver.mqtt]]\nbroker = "mqtt://127.0.0.1:${mqtt}"\nclient_id = "alerts"\n` +
    `[[route]]\nreceiver = "board"\n`,
);
writeFileSync(
  join(folder, 'prometheus.yml'),
  `global:\n  scrape_interval: 5s\nscrape_configs:\n  - job_name: liftwatch\n    static_configs:\n      - targets: ["127.0.0.1:${http}"]\n`,
);

start('mosquitto', '/usr/sbin/mosquitto', ['-c', 'mosquitto.conf']);
liftwatch('simulate', '--units', options.units, '--registry', 'units.csv');
liftwatch('import', 'units', 'units.csv', '--config', 'liftwatch.toml');
start('serve', options.liftwatch, ['serve', '--config', 'liftwatch.toml']);
start('prometheus', 'prometheus', [
  '--config.file=prometheus.yml',
  '--storage.tsdb.path=tsdb',
  `--web.listen-address=127.0.0.1:${prom}`,
]);
await sleep(2000);
start('simulate', options.liftwatch, ['simulate', '--units', options.units, '--speed', options.speed, '--broker', `mqtt://127.0.0.1:${mqtt}`]);
console.log(`pages      http://127.0.0.1:${http}/`);
console.log(`prometheus http://127.0.0.1:${prom}`);

const api = `http://127.0.0.1:${http}/api/v1`;
const units = readFileSync(join(folder, 'units.csv'), 'utf8').trim().split('\n').slice(1).map((line) => line.split(','));

/** Publishes as a unit's controller; `row` is a line of the registry: the unit's id first, its publisher twelfth. */
function publish(row, what, body) {
  const topic = `lift/v1/350582/${row[11]}/${row[0]}/${what}`;
  spawnSync('mosquitto_pub', ['-V', '5', '-p', String(mqtt), '-q', '1', '-t', topic, '-m', JSON.stringify(body)]);
}

/** Somebody is trapped, or out; `ago` in minutes. */
function tell(row, type, ago = 0) {
  publish(row, 'event', { ts: new Date(Date.now() - ago * 60_000).toISOString(), type });
}

async function answer(unit, what, body) {
  try {
    const found = await (await fetch(`${api}/alerts?state=firing&rule=entrapment&unit=${unit}`)).json();
    for (const alert of found.items) {
      await fetch(`${api}/alerts/${alert.id}/${what}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
      });
    }
  } catch (error) {
    console.error(`${unit} ${what}: ${error.message}`);
  }
}

async function falseAlarms() {
  const alerts = (await (await fetch(`${api}/alerts?rule=repeated_fault&limit=40`)).json()).items;
  for (const alert of alerts) {
    await fetch(`${api}/alerts/${alert.id}/false-alarm`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ by: '示例检查员', reason: '传感器误报' }),
    });
  }
}

// The past needs its time; then one entrapment that nobody answers, and a hazard.
await sleep(60_000);
tell(units[4242 % units.length], 'entrapment_reported', 34);
publish(units[77 % units.length], 'hazard', {
  ts: new Date().toISOString(),
  report_id: 'demo-1',
  reporter: 'inspection_body',
  basis: 'GB45067-4.6-b',
  use_stopped: true,
  text: '门锁回路被短接（示例）',
  evidence_sha256: [],
});

// An entrapment every 75 s, answered and released as people would, some of them late.
for (let n = 0; !stopping; n++) {
  const row = units[(n * 617 + 91) % units.length];
  tell(row, 'entrapment_reported');
  setTimeout(() => answer(row[0], 'acknowledge', { by: '示例值班室' }), (n % 5 === 4 ? 200 : 40 + (n % 4) * 25) * 1000);
  setTimeout(() => answer(row[0], 'arrived', { by: 'w-17' }), (180 + (n % 6) * 30) * 1000);
  setTimeout(() => tell(row, 'passenger_released'), (220 + (n % 6) * 40) * 1000);
  if (n === 2) await falseAlarms();
  await sleep(75_000);
}

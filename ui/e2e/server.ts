// Starts the server under test on a free port with an empty data directory, and ends it by its process.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SHIPPED = fileURLToPath(new URL('../../observability/prometheus-config.yaml', import.meta.url));

/** A job whose target refuses connections, renamed by relabelling; and one that relabelling drops. */
const BROKEN = `
  - job_name: broken
    scrape_interval: 5s
    static_configs:
      - targets: ["127.0.0.1:1"]
        labels: {team: payments}
    relabel_configs:
      - {source_labels: [team], target_label: owner}
      - {action: labeldrop, regex: team}
  - job_name: dropped
    static_configs:
      - targets: ["127.0.0.1:2"]
    relabel_configs:
      - {source_labels: [__address__], regex: ".*:2", action: drop}
`;

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}

async function untilReady(url: string, child: ChildProcess, said: () => string): Promise<void> {
  for (let attempt = 0; attempt < 150; attempt++) {
    if (child.exitCode !== null) throw new Error(`the server ended with status ${child.exitCode}: ${said()}`);
    const ready = await fetch(`${url}/-/ready`).then(
      (r) => r.ok,
      () => false,
    );
    if (ready) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`the server was not ready within 15 s: ${said()}`);
}

export default async function start(): Promise<() => Promise<void>> {
  process.env.AFFERENT_STARTED = String(Date.now());
  if (process.env.AFFERENT_URL) return async () => {};
  const binary = process.env.AFFERENT_BIN;
  if (!binary) throw new Error('set AFFERENT_BIN to the binary, or AFFERENT_URL to a running server');

  const home = await mkdtemp(join(tmpdir(), 'afferent-e2e-'));
  const port = await freePort();
  const listen = `127.0.0.1:${port}`;
  const shipped = await readFile(SHIPPED, 'utf8');
  await writeFile(
    join(home, 'prometheus-config.yaml'),
    shipped.replace(/^scrape_configs:.*$/m, (line) => line + BROKEN),
  );
  const args = ['serve', '--config', home, '--data', join(home, 'data'), '--listen', listen, '--classic-ports', 'off'];
  const child = spawn(binary, args, {
    env: { ...process.env, AFFERENT_ADDRESS: listen },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  const keep = (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-4000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      const hard = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await ended;
      clearTimeout(hard);
    }
    await rm(home, { recursive: true, force: true });
  };
  const url = `http://${listen}`;
  try {
    await untilReady(url, child, () => log);
  } catch (error) {
    await stop();
    throw error;
  }
  process.env.AFFERENT_URL = url;
  return stop;
}

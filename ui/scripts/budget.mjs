// Weighs what a browser fetches, gzipped, from Vite's manifest: the first load of each page, and the query editor.
// Fails above the budgets of the design.
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const FIRST_LOAD = 170_000;
const EDITOR = 165_000;
const dist = new URL('../dist/', import.meta.url);
const manifest = JSON.parse(readFileSync(new URL('.vite/manifest.json', dist), 'utf8'));
const gzip = (file) => gzipSync(readFileSync(new URL(file, dist)), { level: 9 }).length;

/** Files that a chunk needs before it runs: itself, what it imports statically, and their styles. */
function filesOf(key, seen = new Set()) {
  const chunk = manifest[key];
  if (!chunk || seen.has(chunk.file)) return seen;
  seen.add(chunk.file);
  for (const style of chunk.css ?? []) seen.add(style);
  for (const name of chunk.imports ?? []) filesOf(name, seen);
  return seen;
}

const weigh = (files) => [...files].reduce((sum, file) => sum + gzip(file), 0);
const entry = Object.keys(manifest).find((key) => manifest[key].isEntry);
const shell = filesOf(entry);
let failed = false;

function report(name, bytes, budget) {
  const over = bytes > budget;
  failed ||= over;
  console.log(
    `${name.padEnd(28)} ${(bytes / 1000).toFixed(1).padStart(7)} kB of ${budget / 1000} kB${over ? '  OVER BUDGET' : ''}`,
  );
}

for (const page of [
  'src/explore/ExplorePage.tsx',
  'src/logs/LogsPage.tsx',
  'src/alerts/AlertsPage.tsx',
  'src/silences/SilencesPage.tsx',
  'src/history/HistoryPage.tsx',
  'src/routing/RoutingPage.tsx',
  'src/notifications/NotificationsPage.tsx',
  'src/rules/RulesPage.tsx',
  'src/targets/TargetsPage.tsx',
  'src/status/StatusPage.tsx',
]) {
  report(`first load, ${page.split('/')[1]}`, weigh(filesOf(page, new Set(shell))), FIRST_LOAD);
}
const before = filesOf('src/explore/ExplorePage.tsx', new Set(shell));
const editor = [...filesOf('src/explore/PromqlEditor.tsx')].filter((file) => !before.has(file));
report('query editor', weigh(editor), EDITOR);
const logs = filesOf('src/logs/LogsPage.tsx', new Set(shell));
report('log query editor', weigh([...filesOf('src/logs/LogqlEditor.tsx')].filter((file) => !logs.has(file))), EDITOR);
process.exit(failed ? 1 : 0);

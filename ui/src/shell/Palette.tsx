// Search and commands: pages, metrics by name, time ranges and settings, from one field.
import * as Dialog from '@radix-ui/react-dialog';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type KeyboardEvent, useState } from 'react';
import { fetchSentAlerts } from '../api/alerting';
import { labelValues } from '../api/prometheus';
import { fetchRules, type Source } from '../api/rules';
import { newQuery, readState, writeState } from '../explore/state';
import type { Search } from '../router-search';
import { entriesOf } from '../rules/model';
import { formatLabels } from '../series/labels';
import { QUICK_RANGES } from '../time/range';
import type { Action } from './keys';
import { rank } from './match';
import { PAGES, type Page } from './pages';
import { setTheme } from './theme';
import { useTime } from './time';

type Item = { id: string; kind: string; label: string; keys?: string; run: () => void };
const SHOWN = 50;
/** Parts and views of pages that are looked for by their own names. */
const PARTS = [
  ['/alerts', { severity: 'critical' }, 'Alerts: critical ones'],
  ['/alerts', { show: 'pending' }, 'Alerts: pending ones, which may fire soon'],
  ['/silences', { new: '{}' }, 'Silences: a new one'],
  ['/history', { tab: 'noise' }, 'History: noise, what flaps or is never acted on'],
  ['/history', { kind: 'acknowledged' }, 'History: acknowledgements'],
  ['/routing', { try: '1' }, 'Routing: try another configuration'],
  ['/rules', { health: 'err' }, 'Rules: failing ones'],
  ['/rules', { order: 'slowest' }, 'Rules: the slowest first'],
  ['/status', { tab: 'store' }, 'Status: store, blocks, memory'],
  ['/status', { tab: 'cardinality' }, 'Status: cardinality, where series come from'],
  ['/status', { tab: 'queries' }, 'Status: active queries, kill a query'],
] as const;

export default function Palette(props: {
  close: () => void;
  searchFor: (page: Page) => Search;
  run: (action: Action) => void;
}) {
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const items = rank(useItems(props), text, (item) => `${item.kind} ${item.label}`).slice(0, SHOWN);
  const current = Math.min(at, items.length - 1);
  const choose = (item: Item | undefined) => {
    if (!item) return;
    props.close();
    item.run();
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown') setAt(Math.min(current + 1, items.length - 1));
    else if (event.key === 'ArrowUp') setAt(Math.max(current - 1, 0));
    else if (event.key === 'Enter') choose(items[current]);
    else return;
    event.preventDefault();
  };
  return (
    <Dialog.Root open onOpenChange={(open) => !open && props.close()}>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content className="dialog" aria-describedby={undefined}>
          <Dialog.Title className="visually-hidden">Search</Dialog.Title>
          <div className="palette-field">
            <input
              className="input"
              role="combobox"
              aria-expanded="true"
              aria-controls="palette-list"
              aria-activedescendant={items[current] ? `palette-${current}` : undefined}
              aria-label="Search pages, metrics and actions"
              placeholder="Search pages, alerts, rules, metrics and actions"
              value={text}
              spellCheck={false}
              onChange={(event) => {
                setText(event.target.value);
                setAt(0);
              }}
              onKeyDown={onKey}
            />
          </div>
          <div className="palette-list" id="palette-list" role="listbox" aria-label="Results">
            {items.map((item, i) => (
              <div
                key={item.id}
                id={`palette-${i}`}
                role="option"
                aria-selected={i === current}
                tabIndex={-1}
                className="palette-item"
                ref={i === current ? (row) => row?.scrollIntoView({ block: 'nearest' }) : undefined}
                onClick={() => choose(item)}
                onKeyDown={onKey}
                onPointerMove={() => setAt(i)}
              >
                <span className={item.kind === 'Metric' ? 'mono' : undefined}>{item.label}</span>
                <span className="quiet">{item.keys ?? item.kind}</span>
              </div>
            ))}
          </div>
          {items.length === 0 && <p className="palette-none quiet">Nothing is called “{text}”</p>}
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function useItems(props: { searchFor: (page: Page) => Search; run: (action: Action) => void }): Item[] {
  const navigate = useNavigate();
  const time = useTime();
  const names = useQuery({
    queryKey: ['label-values', '__name__'],
    queryFn: ({ signal }) => labelValues('__name__', signal),
    staleTime: 60_000,
  });
  const rules = useQuery({
    queryKey: ['palette-rules'],
    queryFn: async ({ signal }) => {
      const ask = (source: Source) => fetchRules(source, signal).catch(() => []);
      const [metrics, logs] = await Promise.all([ask('metrics'), ask('logs')]);
      return entriesOf({ metrics, logs });
    },
    staleTime: 60_000,
  });
  const alerts = useQuery({
    queryKey: ['palette-alerts'],
    queryFn: ({ signal }) => fetchSentAlerts(signal).catch(() => []),
    staleTime: 10_000,
  });
  const pages = PAGES.map(
    (page): Item => ({
      id: page.path,
      kind: 'Page',
      label: page.label,
      keys: page.keys,
      run: () => props.run(page.action),
    }),
  );
  const parts = PARTS.map(
    ([to, search, label]): Item => ({
      id: label,
      kind: 'Page',
      label,
      run: () => void navigate({ to, search }),
    }),
  );
  const ranges = QUICK_RANGES.map(
    (quick): Item => ({
      id: `range ${quick.label}`,
      kind: 'Time range',
      label: quick.label,
      run: () => time.setRange(quick),
    }),
  );
  const action = (label: string, run: () => void, keys?: string): Item => ({
    id: label,
    kind: 'Action',
    label,
    run,
    ...(keys ? { keys } : {}),
  });
  const explore = PAGES[0];
  const metrics = (names.data ?? []).map(
    (name): Item => ({
      id: `metric ${name}`,
      kind: 'Metric',
      label: name,
      run: () => {
        const state = { ...readState({}), queries: [newQuery('A', name)] };
        const shell = explore ? props.searchFor(explore) : {};
        void navigate({ to: '/explore', search: writeState(state, shell) });
      },
    }),
  );
  const ruled = (rules.data ?? []).map(
    ({ key, rule, group }): Item => ({
      id: `rule ${key}`,
      kind: 'Rule',
      label: `${rule.name} in ${group.name}`,
      run: () => void navigate({ to: '/rules', search: { open: key } }),
    }),
  );
  const firing = (alerts.data ?? []).map(({ fingerprint, labels }): Item => {
    const { alertname = '', severity: _severity, ...others } = labels;
    return {
      id: `alert ${fingerprint}`,
      kind: 'Alert',
      label: `${alertname} ${formatLabels(others)}`,
      run: () => void navigate({ to: '/alerts', search: { match: formatLabels(labels) } }),
    };
  });
  return [
    ...pages,
    ...parts,
    action('Refresh', time.refreshNow, 'r'),
    action('Zoom out', () => props.run('zoom-out'), 'z'),
    action('Theme: light', () => setTheme('light')),
    action('Theme: dark', () => setTheme('dark')),
    action('Theme: like the system', () => setTheme('system')),
    action('Time zone: UTC', () => time.setZone('utc')),
    action('Time zone: browser', () => time.setZone('browser')),
    action('List of keys', () => props.run('keys'), '?'),
    ...ranges,
    ...firing,
    ...ruled,
    ...metrics,
  ];
}

// The frame of every page: navigation, title, time, keyboard.
import { Link, Outlet, useLocation, useNavigate, useSearch } from '@tanstack/react-router';
import { lazy, Suspense, useEffect, useRef, useState } from 'react';
import type { Search } from '../router-search';
import { AlertCount } from './AlertCount';
import { type Action, isTyping, keyName, type Pending, press } from './keys';
import { familyOf, PAGES, type Page, pageAt } from './pages';
import { RefreshPicker } from './RefreshPicker';
import { SettingsMenu } from './SettingsMenu';
import { TimePicker } from './TimePicker';
import { TimeProvider, useTime } from './time';
import './shell.css';

const loadPalette = () => import('./Palette');
const Palette = lazy(loadPalette);
const KeysDialog = lazy(() => import('./KeysDialog'));

export function Shell() {
  const { pathname } = useLocation();
  return (
    <TimeProvider defaultRefresh={pageAt(pathname)?.refresh ?? 'off'}>
      <Frame page={pageAt(pathname)} />
    </TimeProvider>
  );
}

/** Returning to a page finds it as it was left; the time range goes along. */
function usePageLinks(page: Page | undefined): (target: Page) => Search {
  const search = useSearch({ strict: false }) as Search;
  const left = useRef(new Map<string, Search>());
  if (page) left.current.set(page.path, search);
  return (target) => {
    const kept = { ...left.current.get(target.path) };
    for (const key of ['from', 'to', 'tz']) {
      delete kept[key];
      if (search[key] !== undefined) kept[key] = search[key];
    }
    return kept;
  };
}

function focusQuery(): void {
  document.querySelector<HTMLElement>('[data-editor] .cm-content, [data-editor] textarea')?.focus();
}

function Frame(props: { page: Page | undefined }) {
  const [open, setOpen] = useState<'palette' | 'keys' | 'time' | null>(null);
  const searchFor = usePageLinks(props.page);
  const navigate = useNavigate();
  const time = useTime();
  const { page } = props;

  const run = (action: Action) => {
    const go = PAGES.find((p) => p.action === action);
    if (go) return void navigate({ to: go.path, search: searchFor(go) });
    if (action === 'search') return setOpen('palette');
    if (action === 'keys') return setOpen('keys');
    if (action === 'refresh') return time.refreshNow();
    if (action === 'explore') {
      const explore = PAGES[0];
      if (document.querySelector('[data-editor]') || !explore) return focusQuery();
      return void navigate({ to: '/explore', search: searchFor(explore) });
    }
    if (!page?.ranged) return;
    if (action === 'time') setOpen('time');
    if (action === 'zoom-out') time.zoomOut();
    if (action === 'earlier') time.shift(-1);
    if (action === 'later') time.shift(1);
  };
  useKeyboard(run, open !== null);
  useEffect(() => {
    document.title = page ? `${page.label} – Afferent` : 'Afferent';
  }, [page]);
  useEffect(() => {
    // Fetched once the page stands, so that keys typed right after `/` find their field.
    const timer = window.setTimeout(() => void loadPalette(), 1000);
    return () => window.clearTimeout(timer);
  }, []);

  return (
    <div className="shell">
      <a className="skip" href="#content">
        Skip to content
      </a>
      <nav className="nav" aria-label="Pages">
        <span className="brand">Afferent</span>
        <ul>
          {PAGES.map((p) => (
            <li key={p.path} data-under={p.under !== undefined} data-within={p.path === page?.under}>
              <Link to={p.path} search={searchFor(p)} aria-current={p === page ? 'page' : undefined}>
                <span>{p.label}</span>
                {p.path === '/alerts' && <AlertCount />}
                <kbd>{p.keys}</kbd>
              </Link>
            </li>
          ))}
          <li className="nav-search">
            <button type="button" onClick={() => setOpen('palette')}>
              Search
            </button>
          </li>
        </ul>
      </nav>
      <header className="bar">
        <h1>{page?.label ?? 'Afferent'}</h1>
        <button type="button" className="button bar-search" onClick={() => setOpen('palette')}>
          Search <kbd>/</kbd>
        </button>
        <span className="spread" />
        {page?.ranged && <TimePicker open={open === 'time'} setOpen={(on) => setOpen(on ? 'time' : null)} />}
        <RefreshPicker />
        <SettingsMenu showKeys={() => setOpen('keys')} />
      </header>
      <main className="content" id="content" tabIndex={-1}>
        <Family page={page} searchFor={searchFor} />
        <Outlet />
      </main>
      <Suspense fallback={null}>
        {open === 'palette' && <Palette close={() => setOpen(null)} searchFor={searchFor} run={run} />}
        {open === 'keys' && <KeysDialog close={() => setOpen(null)} />}
      </Suspense>
    </div>
  );
}

/** On a phone, where the list of pages has room for a few: the pages that belong with this one. */
function Family(props: { page: Page | undefined; searchFor: (page: Page) => Search }) {
  const family = familyOf(props.page);
  if (family.length === 0) return null;
  return (
    <nav className="family" aria-label={family[0]?.label}>
      {family.map((p) => (
        <Link key={p.path} to={p.path} search={props.searchFor(p)} aria-current={p === props.page ? 'page' : undefined}>
          {p.label}
        </Link>
      ))}
    </nav>
  );
}

function useKeyboard(run: (action: Action) => void, busy: boolean): void {
  const pending = useRef<Pending>(null);
  const latest = useRef({ run, busy });
  latest.current = { run, busy };
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      const key = keyName(event);
      if (key === null || event.defaultPrevented || latest.current.busy) return;
      if (isTyping(event.target) && !key.startsWith('Mod+')) return;
      const result = press(pending.current, key, event.timeStamp);
      pending.current = result.pending;
      if (!result.action) return;
      event.preventDefault();
      latest.current.run(result.action);
    };
    window.addEventListener('keydown', listen);
    return () => window.removeEventListener('keydown', listen);
  }, []);
}

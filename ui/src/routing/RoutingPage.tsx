// Routing: the tree of routes, the way of a label set through it, and what another configuration would do.
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { fetchConfiguration, fetchRoutes, fetchSentAlerts, testRoutes } from '../api/alerting';
import { Command } from '../parts/Copy';
import { Failed } from '../parts/Failed';
import { Empty, Note, Progress, Stale } from '../parts/States';
import { useDebounced } from '../parts/useDebounced';
import { useLive } from '../parts/useLive';
import { useNow } from '../parts/useNow';
import type { Search } from '../router-search';
import { formatAgo } from '../time/format';
import { NO_PATH, pathOf, readLabels, treeOf } from './model';
import { RouteTree } from './RouteTree';
import { TestBar } from './TestBar';
import { DAYS, WhatIfPart } from './WhatIfPart';
import './routing.css';

/** An unsaved configuration is too long for an address, and may hold what an address should not. */
const DRAFT = 'afferent.routing.draft';

/** What the labels reach under the configuration in force, or under the unsaved one. */
function useTest(text: string, config: string | undefined) {
  const labels = readLabels(text);
  const asked = useDebounced(JSON.stringify({ labels, config }));
  return useQuery({
    queryKey: ['route-test', asked],
    queryFn: ({ signal }) => testRoutes(labels ?? {}, config, signal),
    enabled:
      asked === JSON.stringify({ labels, config }) &&
      labels !== null &&
      (text.trim() !== '' || (config !== undefined && config.trim() !== '')),
    placeholderData: keepPreviousData,
  });
}

export function RoutingPage() {
  const search = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const now = useNow();
  const live = useLive(['routes'], fetchRoutes, 2);
  const sent = useLive(['sent-alerts'], fetchSentAlerts, 2);
  const trying = search.try === '1';
  const inForce = useQuery({
    queryKey: ['configuration'],
    queryFn: ({ signal }) => fetchConfiguration(signal),
    enabled: trying,
  });
  const [draft, setDraft] = useState<string | null>(() => sessionStorage.getItem(DRAFT));
  useEffect(() => {
    if (draft === null) sessionStorage.removeItem(DRAFT);
    else sessionStorage.setItem(DRAFT, draft);
  }, [draft]);
  const config = trying ? (draft ?? inForce.data) : undefined;
  const unsaved = config !== undefined && config !== inForce.data;
  const labels = search.labels ?? '';
  const test = useTest(labels, unsaved ? config : undefined);
  const set = (values: Record<string, string | undefined>, push = false) => {
    void navigate({ to: '/routing', search: (old: Search) => ({ ...old, ...values }), replace: !push } as never);
  };
  const { data } = live;
  if (!data) {
    return live.error ? (
      <Failed what="Routes" error={live.error} retry={live.retry} path="/api/afferent/v1/alerting/routes" />
    ) : (
      <Progress active />
    );
  }
  const other = unsaved && test.data && !test.error ? test.data.tree : null;
  const tree = treeOf(other ?? data);
  const path = labels.trim() !== '' && !test.error ? pathOf(test.data) : NO_PATH;
  const days = DAYS.find((count) => String(count) === search.days) ?? 7;
  return (
    <div className="routing">
      {live.error && <Stale error={live.error} since={formatAgo(live.at, now)} retry={live.retry} />}
      <TestBar
        text={labels}
        set={(text) => set({ labels: text || undefined })}
        alerts={sent.data ?? []}
        test={test.data}
        error={unsaved ? null : test.error}
        unsaved={unsaved}
      />
      <section className="routing-tree" aria-label="Tree of routes">
        <div className="row">
          <h2>{other ? 'Routes of the unsaved configuration' : 'Routes in force'}</h2>
          <span className="quiet">
            From the top: the first that fits takes an alert, unless it goes on to the next.
          </span>
          <span className="spread" />
          {!trying && (
            <button type="button" className="button small" onClick={() => set({ try: '1' }, true)}>
              Try another configuration
            </button>
          )}
        </div>
        <Progress active={test.isFetching} />
        {tree && tree.children.length === 0 && !other && <Alone receiver={tree.node.receiver} />}
        {tree && <RouteTree branch={tree} path={path} />}
      </section>
      {trying && inForce.error && draft === null && (
        <Note level="warning" word="Partial">
          The configuration in force could not be read: {inForce.error.message}.
        </Note>
      )}
      {trying && config !== undefined && (
        <WhatIfPart
          text={config}
          setText={(text) => setDraft(text === inForce.data ? null : text)}
          error={unsaved ? test.error : null}
          inForce={inForce.data ?? ''}
          days={days}
          setDays={(count) => set({ days: count === 7 ? undefined : String(count) })}
          close={() => set({ try: undefined })}
        />
      )}
    </div>
  );
}

function Alone(props: { receiver: string }) {
  return (
    <Empty title={`Every alert goes to ${props.receiver}`}>
      <p>
        Routes below the first would send alerts by their labels to those who can help. Write them into
        alertmanager-config.yaml, check them, and load them without a restart:
      </p>
      <Command text="afferent check config observability" />
      <Command text={`curl -X POST ${window.location.origin}/-/reload`} />
    </Empty>
  );
}

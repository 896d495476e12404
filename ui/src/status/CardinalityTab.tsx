// Status > Cardinality: which metrics, labels and values the series come from; each row narrows, or leads to the graph.
import { Link } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { type Cardinality, fetchCardinality } from '../api/status';
import { Facts } from '../parts/Facts';
import { Failed } from '../parts/Failed';
import { Empty, Note, Progress, Stale } from '../parts/States';
import { useDebounced } from '../parts/useDebounced';
import { useLive } from '../parts/useLive';
import { useNow } from '../parts/useNow';
import type { Search } from '../router-search';
import { formatAgo, formatDuration } from '../time/format';
import { formatExact, formatValue } from '../units/format';
import { ChurnList } from './ChurnList';
import { CountList } from './CountList';
import { isWholeHour, narrow, splitPair } from './model';
import type { TabProps } from './StatusPage';

const PATH = '/api/afferent/v1/status/cardinality';
const TOPS = [50, 200, 1000];

/** The way to Explore, with the page's time range where it has one. */
function exploreSearch(search: Search, selector: string): Search {
  const kept = ['from', 'to', 'tz'].flatMap((key) => (search[key] ? [[key, search[key]] as const] : []));
  return { A: selector, ...Object.fromEntries(kept) };
}

export function CardinalityTab(props: TabProps) {
  const { search, set } = props;
  const selector = search.match ?? '';
  const label = search.label ?? '';
  const typed = search.find ?? '';
  const find = useDebounced(typed.trim());
  const top = TOPS.find((n) => String(n) === search.top) ?? 50;
  const request = { selector, label, search: find, limit: top };
  const counts = useLive(['cardinality', request], (signal) => fetchCardinality(request, signal), 20);
  const now = useNow();
  const { data } = counts;
  if (!data && counts.error && !selector) {
    return <Failed what="The count of series" error={counts.error} retry={counts.retry} path={PATH} />;
  }
  const refused = counts.error && selector !== '' && (!data || counts.old);
  return (
    <>
      <div className="row cardinality-controls">
        <SelectorField selector={selector} set={set} />
        <input
          className="input status-filter"
          placeholder="Search names and values"
          aria-label="Search names and values"
          value={typed}
          spellCheck={false}
          onChange={(event) => set({ find: event.target.value || undefined })}
        />
        {(selector || label || typed) && (
          <Link to="/status" search={allSeries(search)} className="button">
            All series
          </Link>
        )}
        {selector && (
          <Link to="/explore" search={exploreSearch(search, selector)} className="button">
            Open in Explore
          </Link>
        )}
      </div>
      <Progress active={counts.loading && (counts.old || !data)} />
      {refused && counts.error && (
        <Note level="critical" word="Error">
          {counts.error.message}
        </Note>
      )}
      {counts.error && !refused && data && (
        <Stale error={counts.error} since={formatAgo(counts.at, now)} retry={counts.retry} />
      )}
      {data && !refused && (
        <div className={counts.old ? 'cardinality-counts dimmed' : 'cardinality-counts'} aria-busy={counts.old}>
          <Counts data={data} {...props} selector={selector} find={find} top={top} />
          <p className="quiet">
            Counted {formatAgo(counts.at, Math.max(now, counts.at))}: the series in memory, which are those that take
            samples. What has ended is in blocks only.
          </p>
        </div>
      )}
    </>
  );
}

function allSeries(search: Search): Search {
  const { match: _match, label: _label, find: _find, ...rest } = search;
  return rest;
}

function SelectorField(props: { selector: string; set: TabProps['set'] }) {
  const [draft, setDraft] = useState(props.selector);
  useEffect(() => setDraft(props.selector), [props.selector]);
  const changed = draft.trim() !== props.selector;
  return (
    <form
      className="cardinality-selector"
      onSubmit={(event) => {
        event.preventDefault();
        props.set({ match: draft.trim() || undefined, label: undefined }, true);
      }}
    >
      <input
        className="input mono"
        placeholder={'Selector: up, {job="api"}'}
        aria-label="Selector"
        title="Count only the series that match; Enter to apply"
        value={draft}
        spellCheck={false}
        autoCapitalize="off"
        onChange={(event) => setDraft(event.target.value)}
      />
      <button type="submit" className={changed ? 'button primary' : 'button'}>
        Count
      </button>
    </form>
  );
}

type CountsProps = TabProps & { data: Cardinality; selector: string; find: string; top: number };

function Counts(props: CountsProps) {
  const { data, search, selector, find, top, set } = props;
  if (data.series === 0) return <NothingCounted selector={selector} search={search} />;
  const { churn, label } = data;
  const hour = formatDuration(Math.max(1, Math.round(churn.overMs / 1000)));
  const drill = (name: string, value: string): Search => {
    const { find: _find, label: _label, ...rest } = search;
    return { ...rest, match: narrow(selector, name, value) };
  };
  const explore = (name: string, value: string) => exploreSearch(search, narrow(selector, name, value));
  const more = <MoreRows top={top} set={set} />;
  const single = data.metricCount <= 1 && selector !== '';
  return (
    <div className="cardinality">
      <Facts
        facts={[
          { name: selector ? 'Series that match' : 'Series in memory', value: formatExact(data.series) },
          { name: 'Metric names', value: formatExact(data.metricCount) },
          { name: 'Label pairs', value: formatExact(data.labelPairCount) },
          {
            name: 'New series',
            value: `${formatValue(churn.createdPerHour, 'short')}${isWholeHour(churn.overMs) ? '/h' : ''}`,
            more: isWholeHour(churn.overMs) ? 'all series' : `all series, since the start ${hour} ago`,
          },
          {
            name: 'Gone series',
            value: `${formatValue(churn.removedPerHour, 'short')}${isWholeHour(churn.overMs) ? '/h' : ''}`,
            more: isWholeHour(churn.overMs) ? 'all series' : `all series, since the start ${hour} ago`,
          },
        ]}
      />
      {label && (
        <CountList
          title={
            <>
              Values of <code>{label.name}</code>
            </>
          }
          id="values"
          head="Value"
          counted="Series"
          total={label.valueCount}
          whole={data.series}
          list={label.seriesCountByValue}
          find={find}
          listed={top}
          more={more}
          text={(value) => value || '(empty)'}
          to={(value) => drill(label.name, value)}
          explore={(value) => explore(label.name, value)}
          action={
            <button type="button" className="button small" onClick={() => set({ label: undefined }, true)}>
              Close
            </button>
          }
        />
      )}
      <div className="cardinality-lists">
        {!single && (
          <div className="cardinality-column">
            <CountList
              title="Metrics"
              id="metrics"
              head="Metric"
              counted="Series"
              total={data.metricCount}
              whole={data.series}
              list={data.seriesCountByMetricName}
              find={find}
              listed={top}
              more={more}
              to={(name) => drill('__name__', name)}
              explore={(name) => explore('__name__', name)}
            />
            {!selector && <ChurnList churn={churn} to={(name) => drill('__name__', name)} />}
          </div>
        )}
        <div className="cardinality-column">
          <CountList
            title="Labels"
            id="labels"
            head="Label"
            counted="Values"
            total={null}
            whole={null}
            list={data.valueCountByLabelName}
            find={find}
            listed={top}
            more={more}
            to={(name) => ({ ...search, label: name, find: '' })}
            current={label?.name}
          />
          <CountList
            title="Label pairs"
            id="pairs"
            head="Label and value"
            counted="Series"
            total={data.labelPairCount - data.metricCount}
            whole={data.series}
            list={data.seriesCountByLabelPair}
            find={find}
            listed={top}
            more={more}
            to={(pair) => drill(...splitPair(pair))}
            explore={(pair) => explore(...splitPair(pair))}
          />
        </div>
      </div>
    </div>
  );
}

function MoreRows(props: { top: number; set: TabProps['set'] }) {
  const next = TOPS.find((n) => n > props.top);
  if (!next) return null;
  return (
    <button type="button" className="button small" onClick={() => props.set({ top: String(next) })}>
      Show {formatExact(next)}
    </button>
  );
}

function NothingCounted(props: { selector: string; search: Search }) {
  if (!props.selector) {
    return (
      <Empty title="No series in memory">
        <p>Metrics, labels and values with most series would be listed here as soon as samples come in.</p>
        <p>
          <Link to="/targets">See whether a target is scraped</Link>
        </p>
      </Empty>
    );
  }
  return (
    <Empty title="No series in memory match">
      <p>
        <code>{props.selector}</code> may still have samples in blocks.
      </p>
      <div className="row">
        <Link to="/status" search={allSeries(props.search)} className="button">
          All series
        </Link>
        <Link to="/explore" search={exploreSearch(props.search, props.selector)} className="button">
          Open in Explore
        </Link>
      </div>
    </Empty>
  );
}

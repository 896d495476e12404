// What Explore says besides its picture: warnings, nothing found, and where to begin.

import { Link } from '@tanstack/react-router';
import { CopyButton } from '../parts/Copy';
import { Empty, Note } from '../parts/States';
import { useTime } from '../shell/time';
import { formatTime } from '../time/format';
import { formatExact } from '../units/format';
import { STARTERS, type Starter } from './starters';
import type { Result } from './useResults';

/** PromQL's warnings (the answer may be wrong or incomplete) and infos (the query may be). */
export function Annotations(props: { results: Result[] }) {
  return props.results.map((result) => {
    const { answer, query } = result;
    if (!answer || answer.warnings.length + answer.infos.length === 0) return null;
    return (
      <div key={query.id} className="annotations">
        {answer.warnings.map((text) => (
          <Note key={text} level="warning" word="Warning">
            {query.id}: {text.replace(/^PromQL warning: /, '')}
          </Note>
        ))}
        {answer.infos.map((text) => (
          <Note key={text} level="info" word="Info">
            {query.id}: {text.replace(/^PromQL info: /, '')}
          </Note>
        ))}
      </div>
    );
  });
}

export function NothingFound(props: { results: Result[] }) {
  const { range, zone, refresh, zoomed, zoomBack, zoomOut } = useTime();
  const read = props.results.reduce((sum, r) => sum + (r.answer?.data.stats?.samples?.totalQueryableSamples ?? 0), 0);
  return (
    <Empty title={`No series matched ${props.results.map((r) => r.query.id).join(', ')}`}>
      <p>
        Between {formatTime(range.start, zone)} and {formatTime(range.end, zone)}{' '}
        {read > 0
          ? `${formatExact(read)} samples were read, but nothing is left after the query's operations.`
          : 'nothing was stored that fits.'}
      </p>
      <div className="row">
        {zoomed && (
          <button type="button" className="button" onClick={zoomBack}>
            Back to the range before
          </button>
        )}
        <button type="button" className="button" onClick={zoomOut}>
          Zoom out
        </button>
      </div>
      <ul className="hints">
        <li>Press Metrics to see which names exist.</li>
        <li>
          Look at <Link to="/targets">Targets</Link>: is the source up?
        </li>
        <li>A rate needs two samples within its brackets, so a new target takes two scrapes to appear.</li>
      </ul>
      {refresh !== 'off' && <p className="quiet">Asking again every {refresh}.</p>}
    </Empty>
  );
}

export function Welcome(props: { run: (starter: Starter) => void }) {
  return (
    <Empty title="The graph of a query appears here">
      <p>Type PromQL above and press Enter, press Metrics to find a name, or start with one of these.</p>
      <ul className="starters">
        {STARTERS.map((starter) => (
          <li key={starter.title}>
            <button type="button" className="starter" onClick={() => props.run(starter)}>
              <span>{starter.title}</span>
              <code>{starter.expr}</code>
            </button>
            <CopyButton text={() => starter.expr} label="Copy" />
          </li>
        ))}
      </ul>
    </Empty>
  );
}

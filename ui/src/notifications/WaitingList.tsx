// What is on its way: the next try of each, how often it was tried and what came back.
import { useCallback } from 'react';
import type { Waiting } from '../api/alerting';
import { whenMs } from '../api/rules';
import { LongList } from '../parts/LongList';
import { Severity } from '../parts/Severity';
import { When } from '../parts/When';
import { Letter, tried } from './Letter';

/** About as high as one that has failed before. */
const ROW = 96;

export function WaitingList(props: { waiting: readonly Waiting[]; now: number }) {
  const { waiting, now } = props;
  const keyOf = useCallback((index: number) => String(waiting[index]?.id ?? index), [waiting]);
  return (
    <section className="letters" aria-label="Outbox">
      <div className="row">
        <h2>Outbox</h2>
        <span className="quiet">
          {waiting.length === 0
            ? 'Nothing waits: every notification was taken or refused.'
            : `${waiting.length === 1 ? 'One notification waits' : `${waiting.length} notifications wait`}, the next try first. They survive a restart.`}
        </span>
      </div>
      {waiting.length > 0 && (
        <LongList
          className="waiting-list"
          label="Waiting notifications"
          count={waiting.length}
          keyOf={keyOf}
          estimate={ROW}
          row={(index) => {
            const item = waiting[index];
            return item ? (
              <Letter item={item} now={now} error={item.lastError} state={<Next item={item} now={now} />} />
            ) : null;
          }}
        />
      )}
    </section>
  );
}

function Next(props: { item: Waiting; now: number }) {
  const { item, now } = props;
  const at = whenMs(item.nextAttempt);
  const word = item.inFlight ? 'Sending' : item.attempts > 0 ? 'Retrying' : 'Waiting';
  return (
    <>
      <Severity level={item.attempts > 0 ? 'warning' : 'info'} word={word} />
      {!item.inFlight && <span>next try {at !== null && at <= now ? 'now' : <When at={at} now={now} future />}</span>}
      <span className="quiet">{tried(item.attempts)}</span>
    </>
  );
}

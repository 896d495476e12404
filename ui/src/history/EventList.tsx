// The events of a range, the newest first, page by page.
import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query';
import { useCallback, useMemo } from 'react';
import { fetchHistory, type HistoryRequest } from '../api/alerting';
import { CopyButton } from '../parts/Copy';
import { Failed } from '../parts/Failed';
import { LongList } from '../parts/LongList';
import { Empty, Progress, Stale } from '../parts/States';
import { formatAgo } from '../time/format';
import { formatExact } from '../units/format';
import { EventRow } from './EventRow';
import { historyCsv, keysOf } from './model';

/** As high as a row of one line. */
const ROW = 28;
const NARROW_ROW = 84;

type Props = {
  request: HistoryRequest;
  filtered: boolean;
  now: number;
  open: string;
  setOpen: (key: string) => void;
  clear: () => void;
};

export function EventList(props: Props) {
  const { request, now, open, setOpen } = props;
  const answer = useInfiniteQuery({
    queryKey: ['history', request],
    queryFn: ({ pageParam, signal }) => fetchHistory(pageParam ? { ...request, cursor: pageParam } : request, signal),
    initialPageParam: '',
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
  });
  const events = useMemo(() => (answer.data?.pages ?? []).flatMap((page) => page.events), [answer.data]);
  const keys = useMemo(() => keysOf(events), [events]);
  const keyOf = useCallback((index: number) => keys[index] ?? String(index), [keys]);
  const retry = () => void answer.refetch();
  if (!answer.data) {
    return answer.error ? (
      <Failed what="The history" error={answer.error} retry={retry} path="/api/afferent/v1/alerting/history" />
    ) : (
      <Progress active />
    );
  }
  return (
    <>
      {answer.error && <Stale error={answer.error} since={formatAgo(answer.dataUpdatedAt, now)} retry={retry} />}
      <Progress active={answer.isFetching} />
      {events.length === 0 ? (
        <Empty title={props.filtered ? 'Nothing in this range fits the filter' : 'Nothing happened in this range'}>
          <p>
            Every change of an alert, every notification and attempt, every edit of a silence and every acknowledgement
            is kept here for 90 days.
          </p>
          {props.filtered && (
            <p>
              <button type="button" className="button" onClick={props.clear}>
                Clear the filter
              </button>
            </p>
          )}
        </Empty>
      ) : (
        <>
          <div className="row">
            <span>
              {formatExact(events.length)}
              {answer.hasNextPage ? ' newest events' : events.length === 1 ? ' event' : ' events'}
            </span>
            <span className="spread" />
            <CopyButton text={() => historyCsv(events)} label="Copy CSV" />
          </div>
          <LongList
            className={answer.isPlaceholderData ? 'history-list dimmed' : 'history-list'}
            label="Events"
            count={events.length}
            keyOf={keyOf}
            estimate={window.innerWidth > 720 ? ROW : NARROW_ROW}
            row={(index) => {
              const event = events[index];
              const key = keyOf(index);
              return event ? (
                <EventRow event={event} now={now} open={key === open} toggle={() => setOpen(key === open ? '' : key)} />
              ) : null;
            }}
            end={
              answer.hasNextPage && (
                <div className="row history-more">
                  <button
                    type="button"
                    className="button small"
                    disabled={answer.isFetchingNextPage}
                    onClick={() => void answer.fetchNextPage()}
                  >
                    {answer.isFetchingNextPage ? 'Loading' : 'Load older events'}
                  </button>
                </div>
              )
            }
          />
        </>
      )}
    </>
  );
}

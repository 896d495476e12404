// How many alerts fire, beside the page's name in the navigation: the count has the colour and shape of the worst.
import { useQuery } from '@tanstack/react-query';
import { useEffect } from 'react';
import { foreignOf } from '../alerts/sent';
import { LEVEL_WORD, levelOf, worst } from '../alerts/severity';
import { fetchSentAlerts } from '../api/alerting';
import { fetchAlerts } from '../api/rules';
import { Severity } from '../parts/Severity';
import { useTime } from './time';

/** Milliseconds; a page that refreshes more often takes the count along. */
const EVERY = 30_000;

/** Rules over metrics and over logs, and what others have sent; one that fails does not hide what the others say. */
async function firing(signal: AbortSignal) {
  const rules = [fetchAlerts('metrics', signal), fetchAlerts('logs', signal)];
  const answers = await Promise.allSettled(rules);
  const all = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  const own = all.filter((alert) => alert.state === 'firing');
  // Without an answer from the dispatcher only those of others are missing; the page of alerts says so.
  const sent = await fetchSentAlerts(signal).catch(() => []);
  const others = foreignOf(
    own.map((alert) => alert.labels),
    sent,
  );
  const alerts = [...own, ...others];
  const levels = alerts.map((alert) => levelOf(alert.labels));
  return {
    count: levels.length,
    worst: worst(levels),
    whole: answers.every((answer) => answer.status === 'fulfilled'),
  };
}

export function AlertCount() {
  const { tick } = useTime();
  const { data, refetch } = useQuery({
    queryKey: ['alert-count'],
    queryFn: ({ signal }) => firing(signal),
    refetchInterval: EVERY,
  });
  useEffect(() => {
    if (tick > 0) void refetch({ cancelRefetch: false });
  }, [tick, refetch]);
  if (!data || (data.count === 0 && data.whole)) return null;
  const level = data.worst ?? 'unknown';
  const said =
    (data.count > 0 ? `${data.count} firing, worst: ${LEVEL_WORD[level]}` : 'none known to fire') +
    (data.whole ? '' : '; not all of them could be read');
  return (
    <span className="nav-count" title={said}>
      <span aria-hidden="true">
        <Severity level={level} word={`${data.count > 999 ? '999+' : data.count}${data.whole ? '' : '?'}`} />
      </span>
      <span className="visually-hidden">{said}</span>
    </span>
  );
}

// An instant as people ask for it, how long ago, with the exact time on hover.
import { useTime } from '../shell/time';
import { formatAgo, formatTime, zoneName } from '../time/format';

type Props = {
  /** Epoch milliseconds. */
  at: number | null;
  now: number;
  never?: string;
  className?: string;
  /** It may lie ahead; otherwise an instant that this machine's clock has not reached yet counts as now. */
  future?: boolean;
};

export function When(props: Props) {
  const { zone } = useTime();
  const { at, now } = props;
  if (at === null) return <span className="quiet">{props.never ?? 'Never'}</span>;
  return (
    <time
      className={props.className}
      dateTime={new Date(at).toISOString()}
      title={`${formatTime(at, zone, true)} ${zoneName(zone, at)}`}
    >
      {formatAgo(at, props.future ? now : Math.max(now, at))}
    </time>
  );
}

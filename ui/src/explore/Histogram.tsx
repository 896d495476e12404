// A native histogram in a table cell: its buckets as bars, its count and sum as text, the boundaries on hover.
import { type Histogram as Data, parseValue } from '../api/prometheus';
import { histogramText } from '../series/table';
import { formatValue } from '../units/format';

export function Histogram(props: { histogram: Data }) {
  const { histogram } = props;
  const buckets = histogram.buckets ?? [];
  const highest = Math.max(...buckets.map(([, , , count]) => parseValue(count)), 0);
  return (
    <div className="histogram" title={histogramText(histogram)}>
      <div className="histogram-bars" role="img" aria-label={histogramText(histogram)}>
        {buckets.map((bucket) => (
          <i
            key={`${bucket[1]} ${bucket[2]}`}
            style={{ height: `${highest > 0 ? Math.max(4, (parseValue(bucket[3]) / highest) * 100) : 0}%` }}
            title={histogramText({ count: bucket[3], sum: '–', buckets: [bucket] })}
          />
        ))}
      </div>
      <span>
        count {formatValue(parseValue(histogram.count), 'short')}, sum {formatValue(parseValue(histogram.sum), 'short')}
        , {buckets.length} buckets
      </span>
    </div>
  );
}

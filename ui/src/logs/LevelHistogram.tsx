// When lines were written, by level; dragging zooms, a level is a filter.
import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { queryNumbers, type Span } from '../api/loki';
import { Chart } from '../chart/Chart';
import type { Look } from '../chart/options';
import { Note } from '../parts/States';
import { useTime } from '../shell/time';
import { formatDuration } from '../time/format';
import { formatExact, formatValue } from '../units/format';
import { bucketSpan, bucketStep, levelFrame, levelTotals } from './histogram';
import { LevelMark } from './LevelMark';
import { type LogLevel, levelVariable } from './levels';
import { addAnyOf, levelQuery } from './query';

const NO_SLOTS = new Map<string, number>();

type Props = {
  query: string;
  span: Span;
  width: number;
  tick: number;
  setQuery: (query: string) => void;
};

export default function LevelHistogram(props: Props) {
  const { query, span, width } = props;
  const time = useTime();
  const [focus, setFocus] = useState<string | null>(null);
  const step = bucketStep(span, width);
  const buckets = bucketSpan(span, step);
  const answer = useQuery({
    queryKey: ['log-levels', query, String(buckets.start), String(buckets.end), step, props.tick],
    queryFn: async ({ signal }) => {
      const { data } = await queryNumbers(levelQuery(query, step), buckets, step, signal);
      return { frame: levelFrame(data.resultType === 'matrix' ? data.result : [], buckets, step), step };
    },
    placeholderData: (old) => old,
  });
  const frame = answer.data?.frame;
  const look = useMemo((): Look | null => {
    if (!frame) return null;
    return {
      series: frame.series,
      visible: frame.series.map(() => true),
      slots: NO_SLOTS,
      tokens: new Map(frame.series.map((s) => [s.key, levelVariable(s.key as LogLevel)])),
      unit: 'short',
      zero: true,
      style: 'bars',
      zone: time.zone,
    };
  }, [frame, time.zone]);
  if (answer.error && !frame) {
    return (
      <Note level="warning" word="Partial">
        The histogram could not be drawn: {answer.error.message}.
      </Note>
    );
  }
  // As high as `--bars`, before and after the answer.
  if (!frame || !look) return <div className="logs-bars" />;
  return (
    <div className={answer.isPlaceholderData ? 'dimmed' : undefined}>
      <div className="logs-bars">
        <Chart
          frame={frame}
          look={look}
          range={time.range}
          width={width}
          height={112}
          label={`Lines over time by level, ${formatDuration(step)} each. Arrow keys move the crosshair.`}
          focus={focus}
          onZoom={time.zoomTo}
          onBack={time.zoomBack}
        />
      </div>
      <div className="logs-levels" role="group" aria-label="Levels">
        {levelTotals(frame).map(({ level, count, spelled }) => (
          <button
            key={level}
            type="button"
            className="button plain small"
            title={`${formatExact(count)} lines. Press to keep only these.`}
            onPointerEnter={() => setFocus(level)}
            onPointerLeave={() => setFocus(null)}
            onClick={() => props.setQuery(addAnyOf(query, 'detected_level', spelled))}
          >
            <LevelMark level={level} /> {formatValue(count, 'short')}
          </button>
        ))}
        <span className="spread" />
        <span className="quiet">{formatDuration(step)} per bar</span>
      </div>
    </div>
  );
}

// A query that counts or computes is drawn, as Explore draws one.
import { useQuery } from '@tanstack/react-query';
import { useMemo, useRef, useState } from 'react';
import { ApiError } from '../api/http';
import { queryNumbers } from '../api/loki';
import { Chart } from '../chart/Chart';
import { Legend } from '../chart/Legend';
import type { Look } from '../chart/options';
import { Empty, Progress } from '../parts/States';
import { useWidth } from '../parts/useWidth';
import { assignSlots } from '../series/colour';
import { buildFrame } from '../series/frame';
import { isVisible, type Visibility } from '../series/visible';
import { useTime } from '../shell/time';
import { alignRange, autoStep, expandVariables } from '../time/step';
import { LogsError } from './LogsError';

type Props = { query: string; visible: Visibility; setVisible: (visible: Visibility) => void };

export default function MetricView(props: Props) {
  const { query, visible, setVisible } = props;
  const time = useTime();
  const panel = useRef<HTMLDivElement>(null);
  const width = useWidth(panel);
  const [focus, setFocus] = useState<string | null>(null);
  const seconds = (time.range.end - time.range.start) / 1000;
  const step = autoStep(seconds, width || window.innerWidth);
  const { start, end } = alignRange(time.range.start / 1000, time.range.end / 1000, step);
  const answer = useQuery({
    queryKey: ['log-numbers', query, start, end, step, time.tick],
    queryFn: async ({ signal }) => {
      const ns = (s: number) => BigInt(Math.round(s * 1000)) * 1_000_000n;
      const expr = expandVariables(query, step, seconds);
      const { data } = await queryNumbers(expr, { start: ns(start), end: ns(end) }, step, signal);
      if (data.resultType === 'streams') throw new ApiError('bad_response', 'Lines came in place of numbers', 200);
      return buildFrame([{ query: 'A', expr: query, legend: '', start, end, step, data }]);
    },
    placeholderData: (old) => old,
  });
  const frame = answer.data;
  const look = useMemo((): Look | null => {
    if (!frame) return null;
    return {
      series: frame.series,
      visible: frame.series.map((s) => isVisible(visible, s.key)),
      slots: assignSlots(frame.series),
      unit: 'short',
      zero: true,
      style: 'lines',
      zone: time.zone,
    };
  }, [frame, visible, time.zone]);
  return (
    <div className="logs-main" ref={panel}>
      <Progress active={answer.isFetching} />
      {answer.error && <LogsError query={query} error={answer.error as ApiError} />}
      {!answer.error && frame && frame.series.length === 0 && (
        <Empty title="The query gave no series">
          <p>No line in this range takes part in it. Take the filters off one by one, or widen the range.</p>
        </Empty>
      )}
      {!answer.error && frame && look && frame.series.length > 0 && width > 0 && (
        <div className={answer.isPlaceholderData ? 'dimmed' : undefined}>
          <Chart
            frame={frame}
            look={look}
            range={time.range}
            width={width}
            height={width < 600 ? 260 : 340}
            label={`Graph of ${query}. Arrow keys move the crosshair.`}
            focus={focus}
            onZoom={time.zoomTo}
            onBack={time.zoomBack}
          />
          <Legend
            series={frame.series}
            slots={look.slots}
            unit="short"
            title=""
            visible={visible}
            setVisible={setVisible}
            setFocus={setFocus}
          />
        </div>
      )}
    </div>
  );
}

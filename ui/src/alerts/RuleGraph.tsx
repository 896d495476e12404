// What a rule watches, over the time range: the compared side as lines, the bound across them.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useMemo, useRef, useState } from 'react';
import { ApiError } from '../api/http';
import { queryNumbers } from '../api/loki';
import { type QueryData, queryRange } from '../api/prometheus';
import type { Source } from '../api/rules';
import { Chart } from '../chart/Chart';
import { Legend } from '../chart/Legend';
import type { Look } from '../chart/options';
import { CopyButton } from '../parts/Copy';
import type { Level } from '../parts/Severity';
import { Note, Progress } from '../parts/States';
import { useWidth } from '../parts/useWidth';
import { queryLink } from '../rules/model';
import { assignSlots } from '../series/colour';
import { buildFrame, type Frame } from '../series/frame';
import { ALL_VISIBLE, isVisible, type Visibility } from '../series/visible';
import { useTime } from '../shell/time';
import { alignRange, autoStep } from '../time/step';
import { formatValue } from '../units/format';
import { inferUnit, startsAtZero } from '../units/infer';
import { isAlerting, type RuleAlerts } from './model';
import { splitThreshold } from './threshold';

/** More lines say less; those that alerts come from are drawn first. */
const DRAWN = 20;
/** As high as `--graph`. */
const HEIGHT = 200;

async function ask(source: Source, query: string, start: number, end: number, step: number, signal: AbortSignal) {
  if (source === 'metrics') return (await queryRange({ query, start, end, step }, signal)).data;
  const ns = (seconds: number) => BigInt(Math.round(seconds * 1000)) * 1_000_000n;
  const { data } = await queryNumbers(query, { start: ns(start), end: ns(end) }, step, signal);
  if (data.resultType === 'streams') throw new ApiError('bad_response', 'Lines came in place of numbers', 200);
  return data as QueryData;
}

export default function RuleGraph(props: { block: RuleAlerts; level: Level }) {
  const { from, rule, alerts } = props.block;
  const { source } = from;
  const time = useTime();
  const panel = useRef<HTMLDivElement>(null);
  const width = useWidth(panel);
  const [visible, setVisible] = useState<Visibility>(ALL_VISIBLE);
  const [focus, setFocus] = useState<string | null>(null);
  const bound = useMemo(() => splitThreshold(rule.query), [rule.query]);
  const expr = bound?.expr ?? rule.query;
  const seconds = (time.range.end - time.range.start) / 1000;
  const step = autoStep(seconds, width);
  const { start, end } = alignRange(time.range.start / 1000, time.range.end / 1000, step);
  const answer = useQuery({
    queryKey: ['rule-graph', source, expr, start, end, step],
    queryFn: async ({ signal }) => {
      const data = await ask(source, expr, start, end, step, signal);
      return { expr, frame: buildFrame([{ query: 'A', expr, legend: '', start, end, step, data }]) };
    },
    // The step comes from the width.
    enabled: width > 0,
    placeholderData: (old) => (old?.expr === expr ? old : undefined),
  });
  const all = answer.data?.frame;
  const frame = useMemo((): Frame | undefined => {
    if (!all || all.series.length <= DRAWN) return all;
    const labels = alerts.map((alert) => alert.labels);
    const known = all.series.map((series) => ({ series, first: isAlerting(series.labels, labels) }));
    const sorted = known.sort((a, b) => Number(b.first) - Number(a.first)).map(({ series }) => series);
    return { ...all, series: sorted.slice(0, DRAWN) };
  }, [all, alerts]);
  const look = useMemo((): Look | null => {
    if (!frame) return null;
    const unit = inferUnit(expr);
    const label = bound ? `${bound.op} ${formatValue(bound.value, unit)}` : '';
    return {
      series: frame.series,
      visible: frame.series.map((series) => isVisible(visible, series.key)),
      slots: assignSlots(frame.series),
      unit,
      zero: startsAtZero(expr),
      style: 'lines',
      zone: time.zone,
      thresholds: bound ? [{ value: bound.value, label, token: `--${props.level}` }] : [],
    };
  }, [frame, expr, bound, visible, time.zone, props.level]);
  const link = queryLink(source, expr);
  const { from: rangeFrom, to } = time.text;
  return (
    <div className="alert-graph" ref={panel}>
      <Progress active={answer.isFetching} />
      {answer.error && (
        <Note level="warning" word="No graph">
          {answer.error.message}
        </Note>
      )}
      {frame && frame.series.length === 0 && !answer.error && (
        <p className="quiet">Nothing was stored in this range that the rule looks at.</p>
      )}
      {frame && look && frame.series.length > 0 && width > 0 && (
        <div className={answer.isPlaceholderData ? 'dimmed' : undefined}>
          <Chart
            frame={frame}
            look={look}
            range={time.range}
            width={width}
            height={HEIGHT}
            label={`Graph of ${expr}${bound ? `, bound ${bound.op} ${bound.value}` : ''}. Arrow keys move the crosshair.`}
            focus={focus}
            onZoom={time.zoomTo}
            onBack={time.zoomBack}
          />
          {frame.series.length > 1 && (
            <Legend
              series={frame.series}
              slots={look.slots}
              unit={look.unit}
              title=""
              visible={visible}
              setVisible={setVisible}
              setFocus={setFocus}
            />
          )}
        </div>
      )}
      <div className="row alert-graph-foot">
        <Link className="button small" to={link.to} search={{ from: rangeFrom, to, ...link.search }}>
          {source === 'metrics' ? 'Open in Explore' : 'Open in Logs'}
        </Link>
        <CopyButton text={() => expr} label="Copy query" />
        <span className="quiet">
          {all &&
            all.series.length > DRAWN &&
            `${DRAWN} of ${all.series.length} series are drawn, alerting ones first. `}
          {bound?.also && `Not drawn, and must hold as well: ${bound.also}. `}
          {!bound && 'A series is drawn where it meets the condition. '}
        </span>
      </div>
    </div>
  );
}

// The graph tab: one chart per unit, sharing their crosshair, each with its legend.
import { type RefObject, useMemo, useRef, useState } from 'react';
import type uPlot from 'uplot';
import { Chart } from '../chart/Chart';
import { Legend } from '../chart/Legend';
import type { Look } from '../chart/options';
import { Note } from '../parts/States';
import { assignSlots } from '../series/colour';
import { buildFrame, type Frame, histogramCount } from '../series/frame';
import { isVisible } from '../series/visible';
import { useTime } from '../shell/time';
import { formatExact, type Unit } from '../units/format';
import { inferUnit, startsAtZero } from '../units/infer';
import type { ExploreState } from './state';
import type { Result } from './useResults';

/** More lines than this on one chart show nothing; the rest waits for a click. */
export const DRAWN = 100;
export type Drawn = { chart: uPlot; look: Look; frame: Frame };

type Props = {
  state: ExploreState;
  results: Result[];
  width: number;
  height: number;
  change: (state: ExploreState) => void;
  /** Charts on screen, for pictures and files. */
  drawn: RefObject<Map<string, Drawn>>;
};

type Panel = { unit: Unit; zero: boolean; frame: Frame; title: string };

function panelsOf(results: readonly Result[], unit: ExploreState['unit']): Panel[] {
  const groups = new Map<Unit, Result[]>();
  for (const result of results) {
    if (result.answer?.kind !== 'range') continue;
    const own = unit === 'auto' ? inferUnit(result.answer.expr) : unit;
    groups.set(own, [...(groups.get(own) ?? []), result]);
  }
  return [...groups].map(([own, group]) => ({
    unit: own,
    zero: group.some((r) => startsAtZero(r.query.expr)),
    title: group.map((r) => r.query.expr).join(', '),
    frame: buildFrame(
      group.flatMap((r) =>
        r.answer ? [{ ...r.answer, query: r.query.id, legend: r.query.legend, expr: r.query.expr }] : [],
      ),
    ),
  }));
}

export function GraphView(props: Props) {
  const { results, state } = props;
  const panels = useMemo(() => panelsOf(results, state.unit), [results, state.unit]);
  const histograms = results.reduce((sum, r) => sum + (r.answer ? histogramCount(r.answer.data) : 0), 0);
  const skipped = state.queries.filter((q) => !q.off && q.kind === 'instant' && q.expr !== '');
  const toTable = (
    <button type="button" className="button small" onClick={() => props.change({ ...state, tab: 'table' })}>
      Show table
    </button>
  );
  return (
    <>
      {histograms > 0 && (
        <Note level="info" word="Histograms" action={toTable}>
          {formatExact(histograms)} {histograms === 1 ? 'series is a native histogram' : 'series are native histograms'}
          , which a line cannot show. Draw a quantile: <code>histogram_quantile(0.95, …)</code>
        </Note>
      )}
      {skipped.length > 0 && (
        <Note level="info" word="Instant" action={toTable}>
          {skipped.map((q) => q.id).join(', ')} asks for one instant and is shown in the table.
        </Note>
      )}
      {panels.map((panel) =>
        panel.frame.series.length > 0 ? (
          <PanelView
            key={panel.unit}
            {...props}
            panel={panel}
            ids={panels.length > 1 ? [...new Set(panel.frame.series.map((s) => s.query))].join(', ') : ''}
          />
        ) : null,
      )}
    </>
  );
}

function PanelView(props: Props & { panel: Panel; ids: string }) {
  const { panel, state } = props;
  const time = useTime();
  const [focus, setFocus] = useState<string | null>(null);
  const [all, setAll] = useState(false);
  const total = panel.frame.series.length;
  const frame = useMemo(
    () => (all || total <= DRAWN ? panel.frame : { ...panel.frame, series: panel.frame.series.slice(0, DRAWN) }),
    [panel.frame, all, total],
  );
  const slots = useMemo(() => assignSlots(frame.series), [frame]);
  const look = useMemo(
    (): Look => ({
      series: frame.series,
      visible: frame.series.map((s) => isVisible(state.visible, s.key)),
      slots,
      unit: panel.unit,
      zero: panel.zero,
      style: state.style,
      zone: time.zone,
    }),
    [frame, slots, state.visible, state.style, panel.unit, panel.zero, time.zone],
  );
  const latest = useRef({ look, frame });
  latest.current = { look, frame };
  const hold = (chart: uPlot | null) => {
    const map = props.drawn.current;
    if (!map) return;
    if (!chart) map.delete(panel.unit);
    else {
      map.set(panel.unit, {
        chart,
        get look() {
          return latest.current.look;
        },
        get frame() {
          return latest.current.frame;
        },
      });
    }
  };

  return (
    <section className="panel">
      {total > DRAWN && (
        <Note
          level="info"
          word="Cut"
          action={
            <button type="button" className="button small" onClick={() => setAll(!all)}>
              {all ? `Draw ${DRAWN}` : `Draw all ${formatExact(total)}`}
            </button>
          }
        >
          {all ? `All ${formatExact(total)} series are drawn.` : `${DRAWN} of ${formatExact(total)} series are drawn.`}{' '}
          Narrow it with a label matcher, <code>sum by (…)</code> or <code>topk(10, …)</code>.
        </Note>
      )}
      <Chart
        frame={frame}
        look={look}
        range={time.range}
        width={props.width}
        height={props.height}
        label={`Graph of ${panel.title}. Arrow keys move the crosshair.`}
        focus={focus}
        onZoom={time.zoomTo}
        onBack={time.zoomBack}
        onChart={hold}
      />
      <Legend
        series={frame.series}
        slots={slots}
        unit={panel.unit}
        title={props.ids}
        visible={state.visible}
        setVisible={(visible) => props.change({ ...state, visible })}
        setFocus={setFocus}
      />
    </section>
  );
}

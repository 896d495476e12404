// A time series chart: the one place that holds a uPlot.
import { type KeyboardEvent, useEffect, useMemo, useRef, useState } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Frame } from '../series/frame';
import { useThemeVersion } from '../shell/theme';
import type { Range } from '../time/range';
import { chartData, chartOptions, type Events, type Look } from './options';
import { type Pointer, Tooltip } from './Tooltip';
import './chart.css';

type Props = {
  frame: Frame;
  look: Look;
  range: Range;
  width: number;
  height: number;
  label: string;
  /** Series to bring forward, or null. */
  focus: string | null;
  onZoom: (range: Range) => void;
  onBack: () => void;
  onChart?: (chart: uPlot | null) => void;
};

/** Everything that needs a new uPlot when it changes; samples and range do not. */
function signature(props: Props, theme: number): string {
  const { look } = props;
  const series = look.series.map((s, i) => s.key + (look.visible[i] ? '+' : '-') + look.slots.get(s.key)).join();
  const bounds = (look.thresholds ?? []).map((t) => `${t.value} ${t.label} ${t.token}`).join();
  return [theme, look.unit, look.zero, look.style, look.zone, series, bounds].join('|');
}

export function Chart(props: Props) {
  const holder = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const theme = useThemeVersion();
  const [pointer, setPointer] = useState<Pointer | null>(null);
  const [active, setActive] = useState(false);
  const sign = signature(props, theme);
  const { frame, look, range, width, height, focus } = props;

  // biome-ignore lint/correctness/useExhaustiveDependencies: `sign` stands for all that the options are made of.
  useEffect(() => {
    if (!holder.current) return;
    const events: Events = {
      range: () => latest.current.range,
      zoom: (next) => latest.current.onZoom(next),
      back: () => latest.current.onBack(),
      cursor: (u) => {
        const { idx, left, top } = u.cursor;
        const seen = idx !== null && idx !== undefined && left !== undefined && left >= 0;
        setPointer(seen ? { index: idx, left, top: top ?? 0, chart: u } : null);
      },
    };
    const now = latest.current;
    const made = new uPlot(
      chartOptions(now.look, events, now.width, now.height),
      chartData(now.frame.times, now.look),
      holder.current,
    );
    chart.current = made;
    now.onChart?.(made);
    return () => {
      latest.current.onChart?.(null);
      made.destroy();
      chart.current = null;
      setPointer(null);
    };
  }, [sign]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new look builds a new chart, above.
  useEffect(() => {
    chart.current?.setData(chartData(frame.times, look));
  }, [frame, range.start, range.end]);

  useEffect(() => {
    chart.current?.setSize({ width, height });
  }, [width, height]);

  useEffect(() => {
    const index = focus === null ? -1 : look.series.findIndex((s) => s.key === focus);
    chart.current?.setSeries(index < 0 ? null : index + 1, { focus: index >= 0 });
  }, [focus, look.series]);

  const onKey = (event: KeyboardEvent) => {
    const u = chart.current;
    if (!u || event.shiftKey || (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight')) return;
    event.preventDefault();
    const times = u.data[0];
    const from = u.cursor.idx ?? (event.key === 'ArrowLeft' ? times.length : -1);
    const index = Math.max(0, Math.min(times.length - 1, from + (event.key === 'ArrowLeft' ? -1 : 1)));
    setActive(true);
    u.setCursor({ left: u.valToPos(times[index] ?? 0, 'x'), top: u.over.clientHeight / 2 });
  };

  const leave = () => {
    setActive(false);
    chart.current?.setCursor({ left: -10, top: -10 });
  };
  const tooltip = useMemo(() => (active ? pointer : null), [active, pointer]);

  return (
    <figure
      className="chart"
      aria-label={props.label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: the crosshair is moved with the arrow keys.
      tabIndex={0}
      onKeyDown={onKey}
      onBlur={leave}
      onPointerEnter={() => setActive(true)}
      onPointerLeave={leave}
    >
      <div ref={holder} style={{ height }} />
      {tooltip && <Tooltip pointer={tooltip} look={look} />}
    </figure>
  );
}

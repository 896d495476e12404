// Samples in, by the minutes of the last hour. A part of it is dragged over into Explore.
import { useNavigate } from '@tanstack/react-router';
import { useMemo, useRef } from 'react';
import type { StoreStatus } from '../api/status';
import { Chart } from '../chart/Chart';
import type { Look } from '../chart/options';
import { useWidth } from '../parts/useWidth';
import { useTime } from '../shell/time';
import { rateFrame } from './model';

const HEIGHT = 140;
const HOUR = 3_600_000;
/** What the server says of itself where it is scraped. */
const QUERY = 'sum(rate(prometheus_tsdb_head_samples_appended_total[1m]))';

export default function IngestionChart(props: { rates: StoreStatus['ingestion']['rates']; at: number }) {
  const { rates, at } = props;
  const { zone } = useTime();
  const navigate = useNavigate();
  const holder = useRef<HTMLDivElement>(null);
  const width = useWidth(holder);
  const frame = useMemo(() => rateFrame(rates), [rates]);
  const look = useMemo(
    (): Look => ({
      series: frame.series,
      visible: frame.series.map(() => true),
      slots: new Map(frame.series.map((series) => [series.key, 0])),
      unit: 'perSecond',
      zero: true,
      style: 'lines',
      zone,
    }),
    [frame, zone],
  );
  const range = useMemo(() => ({ start: at - HOUR, end: at }), [at]);
  return (
    <div ref={holder} className="ingestion-chart">
      {width > 0 && (
        <Chart
          frame={frame}
          look={look}
          range={range}
          width={width}
          height={HEIGHT}
          label="Samples in per second, last hour. Arrow keys move the crosshair."
          focus={null}
          onZoom={(zoom) => {
            const search = { A: QUERY, from: String(Math.round(zoom.start)), to: String(Math.round(zoom.end)) };
            void navigate({ to: '/explore', search });
          }}
          onBack={() => {}}
        />
      )}
    </div>
  );
}

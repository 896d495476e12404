// What the alerts of the last days would have led to, under the configuration in force and under the other one.
import { Link } from '@tanstack/react-router';
import { useMemo, useRef, useState } from 'react';
import { levelOf, levelWord } from '../alerts/severity';
import type { Told, WhatIf } from '../api/alerting';
import { Chart } from '../chart/Chart';
import { Legend } from '../chart/Legend';
import type { Look } from '../chart/options';
import type { Column } from '../parts/columns';
import { DataTable } from '../parts/DataTable';
import { Facts } from '../parts/Facts';
import { Severity } from '../parts/Severity';
import { Empty, Note } from '../parts/States';
import { useWidth } from '../parts/useWidth';
import { assignSlots } from '../series/colour';
import { formatLabels } from '../series/labels';
import { ALL_VISIBLE, isVisible, type Visibility } from '../series/visible';
import { useTime } from '../shell/time';
import { formatExact } from '../units/format';
import { difference, frameOf } from './model';

/** As high as `--graph`. */
const HEIGHT = 200;
/** Changes before a click is needed for more. */
const SHOWN = 50;

export function Report(props: { data: WhatIf }) {
  const { data } = props;
  if (data.alerts === 0) {
    return (
      <Empty title="There is nothing to play back">
        <p>No alert has fired in these days. Choose more of them.</p>
      </Empty>
    );
  }
  return (
    <div className="what-if-report">
      {data.truncated && (
        <Note level="warning" word="Cut">
          There was too much to play back: figures are of a part of these days.
        </Note>
      )}
      {data.warnings.map((warning) => (
        <Note key={warning} level="warning" word="Note">
          {warning}
        </Note>
      ))}
      <Facts
        facts={[
          { name: 'Were sent', value: formatExact(data.recorded), more: `${formatExact(data.alerts)} alerts` },
          { name: 'In force', value: formatExact(data.current), more: 'notifications, played back' },
          {
            name: 'Unsaved',
            value: formatExact(data.candidate),
            more: difference(data.current, data.candidate),
          },
        ]}
      />
      <Timeline data={data} />
      <Receivers data={data} />
      <Changes data={data} />
    </div>
  );
}

function Timeline(props: { data: WhatIf }) {
  const { data } = props;
  const time = useTime();
  const panel = useRef<HTMLDivElement>(null);
  const width = useWidth(panel);
  const [visible, setVisible] = useState<Visibility>(ALL_VISIBLE);
  const [focus, setFocus] = useState<string | null>(null);
  const frame = useMemo(() => frameOf(data), [data]);
  const look = useMemo(
    (): Look => ({
      series: frame.series,
      visible: frame.series.map((series) => isVisible(visible, series.key)),
      slots: assignSlots(frame.series),
      unit: 'short',
      zero: true,
      style: 'lines',
      zone: time.zone,
      thresholds: [],
    }),
    [frame, visible, time.zone],
  );
  if (frame.times.length < 2) return null;
  return (
    <div className="what-if-chart" ref={panel}>
      {width > 0 && (
        <>
          <Chart
            frame={frame}
            look={look}
            range={{ start: data.from, end: data.to }}
            width={width}
            height={HEIGHT}
            label="Notifications over time, in force and unsaved. Arrow keys move the crosshair."
            focus={focus}
            onZoom={() => {}}
            onBack={() => {}}
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
        </>
      )}
    </div>
  );
}

function Receivers(props: { data: WhatIf }) {
  type Row = WhatIf['receivers'][number];
  const columns: Column<Row>[] = [
    { id: 'receiver', label: 'Receiver', grow: true, cell: (row) => row.receiver },
    { id: 'recorded', label: 'Were sent', number: true, wide: true, cell: (row) => formatExact(row.recorded) },
    { id: 'current', label: 'In force', number: true, cell: (row) => formatExact(row.current) },
    { id: 'candidate', label: 'Unsaved', number: true, cell: (row) => formatExact(row.candidate) },
    { id: 'difference', label: 'Difference', number: true, cell: (row) => difference(row.current, row.candidate) },
  ];
  return (
    <>
      <h3>By receiver</h3>
      <DataTable
        label="Notifications by receiver"
        columns={columns}
        rows={props.data.receivers}
        rowKey={(row) => row.receiver}
      />
    </>
  );
}

const told = (list: readonly Told[]) =>
  list.length === 0 ? 'nobody' : list.map(({ receiver, notifications }) => `${receiver} ×${notifications}`).join(', ');

function Changes(props: { data: WhatIf }) {
  const { changes, from, to } = props.data;
  const [shown, setShown] = useState(SHOWN);
  const rest = changes.length - shown;
  if (changes.length === 0) return <p className="quiet">Every alert would have reached the same people as often.</p>;
  return (
    <>
      <h3>
        Alerts that others would have been told of, or more or less often{' '}
        <span className="quiet">{changes.length}</span>
      </h3>
      <ul className="what-if-changes">
        {changes.slice(0, shown).map((change) => {
          const { alertname, severity: _severity, ...others } = change.labels;
          return (
            <li key={change.fingerprint}>
              <Severity level={levelOf(change.labels)} word={levelWord(change.labels)} />
              <Link to="/history" search={{ alert: change.fingerprint, from: String(from), to: String(to) }}>
                {alertname}
              </Link>
              <code>{formatLabels(others)}</code>
              <span>
                <span className="quiet">in force</span> {told(change.current)}
              </span>
              <span>
                <span className="quiet">unsaved</span> <strong>{told(change.candidate)}</strong>
              </span>
            </li>
          );
        })}
      </ul>
      {rest > 0 && (
        <button type="button" className="button small" onClick={() => setShown(shown + SHOWN)}>
          Show {Math.min(rest, SHOWN)} more
        </button>
      )}
    </>
  );
}

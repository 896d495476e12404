// The blocks of the store: sums by level, and each one in a table.
import { useMemo } from 'react';
import type { BlockInfo, StoreStatus } from '../api/status';
import { CopyButton } from '../parts/Copy';
import { type Column, readSort, sortRows, tableCsv, writeSort } from '../parts/columns';
import { DataTable } from '../parts/DataTable';
import { Note } from '../parts/States';
import { useTime } from '../shell/time';
import { formatAgo, formatDuration, formatTime, zoneName } from '../time/format';
import type { Zone } from '../time/range';
import { formatExact, formatValue } from '../units/format';
import { filterBlocks, resolutionText } from './model';
import type { TabProps } from './StatusPage';

const NEWEST = { column: 'to', descending: true };

function columnsOf(zone: Zone, now: number, tenants: boolean): Column<BlockInfo>[] {
  const columns: Column<BlockInfo>[] = [
    {
      id: 'level',
      label: 'Level',
      number: true,
      compare: (a, b) => a.level - b.level || a.minTime - b.minTime,
      cell: (b) => b.level,
      csv: (b) => b.level,
    },
    {
      id: 'from',
      label: 'From',
      compare: (a, b) => a.minTime - b.minTime,
      cell: (b) => formatTime(b.minTime, zone),
      csv: (b) => new Date(b.minTime).toISOString(),
    },
    {
      id: 'to',
      label: 'To',
      wide: true,
      compare: (a, b) => a.maxTime - b.maxTime,
      cell: (b) => formatTime(b.maxTime, zone),
      csv: (b) => new Date(b.maxTime).toISOString(),
    },
    {
      id: 'span',
      label: 'Span',
      number: true,
      wide: true,
      compare: (a, b) => a.maxTime - a.minTime - (b.maxTime - b.minTime),
      cell: (b) => formatDuration(Math.round((b.maxTime - b.minTime) / 1000)),
    },
    {
      id: 'series',
      label: 'Series',
      number: true,
      wide: true,
      compare: (a, b) => a.series - b.series,
      cell: (b) => formatExact(b.series),
      csv: (b) => b.series,
    },
    {
      id: 'rows',
      label: 'Rows',
      number: true,
      wide: true,
      compare: (a, b) => a.rows - b.rows,
      cell: (b) => formatExact(b.rows),
      csv: (b) => b.rows,
    },
    {
      id: 'samples',
      label: 'Samples',
      number: true,
      wide: true,
      compare: (a, b) => a.samples - b.samples,
      cell: (b) => formatExact(b.samples),
      csv: (b) => b.samples,
    },
    {
      id: 'size',
      label: 'Size',
      number: true,
      compare: (a, b) => a.bytes - b.bytes,
      cell: (b) => <span title={`${formatExact(b.bytes)} bytes`}>{formatValue(b.bytes, 'bytes')}</span>,
      csv: (b) => b.bytes,
    },
    {
      id: 'density',
      label: 'B/sample',
      number: true,
      wide: true,
      compare: (a, b) => a.bytes / a.samples - b.bytes / b.samples,
      cell: (b) => (b.samples > 0 ? formatValue(b.bytes / b.samples, 'short') : '–'),
    },
    {
      id: 'resolution',
      label: 'Resolution',
      compare: (a, b) => a.resolutionMs - b.resolutionMs,
      cell: resolutionText,
      csv: (b) => b.resolutionMs / 1000,
    },
    {
      id: 'written',
      label: 'Written',
      number: true,
      wide: true,
      compare: (a, b) => a.createdMs - b.createdMs,
      cell: (b) => (
        <time title={`${formatTime(b.createdMs, zone)} ${zoneName(zone, b.createdMs)}`}>
          {formatAgo(b.createdMs, Math.max(now, b.createdMs))}
        </time>
      ),
      csv: (b) => new Date(b.createdMs).toISOString(),
    },
    {
      id: 'file',
      label: 'File',
      wide: true,
      grow: true,
      cell: (b) => <span title={b.file}>{b.file.replace(/^0+(?=[^.])/, '')}</span>,
      csv: (b) => b.file,
    },
  ];
  if (tenants) {
    columns.splice(1, 0, {
      id: 'tenant',
      label: 'Tenant',
      wide: true,
      compare: (a, b) => (a.tenant < b.tenant ? -1 : 1),
      cell: (b) => b.tenant,
      csv: (b) => b.tenant,
    });
  }
  return columns;
}

export function Blocks(props: TabProps & { blocks: StoreStatus['blocks']; now: number }) {
  const { blocks, now, search, set } = props;
  const { zone } = useTime();
  const minute = Math.floor(now / 10_000) * 10_000;
  const tenants = blocks.list.some((block) => block.tenant !== blocks.list[0]?.tenant);
  const columns = useMemo(() => columnsOf(zone, minute, tenants), [zone, minute, tenants]);
  const sort = readSort(search.sort, NEWEST);
  const filter = search.q ?? '';
  const { column, descending } = sort;
  const rows = useMemo(
    () => sortRows(filterBlocks(blocks.list, filter), columns, { column, descending }),
    [blocks.list, filter, columns, column, descending],
  );
  return (
    <section className="status-part" aria-labelledby="status-blocks">
      <div className="row">
        <h2 id="status-blocks">Blocks</h2>
        <span className="quiet">
          {blocks.count === 0 ? 'none' : formatExact(blocks.count)}
          {blocks.minTime !== null && blocks.maxTime !== null && (
            <>
              {' '}
              from {formatTime(blocks.minTime, zone)} to {formatTime(blocks.maxTime, zone)}{' '}
              {zoneName(zone, blocks.maxTime)}
            </>
          )}
          {', '}
          {blocks.isRemote ? (
            <>
              in the bucket <code>{blocks.place}</code>
            </>
          ) : (
            <span title={blocks.place}>on this machine’s disk</span>
          )}
        </span>
      </div>
      {blocks.count === 0 ? (
        <p className="quiet">
          Samples stay in memory and in the write-ahead log until the first flush; Pending work says when it is due.
        </p>
      ) : (
        <>
          <ul className="levels">
            {blocks.levels
              .filter((level) => level.blocks > 0)
              .map((level) => (
                <li key={level.level}>
                  <span className="quiet">Level {level.level}</span> {formatExact(level.blocks)}{' '}
                  {level.blocks === 1 ? 'block' : 'blocks'}, {formatValue(level.bytes, 'bytes')}
                </li>
              ))}
          </ul>
          <div className="row">
            <input
              className="input status-filter"
              placeholder="Filter by file, tenant, level or resolution"
              aria-label="Filter blocks"
              value={filter}
              onChange={(event) => set({ q: event.target.value || undefined })}
            />
            <span className="quiet">
              {rows.length === blocks.list.length
                ? ''
                : `${formatExact(rows.length)} of ${formatExact(blocks.list.length)}`}
            </span>
            <span className="spread" />
            <CopyButton className="button" text={() => tableCsv(rows, columns)} label="Copy CSV" />
          </div>
          {blocks.list.length < blocks.count && (
            <Note level="info" word="Cut">
              The newest {formatExact(blocks.list.length)} of {formatExact(blocks.count)} blocks are listed; the sums
              count all.
            </Note>
          )}
          {rows.length === 0 ? (
            <p className="quiet">
              No block fits “{filter}”.{' '}
              <button type="button" className="button small" onClick={() => set({ q: undefined })}>
                Clear the filter
              </button>
            </p>
          ) : (
            <DataTable
              label="Blocks"
              columns={columns}
              rows={rows}
              rowKey={(block) => block.file}
              sort={sort}
              onSort={(next) => set({ sort: writeSort(next) })}
            />
          )}
        </>
      )}
    </section>
  );
}

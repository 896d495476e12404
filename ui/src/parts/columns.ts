// What a table is made of: columns that know how to show, order and export a row; and the order as a URL holds it.
import type { ReactNode } from 'react';
import { csvRows } from '../series/csv';

export type Column<Row> = {
  id: string;
  label: string;
  number?: boolean;
  /** Left out where the screen is narrow. */
  wide?: boolean;
  /** Takes the width that is left, and cuts what does not fit. */
  grow?: boolean;
  /** Ascending; without it the head is no button. */
  compare?: (a: Row, b: Row) => number;
  cell: (row: Row) => ReactNode;
  /** The exact value, for CSV; without it the column is not part of it. */
  csv?: (row: Row) => string | number;
};
export type Sort = { column: string; descending: boolean };

/** As it stands in a URL: `size`, `size.desc`. */
export function readSort(text: string | undefined, fallback: Sort): Sort {
  if (!text) return fallback;
  const [column = '', direction] = text.split('.');
  return { column, descending: direction === 'desc' };
}

export const writeSort = (sort: Sort) => (sort.descending ? `${sort.column}.desc` : sort.column);

export function sortRows<Row>(rows: readonly Row[], columns: readonly Column<Row>[], sort: Sort | undefined): Row[] {
  const compare = columns.find((column) => column.id === sort?.column)?.compare;
  if (!compare) return [...rows];
  return [...rows].sort((a, b) => (sort?.descending ? compare(b, a) : compare(a, b)));
}

export function tableCsv<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const named = columns.flatMap((column) => (column.csv ? [{ id: column.id, csv: column.csv }] : []));
  return csvRows([named.map((column) => column.id), ...rows.map((row) => named.map((column) => column.csv(row)))]);
}

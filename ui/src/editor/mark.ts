// The part of a query that an error points at.

export type Marked = { before: string; marked: string; after: string };

/** Line and column count from one, as Prometheus does. Marks a whole word, one sign, or a space behind the end. */
export function markError(expr: string, line: number, column: number): Marked {
  const lines = expr.split('\n');
  const rows = lines.slice(0, Math.max(0, line - 1));
  const start = Math.min(rows.reduce((sum, row) => sum + row.length + 1, 0) + Math.max(0, column - 1), expr.length);
  const word = /^[\w:]+|^[^\n]/.exec(expr.slice(start))?.[0] ?? '';
  return { before: expr.slice(0, start), marked: word || ' ', after: expr.slice(start + word.length) };
}

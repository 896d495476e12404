// A query that is read, not written: its text at once, its colours as soon as the grammar has been fetched.
import { lazy, Suspense } from 'react';
import type { Source } from '../api/rules';
import './editor.css';

const Painted = lazy(() => import('./Painted'));

export function Code(props: { text: string; source: Source }) {
  return (
    <code className="code">
      <Suspense fallback={props.text}>
        <Painted {...props} />
      </Suspense>
    </code>
  );
}

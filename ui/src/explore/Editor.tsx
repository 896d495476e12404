// The query field: a plain text area at once, the real editor as soon as it has been fetched.
import { lazy, Suspense } from 'react';

const PromqlEditor = lazy(() => import('./PromqlEditor'));

export type EditorProps = {
  id: string;
  value: string;
  label: string;
  onChange: (value: string) => void;
  onRun: () => void;
};

function PlainEditor(props: EditorProps) {
  return (
    <textarea
      className="plain-editor mono"
      aria-label={props.label}
      value={props.value}
      rows={Math.max(1, props.value.split('\n').length)}
      spellCheck={false}
      placeholder="Enter a PromQL query"
      onChange={(event) => props.onChange(event.target.value)}
      onKeyDown={(event) => {
        if (event.key !== 'Enter' || event.shiftKey) return;
        event.preventDefault();
        props.onRun();
      }}
    />
  );
}

export function Editor(props: EditorProps) {
  return (
    <div className="editor" data-editor={props.id}>
      <Suspense fallback={<PlainEditor {...props} />}>
        <PromqlEditor {...props} />
      </Suspense>
    </div>
  );
}

type Handle = { goTo: (line: number, column: number) => void; insert: (text: string) => void };
const open = new Map<string, Handle>();

export function registerEditor(id: string, handle: Handle): () => void {
  open.set(id, handle);
  return () => {
    if (open.get(id) === handle) open.delete(id);
  };
}

export const editorOf = (id: string): Handle | undefined => open.get(id);

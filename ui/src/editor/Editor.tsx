// The query field: a plain text area at once, the real editor as soon as it has been fetched.
import { type ComponentType, Suspense, useLayoutEffect, useRef } from 'react';
import './editor.css';

export type EditorProps = {
  id: string;
  value: string;
  label: string;
  placeholder: string;
  onChange: (value: string) => void;
  onRun: () => void;
};

function PlainEditor(props: EditorProps) {
  const field = useRef<HTMLTextAreaElement>(null);
  const { id } = props;
  useLayoutEffect(() => {
    const area = field.current;
    if (!area) return;
    const select = (from: number, to: number) => {
      area.focus();
      area.setSelectionRange(from, to);
    };
    const unregister = registerEditor(id, {
      goTo: (line, column) => {
        const lines = area.value.split('\n');
        const before = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
        select(before + column - 1, before + column - 1);
      },
      insert: (text) => {
        area.focus();
        area.setRangeText(text, area.selectionStart, area.selectionEnd, 'end');
        area.dispatchEvent(new Event('input', { bubbles: true }));
      },
    });
    return () => {
      unregister();
      // Who types while the real editor arrives types on in it.
      if (document.activeElement === area) typing.set(id, [area.selectionStart, area.selectionEnd]);
    };
  }, [id]);
  return (
    <textarea
      ref={field}
      className="plain-editor mono"
      aria-label={props.label}
      value={props.value}
      rows={Math.max(1, props.value.split('\n').length)}
      spellCheck={false}
      placeholder={props.placeholder}
      onChange={(event) => props.onChange(event.target.value)}
      onKeyDown={(event) => {
        if (event.key !== 'Enter' || event.shiftKey) return;
        event.preventDefault();
        props.onRun();
      }}
    />
  );
}

/** `code` is the real editor, loaded lazily. */
export function Editor(props: EditorProps & { code: ComponentType<EditorProps> }) {
  const { code: Code, ...rest } = props;
  return (
    <div className="editor" data-editor={props.id}>
      <Suspense fallback={<PlainEditor {...rest} />}>
        <Code {...rest} />
      </Suspense>
    </div>
  );
}

type Handle = { goTo: (line: number, column: number) => void; insert: (text: string) => void };
const open = new Map<string, Handle>();
const typing = new Map<string, [from: number, to: number]>();

/** What was selected in the plain field if it had the focus when it made way; told once. */
export function takeTyping(id: string): [from: number, to: number] | undefined {
  const selection = typing.get(id);
  typing.delete(id);
  return selection;
}

export function registerEditor(id: string, handle: Handle): () => void {
  open.set(id, handle);
  return () => {
    if (open.get(id) === handle) open.delete(id);
  };
}

export const editorOf = (id: string): Handle | undefined => open.get(id);

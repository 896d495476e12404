// CodeMirror as the query field of any language: Enter runs, Escape leaves. Loaded only where a query is edited.
import {
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  closeCompletion,
  completionKeymap,
} from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap, insertNewlineAndIndent } from '@codemirror/commands';
import { bracketMatching, HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import { lintKeymap } from '@codemirror/lint';
import { EditorState, type Extension, Prec } from '@codemirror/state';
import { EditorView, keymap, placeholder } from '@codemirror/view';
import { useEffect, useLayoutEffect, useRef } from 'react';
import { CODE_COLOURS } from './colours';
import { type EditorProps, registerEditor, takeTyping } from './Editor';

const colours = HighlightStyle.define(CODE_COLOURS);

type Props = EditorProps & {
  /** Highlighting, completion, lint; read once. */
  language: () => Extension;
};

export function CodeEditor(props: Props) {
  const holder = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const latest = useRef(props);
  latest.current = props;

  // Before the browser paints and takes the next key, so that none is lost on the way from the plain field.
  useLayoutEffect(() => {
    if (!holder.current) return;
    const run = (editor: EditorView) => {
      closeCompletion(editor);
      latest.current.onRun();
      return true;
    };
    const made = new EditorView({
      parent: holder.current,
      state: EditorState.create({
        doc: latest.current.value,
        extensions: [
          history(),
          bracketMatching(),
          closeBrackets(),
          autocompletion({ icons: false }),
          syntaxHighlighting(colours),
          EditorView.lineWrapping,
          placeholder(latest.current.placeholder),
          latest.current.language(),
          EditorView.contentAttributes.of({ 'aria-label': latest.current.label, spellcheck: 'false' }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) latest.current.onChange(update.state.doc.toString());
            // Grafana's variables are in no grammar; a query that has them is checked by the server alone.
            update.view.dom.dataset.variables = String(update.state.doc.toString().includes('$'));
          }),
          keymap.of([...closeBracketsKeymap, ...completionKeymap, ...defaultKeymap, ...historyKeymap, ...lintKeymap]),
          // Below completion, which takes Enter while its list is open; above the default, which breaks the line.
          Prec.high(
            keymap.of([
              { key: 'Shift-Enter', run: insertNewlineAndIndent },
              { key: 'Mod-Enter', run },
              { key: 'Enter', run },
            ]),
          ),
          keymap.of([
            {
              key: 'Escape',
              run: (editor) => {
                editor.contentDOM.blur();
                return true;
              },
            },
          ]),
        ],
      }),
    });
    view.current = made;
    const unregister = registerEditor(latest.current.id, {
      goTo: (line, column) => {
        const at = made.state.doc.line(Math.min(Math.max(line, 1), made.state.doc.lines));
        const anchor = Math.min(at.from + Math.max(0, column - 1), at.to);
        made.focus();
        made.dispatch({ selection: { anchor }, scrollIntoView: true });
      },
      insert: (text) => {
        const { from, to } = made.state.selection.main;
        made.dispatch({ changes: { from, to, insert: text }, selection: { anchor: from + text.length } });
        made.focus();
      },
    });
    const selection = takeTyping(latest.current.id);
    if (selection) {
      const within = (at: number) => Math.min(at, made.state.doc.length);
      made.focus();
      made.dispatch({ selection: { anchor: within(selection[0]), head: within(selection[1]) } });
    }
    return () => {
      unregister();
      made.destroy();
      view.current = null;
    };
  }, []);

  useEffect(() => {
    const editor = view.current;
    const text = editor?.state.doc.toString();
    if (editor && text !== props.value) {
      editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: props.value } });
    }
  }, [props.value]);

  return <div ref={holder} />;
}

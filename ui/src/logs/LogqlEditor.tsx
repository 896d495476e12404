// The editor of LogQL: colours from Loki's grammar, names from this server, errors where the server sees them.
import { autocompletion, type CompletionContext, type CompletionResult } from '@codemirror/autocomplete';
import { LanguageSupport, LRLanguage } from '@codemirror/language';
import { type Diagnostic, linter } from '@codemirror/lint';
import type { EditorView } from '@codemirror/view';
import { parser } from '@grafana/lezer-logql';
import { formatQuery, logLabels, logLabelValues, logqlPosition } from '../api/loki';
import { CodeEditor } from '../editor/CodeEditor';
import type { EditorProps } from '../editor/Editor';
import { LOGQL_TAGS } from '../editor/logql';
import { markError } from '../editor/mark';
import { completionPlace, FUNCTIONS, STAGES } from './complete';
import { parseQuery } from './query';

const language = LRLanguage.define({
  name: 'logql',
  parser: parser.configure({ props: [LOGQL_TAGS] }),
  languageData: { closeBrackets: { brackets: ['(', '[', '{', '"', '`'] }, commentTokens: { line: '#' } },
});

/** Nanoseconds; names of the last six hours are enough to choose from. */
const LOOK_BACK = 6n * 3_600_000_000_000n;

function recent() {
  const end = BigInt(Date.now()) * 1_000_000n;
  return { start: end - LOOK_BACK, end };
}

async function complete(context: CompletionContext): Promise<CompletionResult | null> {
  const place = completionPlace(context.state.doc.toString().slice(0, context.pos));
  if (!place) return null;
  const { from, kind } = place;
  if (!context.explicit && kind === 'function' && from === context.pos) return null;
  if (kind === 'label') {
    const names = await logLabels(recent(), '').catch(() => []);
    return { from, options: names.map((label) => ({ label, apply: `${label}=` })), validFor: /^\w*$/ };
  }
  if (kind === 'value') {
    const values = await logLabelValues(place.name, recent(), '').catch(() => []);
    return { from, options: values.map((label) => ({ label })), validFor: /^[^"`]*$/ };
  }
  const words = kind === 'stage' ? STAGES : FUNCTIONS;
  return { from, options: words.map(([label, detail]) => ({ label, detail })), validFor: /^[\w|!=~> ]*$/ };
}

async function lint(view: EditorView): Promise<Diagnostic[]> {
  const text = view.state.doc.toString();
  if (text.trim() === '' || text.includes('$') || !parseQuery(text)) return [];
  const said = await formatQuery(text).then(
    () => null,
    (error: Error) => logqlPosition(error.message),
  );
  if (!said) return [];
  const { before, marked } = markError(text, said.line, said.column);
  const from = Math.min(before.length, Math.max(0, text.length - 1));
  return [{ from, to: Math.min(text.length, before.length + marked.length), severity: 'error', message: said.message }];
}

const logql = () => [
  new LanguageSupport(language),
  autocompletion({ icons: false, override: [complete] }),
  linter(lint, { delay: 500 }),
];

export default function LogqlEditor(props: EditorProps) {
  return <CodeEditor {...props} language={logql} />;
}

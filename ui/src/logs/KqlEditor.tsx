// The editor of searches: names of fields and values of labels from this server, errors where the server sees them.
import { autocompletion, type CompletionContext, type CompletionResult } from '@codemirror/autocomplete';
import { LanguageSupport, StreamLanguage } from '@codemirror/language';
import { type Diagnostic, linter } from '@codemirror/lint';
import type { EditorView } from '@codemirror/view';
import { detectedFields, formatQuery, logLabels, logLabelValues } from '../api/loki';
import { CodeEditor } from '../editor/CodeEditor';
import type { EditorProps } from '../editor/Editor';
import { kqlPlace, kqlProblem, toLogql } from './kql';

const language = StreamLanguage.define({
  name: 'kql',
  token(stream) {
    if (stream.eatSpace()) return null;
    if (stream.match(/"(?:[^"\\]|\\.)*"?/)) return 'string';
    if (stream.match(/(?:and|or|not)(?=[\s()]|$)/i)) return 'keyword';
    if (stream.match(/[\w.@*-]+(?=\s*(?::|[<>]))/)) return 'labelName';
    if (stream.match(/-?\d+(?:\.\d+)?(?=[\s()]|$)/)) return 'number';
    if (stream.match(/[^\s():{}"<>]+/)) return null;
    stream.next();
    return null;
  },
  languageData: { closeBrackets: { brackets: ['(', '"', '{'] } },
});

const LOOK_BACK = 3_600_000_000_000n;
const WORDS = ['and', 'or', 'not'];
/** Milliseconds for which the names of fields are not asked for again. */
const FRESH = 30_000;
let known: { at: number; names: Promise<string[]> } | null = null;

function recent() {
  const end = BigInt(Date.now()) * 1_000_000n;
  return { start: end - LOOK_BACK, end };
}

async function ask(): Promise<string[]> {
  const [labels, fields] = await Promise.all([
    logLabels(recent(), '').catch(() => []),
    detectedFields(toLogql(''), recent()).catch(() => []),
  ]);
  return [...new Set([...labels, ...fields.map((f) => f.label)])].sort();
}

function names(): Promise<string[]> {
  if (!known || Date.now() - known.at > FRESH) known = { at: Date.now(), names: ask() };
  return known.names;
}

async function complete(context: CompletionContext): Promise<CompletionResult | null> {
  const place = kqlPlace(context.state.doc.toString().slice(0, context.pos));
  if (!place) return null;
  const { from, kind, name } = place;
  if (kind === 'value') {
    const values = await logLabelValues(name.replace(/\W/g, '_'), recent(), '').catch(() => []);
    const options = values.map((label) => ({ label, apply: JSON.stringify(label) }));
    return { from, options, validFor: /^"?[^"\s]*$/ };
  }
  if (!context.explicit && name === '') return null;
  const fields = (await names()).map((label) => ({ label, apply: `${label}:`, detail: 'field' }));
  return {
    from,
    options: [...fields, ...WORDS.map((label) => ({ label, apply: `${label} ` }))],
    validFor: /^[\w.@-]*$/,
  };
}

async function lint(view: EditorView): Promise<Diagnostic[]> {
  const text = view.state.doc.toString();
  if (text.trim() === '') return [];
  const said = await formatQuery(toLogql(text)).then(
    () => null,
    (error: Error) => kqlProblem(error.message),
  );
  if (!said) return [];
  const lead = text.length - text.trimStart().length;
  const from = Math.min(lead + said.column - 1, Math.max(0, text.length - 1));
  return [{ from, to: Math.min(text.length, from + 1), severity: 'error', message: said.message }];
}

const kql = () => [
  new LanguageSupport(language),
  autocompletion({ icons: false, override: [complete] }),
  linter(lint, { delay: 500 }),
];

export default function KqlEditor(props: EditorProps) {
  return <CodeEditor {...props} language={kql} />;
}

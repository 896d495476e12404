// The editor of PromQL: completion from this server, lint while typing.
import { PromQLExtension } from '@prometheus-io/codemirror-promql';
import { CodeEditor } from '../editor/CodeEditor';
import type { EditorProps } from '../editor/Editor';

const promql = () => new PromQLExtension().setComplete({ remote: { url: '', httpMethod: 'GET' } }).asExtension();

export default function PromqlEditor(props: EditorProps) {
  return <CodeEditor {...props} language={promql} />;
}

// What both pages of rules say when there is nothing to list, or when the server did not answer for all of it.
import type { ReactNode } from 'react';
import type { Source } from '../api/rules';
import { Command } from '../parts/Copy';
import { Empty, Note, Stale } from '../parts/States';
import { formatAgo } from '../time/format';
import type { Rules } from './useRules';

const SUBJECT: Record<Source, string> = { metrics: 'Rules over metrics', logs: 'Rules over logs' };

export function Unreachable(props: { rules: Rules; children: ReactNode }) {
  const [first] = props.rules.missing;
  return (
    <>
      <Note
        level="critical"
        word="Error"
        action={
          <button type="button" className="button small" onClick={props.rules.retry}>
            Retry
          </button>
        }
      >
        {props.children} could not be read: {first?.error.message}.
      </Note>
      <p>See whether the server runs, and what it says:</p>
      <Command text="afferent status" />
      <Command text={`curl -s ${window.location.origin}/-/healthy`} />
    </>
  );
}

/** One of the two did not answer, or no longer does. */
export function Trouble(props: { rules: Rules; now: number }) {
  const { missing, stale, at, retry } = props.rules;
  const [old] = stale;
  return (
    <>
      {missing.map(({ source, error }) => (
        <Note
          key={source}
          level="warning"
          word="Partial"
          action={
            <button type="button" className="button small" onClick={retry}>
              Retry
            </button>
          }
        >
          {SUBJECT[source]} could not be read ({error.message}); they are missing below.
        </Note>
      ))}
      {old && <Stale error={old.error} since={formatAgo(at, props.now)} retry={retry} />}
    </>
  );
}

const FIRST_RULE = `mkdir -p observability/prometheus-rules
cat > observability/prometheus-rules/first.yml <<'EOF'
groups:
  - name: first
    rules:
      - alert: InstanceDown
        expr: up == 0
        for: 1m
        labels: {severity: critical}
        annotations: {summary: '{{ $labels.instance }} does not answer'}
EOF`;

export function NoRules(props: { title: string; children: ReactNode }) {
  return (
    <Empty title={props.title}>
      <p>{props.children} Write a first rule, in Prometheus' format:</p>
      <Command text={FIRST_RULE} />
      <p>Name the files in observability/prometheus-config.yaml:</p>
      <Command text="rule_files: [prometheus-rules/*.yml]" />
      <p>Check them, then load them without a restart:</p>
      <Command text="afferent check rules observability/prometheus-rules/first.yml" />
      <Command text={`curl -X POST ${window.location.origin}/-/reload`} />
      <p>
        Rules over logs, in Loki's format, go into <code>observability/loki-rules/</code>.
      </p>
    </Empty>
  );
}

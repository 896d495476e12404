// The conditions of a silence: one row each, with the names and values that alerts have now to choose from.
import { useId } from 'react';
import type { Matcher } from '../api/alerting';
import type { Labels } from '../api/prometheus';
import { OP_WORD, OPS, type Op, opOf, parseMatchers, withOp } from './matchers';

const EMPTY: Matcher = { name: '', value: '', isRegex: false, isEqual: true };

type Props = {
  matchers: readonly Matcher[];
  set: (matchers: Matcher[]) => void;
  /** Labels of alerts, for suggestions. */
  known: readonly Labels[];
  invalid: boolean;
};

export function MatcherEditor(props: Props) {
  const { known, invalid } = props;
  const id = useId();
  const matchers = props.matchers.length > 0 ? props.matchers : [EMPTY];
  const put = (at: number, next: readonly Matcher[]) => props.set(matchers.toSpliced(at, 1, ...next));
  const names = [...new Set(known.flatMap((labels) => Object.keys(labels)))].sort();
  return (
    <div className="matchers" role="group" aria-label="Conditions">
      <datalist id={`${id}-names`}>
        {names.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      {matchers.map((matcher, at) => {
        const values = [...new Set(known.flatMap((labels) => labels[matcher.name] ?? []))].sort();
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: rows have no identity but their place.
          <div className="matcher" key={at}>
            <input
              className="input mono"
              aria-label={`Label ${at + 1}`}
              placeholder="label"
              list={`${id}-names`}
              spellCheck={false}
              autoCapitalize="none"
              aria-invalid={(invalid && matcher.name.trim() === '') || undefined}
              value={matcher.name}
              onChange={(event) => put(at, [{ ...matcher, name: event.target.value }])}
              onPaste={(event) => {
                const text = event.clipboardData.getData('text');
                const pasted = /[=~]/.test(text) ? parseMatchers(text) : null;
                if (!pasted || pasted.length === 0) return;
                event.preventDefault();
                put(at, pasted);
              }}
            />
            <select
              className="select mono"
              aria-label={`Comparison ${at + 1}`}
              value={opOf(matcher)}
              onChange={(event) => put(at, [withOp(matcher, event.target.value as Op)])}
            >
              {OPS.map((op) => (
                <option key={op} value={op} title={OP_WORD[op]}>
                  {op}
                </option>
              ))}
            </select>
            <input
              className="input mono"
              aria-label={`Value ${at + 1}`}
              placeholder={matcher.isRegex ? 'pattern' : 'value'}
              list={`${id}-values-${at}`}
              spellCheck={false}
              autoCapitalize="none"
              value={matcher.value}
              onChange={(event) => put(at, [{ ...matcher, value: event.target.value }])}
            />
            <datalist id={`${id}-values-${at}`}>
              {values.map((value) => (
                <option key={value} value={value} />
              ))}
            </datalist>
            <button
              type="button"
              className="button"
              aria-label={`Remove condition ${at + 1}`}
              disabled={props.matchers.length === 0}
              onClick={() => put(at, [])}
            >
              ×
            </button>
          </div>
        );
      })}
      <div className="row">
        <button type="button" className="button small" onClick={() => props.set([...matchers, EMPTY])}>
          Add a condition
        </button>
        <span className="quiet">All of them must hold. A whole {'{job="db", host=~"db-.*"}'} can be pasted.</span>
      </div>
    </div>
  );
}

// What ends something: one press asks, in the same place, and the second does it; Escape or a press elsewhere takes it back.
import { useEffect, useRef, useState } from 'react';
import { Severity } from './Severity';
import './sure.css';

type Props = {
  label: string;
  /** Names the first button to those who do not see what it stands beside. */
  name?: string;
  /** What exactly will happen. */
  says: string;
  act: string;
  doing: string;
  run: () => Promise<void>;
};

export function Sure(props: Props) {
  const [step, setStep] = useState<'rest' | 'sure' | 'sent'>('rest');
  const [failure, setFailure] = useState('');
  const sure = useRef<HTMLButtonElement>(null);
  const first = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (step === 'sure') sure.current?.focus();
  }, [step]);
  const back = (focus: boolean) => {
    setStep('rest');
    if (focus) window.setTimeout(() => first.current?.focus());
  };
  const run = async () => {
    setStep('sent');
    setFailure('');
    try {
      await props.run();
    } catch (error) {
      setFailure(error instanceof Error ? error.message : String(error));
    }
    setStep('rest');
  };
  if (step === 'rest') {
    return (
      <>
        {failure && <Severity level="critical" word={failure} />}
        <button
          type="button"
          className="button small"
          ref={first}
          aria-label={props.name}
          onClick={() => setStep('sure')}
        >
          {props.label}
        </button>
      </>
    );
  }
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: Escape takes the question back, wherever in it the focus is.
    <span
      className="sure"
      onKeyDown={(event) => event.key === 'Escape' && back(true)}
      onBlur={(event) => {
        if (step === 'sure' && !event.currentTarget.contains(event.relatedTarget)) back(false);
      }}
    >
      <span>{props.says}</span>
      <button type="button" className="button small danger" ref={sure} disabled={step === 'sent'} onClick={run}>
        {step === 'sent' ? props.doing : props.act}
      </button>
      <button type="button" className="button small" disabled={step === 'sent'} onClick={() => back(true)}>
        Cancel
      </button>
    </span>
  );
}

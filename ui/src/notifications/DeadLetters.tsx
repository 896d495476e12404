// What receivers refused for good: nobody was told. Each is sent again, or forgotten.
import { useState } from 'react';
import { type DeadLetter, forgetLetter, resendLetter } from '../api/alerting';
import { whenMs } from '../api/rules';
import { Severity } from '../parts/Severity';
import { Note } from '../parts/States';
import { Sure } from '../parts/Sure';
import { When } from '../parts/When';
import { Letter, tried } from './Letter';

/** Before a click is needed for more. */
const SHOWN = 50;

type Props = { letters: readonly DeadLetter[]; now: number; done: (text: string) => void };

export function DeadLetters(props: Props) {
  const { letters, now, done } = props;
  const [shown, setShown] = useState(SHOWN);
  const [refused, setRefused] = useState('');
  if (letters.length === 0) return null;
  const able = letters.filter((letter) => letter.canResend);
  const resend = async (letter: DeadLetter) => {
    setRefused('');
    try {
      await resendLetter(letter.id);
      done(`Sent to ${letter.integration} again.`);
    } catch (error) {
      setRefused(error instanceof Error ? error.message : String(error));
    }
  };
  const resendAll = async () => {
    for (const letter of able) await resendLetter(letter.id);
    done(`${able.length} notifications are sent again.`);
  };
  const rest = letters.length - shown;
  return (
    <section className="letters" aria-label="Dead letters">
      <div className="row">
        <h2>Dead letters</h2>
        <span className="quiet">
          {letters.length === 1 ? 'One notification was' : `${letters.length} notifications were`} refused for good:
          nobody was told.
        </span>
        <span className="spread" />
        {able.length > 1 && (
          <Sure
            label="Re-send all"
            says={`${able.length} notifications go out at once.`}
            act={`Re-send ${able.length}`}
            doing="Sending"
            run={resendAll}
          />
        )}
      </div>
      {refused && (
        <Note level="critical" word="Not sent">
          {refused}
        </Note>
      )}
      <ul>
        {letters.slice(0, shown).map((letter) => (
          <li key={letter.id}>
            <Letter
              item={letter}
              now={now}
              error={letter.refusal || letter.lastError}
              state={
                <>
                  <Severity level="critical" word="Refused" />
                  <When at={whenMs(letter.refusedAt)} now={now} />
                  <span className="quiet">{tried(letter.attempts)}</span>
                </>
              }
            >
              {letter.canResend ? (
                <button type="button" className="button small" onClick={() => void resend(letter)}>
                  Re-send
                </button>
              ) : (
                <span className="quiet">Something newer was told since</span>
              )}
              <Sure
                label="Forget"
                says="It is never sent; the history keeps it."
                act="Forget it"
                doing="Forgetting"
                run={async () => {
                  await forgetLetter(letter.id);
                  done('The dead letter was forgotten.');
                }}
              />
            </Letter>
          </li>
        ))}
      </ul>
      {rest > 0 && (
        <div className="row">
          <span className="quiet">
            {shown} of {letters.length} are listed. Filter, or
          </span>
          <button type="button" className="button small" onClick={() => setShown(shown + SHOWN)}>
            Show {Math.min(rest, SHOWN)} more
          </button>
        </div>
      )}
    </section>
  );
}

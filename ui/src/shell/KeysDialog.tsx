// The list of keys behind `?`.
import * as Dialog from '@radix-ui/react-dialog';
import { BINDINGS } from './keys';

const MAC = /Mac|iPhone|iPad/.test(navigator.userAgent);
const NAMES: Record<string, string> = { Mod: MAC ? 'Cmd' : 'Ctrl', ArrowLeft: '←', ArrowRight: '→', k: 'K' };

const IN_PLACE: [string[], string][] = [
  [['Enter'], 'In a query: run it'],
  [['Shift', 'Enter'], 'In a query: new line'],
  [['Ctrl', 'Space'], 'In a query: show completions'],
  [['Esc'], 'In a query: leave it, so that the keys above work again'],
  [['←', '→'], 'On a graph: move the crosshair'],
  [['↑', '↓'], 'On a log line, an event or a notification: go to the next one'],
  [['Enter'], 'On a log line or an event: unfold it'],
  [['Ctrl', 'Enter'], 'In a silence: make it'],
  [['Enter'], 'On a legend row: show this series alone'],
  [['Space'], 'On a legend row: show or hide this series'],
];

function Keys(props: { keys: string }) {
  const pair = props.keys.includes(' ');
  const parts = pair ? props.keys.split(' ') : props.keys.split('+');
  return (
    <>
      {parts.map((part, i) => (
        <span key={part}>
          {i > 0 && (pair ? ' then ' : ' + ')}
          <kbd>{pair ? part : (NAMES[part] ?? part)}</kbd>
        </span>
      ))}
    </>
  );
}

export default function KeysDialog(props: { close: () => void }) {
  return (
    <Dialog.Root open onOpenChange={(open) => !open && props.close()}>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content className="dialog" aria-describedby={undefined}>
          <div className="dialog-head">
            <Dialog.Title asChild>
              <h2>Keyboard</h2>
            </Dialog.Title>
            <span className="spread" />
            <Dialog.Close className="button small">Close</Dialog.Close>
          </div>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reachable by keys */}
          <div className="dialog-body" tabIndex={0}>
            <dl className="keys">
              {BINDINGS.map((binding) => (
                <div key={binding.keys}>
                  <dt>
                    <Keys keys={binding.keys} />
                  </dt>
                  <dd>{binding.does}</dd>
                </div>
              ))}
              {IN_PLACE.map(([keys, does]) => (
                <div key={does}>
                  <dt>
                    {keys.map((key, i) => (
                      <span key={key}>
                        {i > 0 && (/[←↑]/.test(keys[0] ?? '') ? ' ' : ' + ')}
                        <kbd>{key}</kbd>
                      </span>
                    ))}
                  </dt>
                  <dd>{does}</dd>
                </div>
              ))}
            </dl>
          </div>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

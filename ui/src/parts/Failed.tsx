// The whole answer is missing: why, how to see more, and a way back.
import { Command } from './Copy';
import { Note } from './States';

export function Failed(props: { what: string; error: Error; retry: () => void; path: string }) {
  return (
    <>
      <Note
        level="critical"
        word="Error"
        action={
          <button type="button" className="button small" onClick={props.retry}>
            Retry
          </button>
        }
      >
        {props.what} could not be read: {props.error.message}.
      </Note>
      <p>See whether the server runs, and what it says:</p>
      <Command text="afferent status" />
      <Command text={`curl -s '${window.location.origin}${props.path}'`} />
    </>
  );
}

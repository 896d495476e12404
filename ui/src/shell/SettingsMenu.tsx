// The button behind which theme, time zone and the list of keys are found.
import { lazy, Suspense, useRef, useState } from 'react';

const SettingsPopover = lazy(() => import('./SettingsPopover'));

export function SettingsMenu(props: { showKeys: () => void }) {
  const button = useRef<HTMLButtonElement>(null);
  const [open, setOpen] = useState(false);
  return (
    <>
      <button
        type="button"
        ref={button}
        className="button"
        aria-haspopup="dialog"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        Settings
      </button>
      {open && (
        <Suspense fallback={null}>
          <SettingsPopover anchor={button} close={() => setOpen(false)} showKeys={props.showKeys} />
        </Suspense>
      )}
    </>
  );
}

// Who sits here, for what is signed: silences and acknowledgements. Remembered by this browser.
import { useState } from 'react';

const KEY = 'afferent.name';

export function useName(): [name: string, set: (name: string) => void] {
  const [name, setName] = useState(() => localStorage.getItem(KEY) ?? '');
  return [
    name,
    (next) => {
      localStorage.setItem(KEY, next);
      setName(next);
    },
  ];
}

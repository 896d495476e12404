// A value that has stood still for a moment, so that typing does not ask the server with every letter.
import { useEffect, useState } from 'react';

const PAUSE = 250;

export function useDebounced<T>(value: T): T {
  const [still, setStill] = useState(value);
  useEffect(() => {
    const timer = window.setTimeout(() => setStill(value), PAUSE);
    return () => window.clearTimeout(timer);
  }, [value]);
  return still;
}

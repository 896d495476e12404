// Severity as colour, shape and word: never one of them alone.
import './severity.css';

export type Level = 'critical' | 'warning' | 'info' | 'ok' | 'unknown';

const SHAPES: Record<Level, React.ReactNode> = {
  critical: <path d="M6 0l6 6-6 6-6-6z" />,
  warning: <path d="M6 1l5.5 10H.5z" />,
  info: <path d="M1 1h10v10H1z" />,
  ok: <circle cx="6" cy="6" r="4.5" />,
  unknown: (
    <>
      <path className="severity-outline" d="M1.5 1.5h9v9h-9z" />
      <path className="severity-outline" d="M1.5 7.5l6-6M3 10.5l7.5-7.5M7.5 10.5l3-3" />
    </>
  ),
};

export function Severity(props: { level: Level; word: string }) {
  return (
    <span className={`severity severity-${props.level}`}>
      <svg viewBox="0 0 12 12" aria-hidden="true">
        {SHAPES[props.level]}
      </svg>
      {props.word}
    </span>
  );
}

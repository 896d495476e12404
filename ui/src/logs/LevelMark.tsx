// A log level as colour, shape and word: the shapes of severity, with fainter ones below info.
import { LEVEL_WORD, type LogLevel } from './levels';

const SHAPES: Record<LogLevel, React.ReactNode> = {
  fatal: <path d="M4 0h4l4 4v4l-4 4H4L0 8V4z" />,
  error: <path d="M6 0l6 6-6 6-6-6z" />,
  warn: <path d="M6 1l5.5 10H.5z" />,
  info: <path d="M1 1h10v10H1z" />,
  debug: <circle className="level-outline" cx="6" cy="6" r="4.5" />,
  trace: <circle cx="6" cy="6" r="2" />,
  unknown: <path className="level-outline" d="M2 6h8" />,
};

export function LevelMark(props: { level: LogLevel }) {
  const { level } = props;
  return (
    <span className={`level level-${level}`}>
      <svg viewBox="0 0 12 12" aria-hidden="true">
        {SHAPES[level]}
      </svg>
      {LEVEL_WORD[level]}
    </span>
  );
}

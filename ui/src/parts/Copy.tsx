// Buttons that put text on the clipboard or into a file, and say that they did.
import { useEffect, useState } from 'react';

/** Also works on plain HTTP beyond loopback, where browsers withhold the clipboard API. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}

export function download(name: string, content: Blob): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

export function downloadCsv(name: string, csv: string): void {
  download(name, new Blob([csv], { type: 'text/csv;charset=utf-8' }));
}

export function CopyButton(props: { text: () => string; label: string; className?: string }) {
  const [said, setSaid] = useState('');
  useEffect(() => {
    if (!said) return;
    const timer = window.setTimeout(() => setSaid(''), 1500);
    return () => window.clearTimeout(timer);
  }, [said]);
  const copy = async () => setSaid((await copyText(props.text())) ? 'Copied' : 'Copying was refused');
  return (
    <button type="button" className={props.className ?? 'button small'} onClick={copy}>
      <span aria-live="polite">{said || props.label}</span>
    </button>
  );
}

/** A command with a button beside it. */
export function Command(props: { text: string }) {
  return (
    <div className="command">
      <code>{props.text}</code>
      <CopyButton text={() => props.text} label="Copy" />
    </div>
  );
}

// Theme and time zone, remembered by this browser.
import type { RefObject } from 'react';
import { Popup } from '../parts/Popup';
import { zoneName } from '../time/format';
import type { Zone } from '../time/range';
import { setTheme, type Theme, useTheme } from './theme';
import { useTime } from './time';

const THEMES: [Theme, string][] = [
  ['system', 'Like the system'],
  ['light', 'Light'],
  ['dark', 'Dark'],
];

type Props = { anchor: RefObject<HTMLButtonElement | null>; close: () => void; showKeys: () => void };

export default function SettingsPopover(props: Props) {
  const theme = useTheme();
  const time = useTime();
  const zones: [Zone, string][] = [
    ['browser', `Browser (${zoneName('browser', time.range.end)})`],
    ['utc', 'UTC'],
  ];
  return (
    <Popup anchor={props.anchor} close={props.close} label="Settings" className="settings">
      <Choice name="theme" title="Theme" options={THEMES} value={theme} choose={setTheme} />
      <Choice name="zone" title="Time zone" options={zones} value={time.zone} choose={time.setZone} />
      <button
        type="button"
        className="button small"
        onClick={() => {
          props.close();
          props.showKeys();
        }}
      >
        Keyboard <kbd>?</kbd>
      </button>
    </Popup>
  );
}

function Choice<T extends string>(props: {
  name: string;
  title: string;
  options: [T, string][];
  value: T;
  choose: (value: T) => void;
}) {
  return (
    <fieldset>
      <legend>{props.title}</legend>
      {props.options.map(([value, label]) => (
        <label key={value}>
          <input type="radio" name={props.name} checked={value === props.value} onChange={() => props.choose(value)} />
          {label}
        </label>
      ))}
    </fieldset>
  );
}

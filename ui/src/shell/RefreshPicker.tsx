// Refresh now, or every so often.
import { REFRESH_STEPS, useTime } from './time';

export function RefreshPicker() {
  const time = useTime();
  const known = (REFRESH_STEPS as readonly string[]).includes(time.refresh);
  const steps = known ? REFRESH_STEPS : [...REFRESH_STEPS, time.refresh];
  return (
    <span className="joined">
      <button type="button" className="button" onClick={time.refreshNow}>
        Refresh
      </button>
      <select
        className="select"
        aria-label="Refresh every"
        value={time.refresh}
        onChange={(event) => time.setRefresh(event.target.value)}
      >
        {steps.map((step) => (
          <option key={step} value={step}>
            {step === 'off' ? 'Off' : step}
          </option>
        ))}
      </select>
    </span>
  );
}

// The state of the page of silences and its form in the URL: `?q=db&state=active,expired`, and while one is written
// `&new={job="db"}&ends=2h&comment=...` or `&edit=<id>`. What a URL says wrongly or not at all takes its default.
import type { Recurrence, Silence, SilenceState } from '../api/alerting';
import { whenMs } from '../api/rules';
import type { Search } from '../router-search';
import { formatTime } from '../time/format';
import type { Zone } from '../time/range';
import { matchersText, parseMatchers } from './matchers';
import { type Draft, STATES } from './model';

export const DEFAULT_ENDS = '2h';

export function readStates(search: Search): SilenceState[] {
  if (search.state === undefined) return ['active', 'pending'];
  const wanted = search.state.split(',');
  return STATES.filter((state) => wanted.includes(state));
}

/** `tuesday,friday;22:00;02:00;Europe/Berlin;2026-12-31` */
export const writeRecurrence = (r: Recurrence): string =>
  [r.weekdays.join(','), r.start, r.end, r.timeZone, r.until ?? ''].join(';').replace(/;$/, '');

export function readRecurrence(text: string | undefined): Recurrence | null {
  if (!text) return null;
  const [days = '', start = '', end = '', timeZone = '', until = ''] = text.split(';');
  return { weekdays: days.split(',').filter(Boolean), start, end, timeZone, ...(until ? { until } : {}) };
}

/** Null while no silence is written; `edited` is the one that `edit` names. */
export function readDraft(search: Search, edited: Silence | undefined, zone: Zone): Draft | null {
  if (search.new === undefined && !edited) return null;
  const base = edited ? draftOf(edited, zone) : NEW;
  return {
    ...base,
    matchers: search.new === undefined ? base.matchers : (parseMatchers(search.new) ?? []),
    starts: search.starts ?? base.starts,
    ends: search.ends ?? base.ends,
    repeats: search.repeat === undefined ? base.repeats : readRecurrence(search.repeat),
    comment: search.comment ?? base.comment,
    remind: search.remind ?? base.remind,
  };
}

const NEW: Draft = { id: '', matchers: [], starts: '', ends: DEFAULT_ENDS, repeats: null, comment: '', remind: '' };

function draftOf(silence: Silence, zone: Zone): Draft {
  const at = (text: string) => {
    const ms = whenMs(text);
    return ms === null ? '' : formatTime(ms, zone, true);
  };
  const until = silence.recurrence?.until;
  return {
    id: silence.id,
    matchers: silence.matchers,
    starts: at(silence.startsAt),
    ends: at(silence.endsAt),
    repeats: silence.recurrence && { ...silence.recurrence, ...(until ? { until: at(until) } : {}) },
    comment: silence.comment,
    remind: silence.remindMinutes ? String(silence.remindMinutes) : '',
  };
}

/** What the URL holds of a draft. */
export function writeDraft(draft: Draft): Record<string, string | undefined> {
  return {
    ...(draft.id ? { edit: draft.id } : {}),
    new: matchersText(draft.matchers.filter((m) => m.name.trim() !== '')),
    starts: draft.starts || undefined,
    ends: !draft.id && draft.ends === DEFAULT_ENDS ? undefined : draft.ends,
    repeat: draft.repeats ? writeRecurrence(draft.repeats) : draft.id ? '' : undefined,
    comment: draft.comment || (draft.id ? '' : undefined),
    remind: draft.remind || undefined,
  };
}

export const NO_DRAFT: Record<string, undefined> = {
  new: undefined,
  edit: undefined,
  starts: undefined,
  ends: undefined,
  repeat: undefined,
  comment: undefined,
  remind: undefined,
};

/** The address of a new silence for these conditions. */
export const silenceSearch = (matchers: Parameters<typeof matchersText>[0], comment = ''): Search => ({
  new: matchersText(matchers),
  ...(comment ? { comment } : {}),
});

// Calls to the Prometheus-compatible API and the errors it answers with.

export type Envelope<T> = { data: T; warnings: string[]; infos: string[] };
export type Params = Record<string, string | number | string[] | undefined>;

/** A failed call. `kind` is Prometheus' errorType, or `network` where no answer came at all. */
export class ApiError extends Error {
  constructor(
    readonly kind: string,
    message: string,
    readonly status: number,
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

export function encode(params: Params): URLSearchParams {
  const out = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) {
    if (Array.isArray(value)) for (const item of value) out.append(key, item);
    else if (value !== undefined) out.append(key, String(value));
  }
  return out;
}

export async function send(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(path, init);
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
    throw new ApiError('network', 'The server does not answer', 0);
  }
}

/** Reads `{status, data, warnings, infos}`; anything else becomes an ApiError which quotes what came. */
export async function read<T>(response: Response, path: string): Promise<Envelope<T>> {
  const text = await response.text();
  let body: { status?: string; data?: T; error?: string; errorType?: string; warnings?: string[]; infos?: string[] };
  try {
    body = JSON.parse(text);
  } catch {
    const seen = text.trim().slice(0, 200);
    const message = `${path} answered ${response.status} ${response.statusText}${seen ? `: ${seen}` : ''}`;
    throw new ApiError(response.ok ? 'bad_response' : 'http', message, response.status);
  }
  if (body.status !== 'success' || body.data === undefined) {
    throw new ApiError(body.errorType ?? 'http', body.error ?? `${path} answered ${response.status}`, response.status);
  }
  return { data: body.data, warnings: body.warnings ?? [], infos: body.infos ?? [] };
}

export async function get<T>(path: string, params: Params = {}, signal?: AbortSignal): Promise<Envelope<T>> {
  const query = encode(params).toString();
  const response = await send(query ? `${path}?${query}` : path, signal ? { signal } : {});
  return read<T>(response, path);
}

/** A form POST, so that a long query does not meet a limit on URLs. */
export async function post<T>(path: string, params: Params, signal?: AbortSignal): Promise<Envelope<T>> {
  const response = await send(path, { method: 'POST', body: encode(params), ...(signal ? { signal } : {}) });
  return read<T>(response, path);
}

/** A call without a body, such as DELETE. */
export async function call<T>(method: string, path: string): Promise<Envelope<T>> {
  return read<T>(await send(path, { method }), path);
}

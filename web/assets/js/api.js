// The client of the service's API. Every failure is an ApiError.

import { signInAddress } from './routes.js';

const timeout = 15_000;
// What the service, or what stands before it, says while a part is away.
const away = [502, 503, 504];

/**
 * A request that failed. `status` is 0 if there was no answer. `faults` are
 * `{location, message}` of bad members, such as `body.newPassword`;
 * `retryAfter` is in seconds, 0 if the service named none. `reason` is the
 * message without the time to wait.
 */
export class ApiError extends Error {
  constructor(status, problem = {}, retryAfter = 0) {
    const reason = explain(status, problem);
    const again = retryAfter > 0 ? ` Try again in ${retryAfter} s.` : ' Try again in a moment.';
    super(status === 429 || status === 503 ? reason + again : reason);
    this.name = 'ApiError';
    this.reason = reason;
    this.status = status;
    this.faults = problem.errors ?? [];
    this.retryAfter = retryAfter;
  }

  /** Whether the same request may succeed later. */
  get passing() { return this.status === 0 || this.status === 429 || this.status >= 500; }
}

function explain(status, problem) {
  switch (status) {
    case 0: return 'Helfy cannot be reached. Check the connection and try again.';
    case 403: return sentence(problem.detail) || 'This is not allowed.';
    case 404: return sentence(problem.detail) || 'There is no such thing.';
    case 429: return 'Too many attempts.';
    case 503: return 'Helfy is busy or a part of it is away.';
    default: {
      const faults = (problem.errors ?? []).map((fault) => fault.message).filter(Boolean);
      return sentence(faults.join('; ') || problem.detail) || `The service answered ${status}.`;
    }
  }
}

/** Makes a sentence of the short texts that the API answers with. */
export function sentence(text) {
  if (!text) return '';
  return text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.');
}

/** Reads a path; `params` are added to its query, but for empty ones. */
export function get(path, { params, signal } = {}) {
  return request('GET', withParams(path, params), { signal });
}

/**
 * Changes something. The Idempotency-Key lets a caller send the same change
 * again after a failure without doing it twice: pass the same `key`.
 */
export const post = (path, body, options) => request('POST', path, { body, ...options });
export const patch = (path, body, options) => request('PATCH', path, { body, ...options });
export const del = (path, options) => request('DELETE', path, options);

/** Returns path with those of params that are not null, undefined, false or empty. */
export function withParams(path, params = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value != null && value !== '' && value !== false) query.set(name, value);
  }
  return query.size ? `${path}?${query}` : path;
}

/** Returns a key for a change that is to be done once. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * Sends a request and returns the JSON of the answer, or null if it has none.
 * An answer of 401 leads to the sign-in, unless `stay` is set. The window is
 * told by helfy:unreachable that there was no answer, and by helfy:doubtful of
 * one that says that something could not be read.
 */
async function request(method, path, { body, signal, key, stay = false } = {}) {
  const headers = { Accept: 'application/json' };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (key) headers['Idempotency-Key'] = key;
  const limit = AbortSignal.timeout(timeout);
  let response, text;
  try {
    response = await fetch(path, {
      method, headers, credentials: 'same-origin', cache: 'no-store',
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error; // nobody waits any more
    dispatchEvent(new Event('helfy:unreachable'));
    throw new ApiError(0);
  }
  const answer = parse(text);
  if (response.ok) return answer;
  if (response.status === 401 && !stay) location.assign(signInAddress());
  if (method === 'GET' && away.includes(response.status)) dispatchEvent(new Event('helfy:doubtful'));
  throw new ApiError(response.status, answer ?? {}, Number(response.headers.get('Retry-After')) || 0);
}

function parse(text) {
  try {
    return text === '' ? null : JSON.parse(text);
  } catch {
    return null; // of a proxy in between
  }
}

/**
 * The door of the page: who may ask, and in what form. The page carries no password, so a web site open in the
 * owner's browser must be unable to reach it: not by DNS rebinding (a foreign name that resolves to us: Host is
 * checked) and not by a cross-site request (Origin and content type are checked). Pure functions.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { z } from 'zod';

export type RefusalCode =
  | 'bad-host'
  | 'bad-origin'
  | 'not-found'
  | 'method-not-allowed'
  | 'not-json'
  | 'too-large'
  | 'bad-json'
  | 'bad-field'
  | 'no-owner'
  | 'not-possible'
  | 'busy';

/** A request that is not served: HTTP status, code, and a sentence for people. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: RefusalCode;

  constructor(status: number, code: RefusalCode, message: string) {
    super(message);
    this.name = 'Refusal';
    this.status = status;
    this.code = code;
  }
}

/** The name in a Host header: without its port, in lower case. */
export function hostName(host: string): string {
  return host.toLowerCase().replace(/:\d+$/, '');
}

/** Throws Refusal unless Host names this machine: loopback, a configured name, or the very address connected to. */
export function checkHost(host: string | undefined, names: readonly string[], localAddress: string | undefined): void {
  const name = hostName(host ?? '');
  const address = localAddress?.replace(/^::ffff:/, '');
  const own = ['localhost', '127.0.0.1', '[::1]', ...names, ...(address ? [address, `[${address}]`] : [])];
  if (own.includes(name)) return;
  throw new Refusal(421, 'bad-host', `"${name}" is not a name of this page: open it by its own address or name`);
}

/** Throws Refusal when a browser sends the request for another site. Programs send no Origin. */
export function checkOrigin(headers: IncomingHttpHeaders): void {
  if (headers.origin === undefined) return;
  const origin = URL.canParse(headers.origin) ? new URL(headers.origin).host : undefined;
  if (origin !== headers.host?.toLowerCase()) {
    throw new Refusal(403, 'bad-origin', `commands come from the page itself, not from ${headers.origin}`);
  }
}

/** Throws Refusal unless the body is declared to be JSON, which no plain form of another site can do. */
export function checkContentType(headers: IncomingHttpHeaders): void {
  if (headers['content-type']?.split(';')[0]?.trim().toLowerCase() === 'application/json') return;
  throw new Refusal(415, 'not-json', 'send the command as JSON: content-type application/json');
}

/** The checked content of a body. Throws Refusal naming every field that is wrong. */
export function parseBody<T>(text: string, schema: z.ZodType<T>): T {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new Refusal(400, 'bad-json', `the body is not JSON: ${(error as Error).message}`);
  }
  const checked = schema.safeParse(json);
  if (checked.success) return checked.data;
  const problems = checked.error.issues.map((issue) => `${issue.path.join('.') || 'body'}: ${issue.message}`);
  throw new Refusal(422, 'bad-field', problems.join('; '));
}

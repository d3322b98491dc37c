/**
 * The page over HTTP: static files (kept in memory), the view as JSON and as a live feed, and the owner's
 * commands. Everything comes from this origin and the Content-Security-Policy says so to the browser. Plain
 * HTTP on purpose: it is a page of the device for its own network; bind it to loopback to keep it private.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { checkContentType, checkHost, checkOrigin, parseBody, Refusal } from './door.ts';
import { LiveFeed } from './live.ts';
import { COMMANDS, type OwnerReply, type OwnerRequest } from './owner.ts';
import type { NeighbourhoodView } from './view.ts';

export interface PageOptions {
  /** Address or name to listen on; `127.0.0.1` keeps the page on this machine. Also accepted as Host. */
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Further names under which people open the page, such as `chargepoint-3.local`. */
  readonly names?: readonly string[];
  /** The present view; called for each reader and change, so it should be cheap. Must not throw. */
  readonly view: () => NeighbourhoodView;
  /** Absent where the page only shows: then there are no controls and commands are refused. */
  readonly owner?: (request: OwnerRequest) => OwnerReply;
}

export interface PageServer {
  readonly url: string;
  readonly port: number;
  /** Says that the view is new; readers get it within a quarter of a second. */
  changed(): void;
  close(): Promise<void>;
}

/** What GET /api/view and each `view` event of GET /api/live carry. */
export type ServedView = NeighbourhoodView & { readonly ownerControls: boolean };

const MAX_BODY_BYTES = 4_096;
const MAX_CONNECTIONS = 128;

/** Trusted types: no script of the page, ours or a library's, can turn a string into HTML. */
const HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; " +
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

const TYPES = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
} as const;

/** Every file that is served, by its path: nothing else of the disk can be reached. */
function staticFiles() {
  const ours = join(import.meta.dirname, 'public');
  const uplot = dirname(createRequire(import.meta.url).resolve('uplot'));
  const places = {
    '/': [ours, 'index.html'],
    '/style.css': [ours, 'style.css'],
    '/icon.svg': [ours, 'icon.svg'],
    '/app.js': [ours, 'app.js'],
    '/neighbourhood.js': [ours, 'neighbourhood.js'],
    '/node-card.js': [ours, 'node-card.js'],
    '/owner-controls.js': [ours, 'owner-controls.js'],
    '/power-chart.js': [ours, 'power-chart.js'],
    '/dom.js': [ours, 'dom.js'],
    '/words.js': [ours, 'words.js'],
    '/uplot.js': [uplot, 'uPlot.esm.js'],
    '/uplot.css': [uplot, 'uPlot.min.css'],
  } as const;
  return new Map(
    Object.entries(places).map(([path, [folder, name]]) => {
      const body = readFileSync(join(folder, name));
      const type = TYPES[name.split('.').pop() as keyof typeof TYPES];
      return [path, { body, type, etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"` }];
    }),
  );
}

/** The address cannot be had. What is wrong and what to do; `setting` is for the caller to name as its reader knows it. */
export class PageError extends Error {
  readonly setting: 'host' | 'port';

  constructor(setting: 'host' | 'port', message: string, cause: Error) {
    super(message, { cause });
    this.name = 'PageError';
    this.setting = setting;
  }
}

/** Starts the page. @throws PageError */
export async function startPageServer(options: PageOptions): Promise<PageServer> {
  const { host, view, owner } = options;
  const literal = host.includes(':') ? `[${host}]` : host;
  const names = [literal, ...(options.names ?? [])].map((name) => name.toLowerCase());
  const files = staticFiles();
  const served = (): string => JSON.stringify({ ...view(), ownerControls: owner !== undefined } satisfies ServedView);
  const live = new LiveFeed(served);

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    checkHost(request.headers.host, names, request.socket.localAddress);
    const path = request.url?.split('?')[0] ?? '';
    const command = Object.hasOwn(COMMANDS, path) ? COMMANDS[path as keyof typeof COMMANDS] : undefined;
    const file = files.get(path);
    if (!command && !file && !['/api/view', '/api/live', '/healthz'].includes(path)) {
      throw new Refusal(404, 'not-found', `there is no ${path} here`);
    }
    const methods: readonly string[] = command ? [command.method] : ['GET', 'HEAD'];
    if (!methods.includes(request.method ?? '')) {
      response.setHeader('allow', methods.join(', '));
      throw new Refusal(405, 'method-not-allowed', `${path} takes ${methods.join(' or ')}, not ${request.method}`);
    }
    if (command) {
      checkOrigin(request.headers);
      checkContentType(request.headers);
      if (!owner) throw new Refusal(403, 'no-owner', 'this page only shows: commands go to the controller itself');
      const reply = owner(parseBody<OwnerRequest>(await readBody(request), command.body));
      if (!reply.done) throw new Refusal(409, 'not-possible', reply.message);
      sendJson(response, 200, JSON.stringify({ message: reply.message }));
      live.changed();
    } else if (file) {
      const fresh = request.headers['if-none-match'] === file.etag;
      response.writeHead(fresh ? 304 : 200, {
        'content-type': file.type,
        'cache-control': 'no-cache',
        etag: file.etag,
      });
      response.end(fresh ? undefined : file.body);
    } else if (path === '/api/live' && request.method === 'GET') {
      live.add(response);
    } else {
      sendJson(response, 200, path === '/api/view' ? served() : '{"status":"ok"}');
    }
  }

  const server = createServer({ requestTimeout: 10_000 }, (request, response) => {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    answer(request, response).catch((error: unknown) => {
      if (!(error instanceof Refusal)) throw error;
      const { status, code, message } = error;
      // What is left of a refused body is not read: the connection ends with the answer.
      if (!request.complete) response.setHeader('connection', 'close');
      sendJson(response, status, JSON.stringify({ error: { code, message } }));
    });
  });
  server.maxConnections = MAX_CONNECTIONS;

  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      live.close();
      reject(startProblem(error, options));
    });
    server.listen(options.port, host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const shown = host === '0.0.0.0' || host === '::' ? 'localhost' : literal;
  return {
    url: `http://${shown}:${port}/`,
    port,
    changed: () => live.changed(),
    close: () =>
      new Promise((resolve) => {
        live.close();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function sendJson(response: ServerResponse, status: number, json: string): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' });
  response.end(json);
}

function readBody(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      chunks.push(chunk);
      if (size <= MAX_BODY_BYTES) return;
      request.removeAllListeners('data').resume();
      reject(new Refusal(413, 'too-large', `a command has at most ${MAX_BODY_BYTES} bytes`));
    });
    request.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    // A reader that goes away in the middle is no fault of ours and gets no answer.
    request.on('error', () => reject(new Refusal(400, 'bad-json', 'the body ended early')));
  });
}

function startProblem(error: NodeJS.ErrnoException, { host, port }: PageOptions): PageError {
  switch (error.code) {
    case 'EADDRINUSE':
      return new PageError('port', `${port} is taken by another program: stop it or choose another port`, error);
    case 'EACCES':
      return new PageError('port', `${port} needs more rights than this program has: choose one from 1024 up`, error);
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new PageError(
        'host',
        `"${host}" is not an address of this machine: use 127.0.0.1, 0.0.0.0 or one of its own`,
        error,
      );
    default:
      return new PageError('host', `cannot listen on ${host} port ${port}: ${error.message}`, error);
  }
}

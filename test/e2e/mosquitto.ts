/** A Mosquitto of the test's own (Debian package mosquitto) on a free port of this machine; it can fail as brokers do. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { eventually } from './eventually.ts';

export interface Mosquitto {
  readonly url: string;
  /** Of the process that runs now. */
  readonly pid: number;
  /** Again on the same port, knowing nothing of before. */
  start(): Promise<void>;
  kill(): Promise<void>;
  /** It takes connections and bytes, and answers nobody. */
  freeze(): void;
  thaw(): void;
  /** Ends it and removes its files. */
  remove(): Promise<void>;
}

/** `more` are further lines of its configuration. */
export async function startMosquitto(more = ''): Promise<Mosquitto> {
  const folder = mkdtempSync(join(tmpdir(), 'p2pebt-mosquitto-'));
  const file = join(folder, 'mosquitto.conf');
  const port = await freePort();
  // max_packet_size is left open: that a message is too large is for the controller to say.
  writeFileSync(file, `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\n${more}`);
  let process_: ChildProcess | null = null;

  const start = async (): Promise<void> => {
    const PATH = [process.env.PATH, '/usr/sbin'].join(delimiter);
    // setpriv (util-linux) has the kernel end it with this process, however this process ends.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'mosquitto', '-c', file], {
      stdio: 'ignore',
      env: { ...process.env, PATH },
    });
    let failed: Error | null = null;
    // setpriv itself is there on every Debian; 127 is its word for a command that is not.
    child.once('exit', (code) => {
      if (code === 127) failed = new Error('mosquitto is not installed: apt-get install mosquitto');
    });
    child.once('error', (error) => {
      failed = error;
    });
    process_ = child;
    await eventually(`mosquitto listens on port ${port}`, async () => {
      if (failed) throw failed;
      return answers(port);
    });
  };
  const kill = async (): Promise<void> => {
    const child = process_;
    process_ = null;
    if (child === null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  };
  await start();
  return {
    url: `mqtt://127.0.0.1:${port}`,
    get pid() {
      return process_?.pid ?? 0;
    },
    start,
    kill,
    freeze: () => void process_?.kill('SIGSTOP'),
    thaw: () => void process_?.kill('SIGCONT'),
    async remove() {
      await kill();
      rmSync(folder, { recursive: true });
    },
  };
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (yes: boolean) => () => {
      socket.destroy();
      resolve(yes);
    };
    socket.once('connect', end(true)).once('error', end(false));
  });

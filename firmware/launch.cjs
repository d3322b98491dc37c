// Starts a program of this repository under the locked Node, installing the locked dependencies first if
// they are missing or out of date. Every npm script goes through it, so `npm start` and `npm test` work on a
// fresh machine with any Node. Plain old JavaScript on purpose: it must be able to run where nothing else can.
//
//   node firmware/launch.cjs firmware/main.ts [ARG ...]     a source file
//   node firmware/launch.cjs vitest [ARG ...]               a program from node_modules/.bin
'use strict';
var fs = require('fs');
var path = require('path');
var childProcess = require('child_process');

var root = path.join(__dirname, '..');
var modules = path.join(root, 'node_modules');

/** True when every package of package-lock.json that belongs on this platform is installed at its version. */
function installed() {
  try {
    var wanted = JSON.parse(fs.readFileSync(path.join(root, 'package-lock.json'), 'utf8')).packages;
    var present = JSON.parse(fs.readFileSync(path.join(modules, '.package-lock.json'), 'utf8')).packages;
    return Object.keys(wanted).every((place) => {
      if (place === '' || (wanted[place].optional && !present[place])) return true;
      return present[place] !== undefined && present[place].version === wanted[place].version;
    });
  } catch (_missing) {
    return false;
  }
}

/** The locked Node where its package exists (Linux), else this one if it can run TypeScript sources. */
function node24() {
  var locked = path.join(modules, '.bin', 'node');
  if (fs.existsSync(locked)) return fs.realpathSync(locked);
  var version = process.versions.node.split('.').map(Number);
  if ((version[0] === 22 && version[1] >= 18) || version[0] === 24) return process.execPath;
  console.error(
    'p2pebt: this is Node ' +
      process.versions.node +
      ', and no locked Node 24 exists for ' +
      process.platform +
      '-' +
      process.arch +
      '. Install Node 24 (https://nodejs.org) and try again.',
  );
  process.exit(1);
}

if (!installed()) {
  console.error('p2pebt: installing the locked dependencies (npm ci), about half a minute ...');
  var npm = childProcess.spawnSync('npm', ['ci', '--loglevel=error', '--no-update-notifier'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (npm.status !== 0) {
    console.error('p2pebt: npm ci failed (see above); nothing was started. Check the connection to the npm registry.');
    process.exit(1);
  }
}

var target = process.argv[2];
var program = target.indexOf('/') < 0 ? fs.realpathSync(path.join(modules, '.bin', target)) : path.join(root, target);
// The channel ('ipc') lets the child notice that this process is gone, however it went, and stop safely.
var child = childProcess.spawn(node24(), [program].concat(process.argv.slice(3)), {
  stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  env: Object.assign({}, process.env, { PATH: path.join(modules, '.bin') + path.delimiter + process.env.PATH }),
});
['SIGINT', 'SIGTERM', 'SIGHUP'].forEach((signal) => {
  process.on(signal, () => {
    child.kill(signal);
  });
});
child.on('exit', (code, signal) => {
  process.exit(signal ? 128 + (require('os').constants.signals[signal] || 0) : code);
});

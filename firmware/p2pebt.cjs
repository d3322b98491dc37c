#!/usr/bin/env node
// The command `p2pebt`. Plain old JavaScript on purpose: it must be able to say so where Node is too old.
'use strict';
var version = process.versions.node.split('.').map(Number);
if (version[0] === 24 || (version[0] === 22 && version[1] >= 18)) {
  // A controller holds little and lives long: a young generation that stays small saves 30 MB, and remembering the
  // compiled sources from start to start another 20 and half a second (where node_modules cannot be written: neither).
  require('v8').setFlagsFromString('--semi-space-growth-factor=1');
  require('module').enableCompileCache(require('path').join(__dirname, '..', 'node_modules', '.cache', 'p2pebt'));
  require('./cli.ts').main(process.argv);
} else {
  console.error(
    'p2pebt: this is Node ' +
      process.versions.node +
      ', but p2pebt needs Node 24 (or 22.18 and later 22). ' +
      'Nothing was started. Install Node 24 (https://nodejs.org), or run it with the node of node_modules/.bin.',
  );
  process.exitCode = 2;
}

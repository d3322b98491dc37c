// Loaded into each controller of the benchmark before its program (NODE_OPTIONS=--require): tells the process that
// started it when each turn of its control loop was over, in its own monotonic time.
'use strict';
require('node:diagnostics_channel').subscribe('p2pebt:cycle', (cycle) => {
  process.send?.({ cycle, ended_ms: performance.now() });
});

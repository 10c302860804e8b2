// A contender for a lock of npm's proper-lockfile, or of its fork: WHICH is the package's name.
'use strict';

const { main } = require('./contender.js');

const which = process.argv[2];
const lockfile = require(which);

main(require(`${which}/package.json`).version, (path, limitMs) =>
    lockfile.lock(path, {
        realpath: false, // the file itself need not exist
        stale: 2000, // the least that it takes
        retries: { retries: Math.ceil(limitMs / 10), factor: 1, minTimeout: 10, maxTimeout: 10 },
        // The default throws, which would end the contender; the overlap is in the times.
        onCompromised: () => {},
    }));

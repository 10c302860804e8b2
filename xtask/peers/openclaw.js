// A contender for a session lock by OpenClaw's algorithm, re-implemented from its description:
// create exclusively, write; if it exists, read and judge (pid, start time, age); if stale, unlink
// the path and try again; else wait a while. Not its code.
'use strict';

const fs = require('node:fs/promises');
const { main, later } = require('./contender.js');

const STALE_MS = 30 * 60 * 1000;
// A record without a usable pid is left alone this long, by the file's time.
const GRACE_MS = 5000;

async function startTime(pid) {
    try {
        const stat = await fs.readFile(`/proc/${pid}/stat`, 'utf8');
        return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
    } catch {
        return null;
    }
}

function isAlive(pid) {
    try {
        process.kill(pid, 0);
        return true;
    } catch (why) {
        return why.code === 'EPERM';
    }
}

async function isStale(path) {
    let record = null;
    try {
        record = JSON.parse(await fs.readFile(path, 'utf8'));
    } catch {
        // Just created, or gone: no record.
    }
    if (!Number.isInteger(record?.pid) || record.pid <= 0) {
        const stat = await fs.stat(path).catch(() => null);
        return stat !== null && Date.now() - stat.mtimeMs > GRACE_MS;
    }
    if (!isAlive(record.pid)) return true;
    const started = await startTime(record.pid);
    if (started !== null && record.starttime !== undefined && started !== record.starttime) return true;
    return Date.now() - Date.parse(record.createdAt) > STALE_MS;
}

async function acquire(file, limitMs) {
    const path = `${file}.lock`;
    const deadline = performance.now() + limitMs;
    for (;;) {
        try {
            const handle = await fs.open(path, 'wx');
            const record = {
                pid: process.pid,
                createdAt: new Date().toISOString(),
                maxHoldMs: 300000,
                starttime: await startTime(process.pid),
            };
            await handle.writeFile(`${JSON.stringify(record, null, 2)}\n`);
            await handle.close();
            return () => fs.rm(path, { force: true });
        } catch (why) {
            if (why.code !== 'EEXIST') throw why;
        }
        if (await isStale(path)) {
            await fs.rm(path, { force: true });
            continue;
        }
        if (performance.now() > deadline) throw new Error('timeout');
        await later(50);
    }
}

main('re-implemented', acquire);

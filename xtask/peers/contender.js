// What the contenders in node share: `DRIVER.js WHICH contend|hold [PATH]`.
//
// A contender says "ready VERSION", then answers each line "PATH START LIMIT HOLD" (nanoseconds of
// CLOCK_MONOTONIC, which is what hrtime counts) with "held BEGIN END" or "without WHY". A holder
// says "held", and stays.
'use strict';

const readline = require('node:readline');

const now = () => process.hrtime.bigint();
const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Sleeps to the microsecond, which timers do not.
function sleepUntil(start) {
    const cell = new Int32Array(new SharedArrayBuffer(4));
    const left = Number(start - now()) / 1e6;
    if (left > 0) Atomics.wait(cell, 0, 0, left);
}

// `acquire(path, limitMs)` answers a function that releases.
async function contend(version, acquire) {
    console.log(`ready ${version}`);
    for await (const line of readline.createInterface({ input: process.stdin })) {
        const [path, start, limit, hold] = line.split(' ');
        sleepUntil(BigInt(start));
        let release;
        try {
            release = await acquire(path, Number(limit) / 1e6);
        } catch (why) {
            console.log(`without ${why.code || why.message.replace(/\s/g, '-')}`);
            continue;
        }
        const begin = now();
        await later(Number(hold) / 1e6);
        const end = now();
        // Robbed, maybe: the overlap is in the times.
        await Promise.resolve(release()).catch(() => {});
        console.log(`held ${begin} ${end}`);
    }
    process.exit(0);
}

async function main(version, acquire) {
    if (process.argv[3] === 'hold') {
        await acquire(process.argv[4], 60000);
        console.log('held');
        await later(3600 * 1000);
    } else {
        await contend(version, acquire);
    }
}

module.exports = { main, later };

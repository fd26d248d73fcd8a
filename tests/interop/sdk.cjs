// SPDX-License-Identifier: MIT
// Calls the official SDK as it is told: a line of JSON in, a line of JSON out.
// {"call": "vaults.create", "args": [{"display_name": "x"}]} is answered with
// {"value": {...}}, or with {"error": {...}} when the SDK throws. With "all" the
// call is a list, whose pages the SDK turns by itself.
"use strict";

const readline = require("node:readline");
const { Anthropic } = require("@anthropic-ai/sdk");

const client = new Anthropic({ maxRetries: 0 });

async function run({ call, args, all }) {
    const path = call.split(".");
    const method = path.pop();
    const resource = path.reduce((from, name) => from[name], client.beta);
    const result = resource[method](...args);

    if (!all) return await result;
    const items = [];
    for await (const item of result) items.push(item);
    return items;
}

function describe(error) {
    return {
        name: error.constructor.name,
        status: error.status,
        type: error.error?.error?.type,
        request_id: error.requestID,
        message: error.message,
    };
}

async function main() {
    for await (const line of readline.createInterface({ input: process.stdin })) {
        const answer = await run(JSON.parse(line)).then(
            (value) => ({ value }),
            (error) => ({ error: describe(error) }),
        );
        process.stdout.write(JSON.stringify(answer) + "\n");
    }
}

main();

// One script with the addons inside, for boards that have a Node.

/**
 * @param {string} machine "linux-arm64", as process.platform and process.arch say it
 * @param {Record<string, Buffer>} addons
 */
export function slimText(script, machine, addons) {
  const encoded = Object.entries(addons).map(([name, bytes]) => [name, bytes.toString('base64')]);
  const embedded = JSON.stringify({ machine, addons: Object.fromEntries(encoded) });
  return `#!/usr/bin/env node\nglobalThis.rveEmbedded=${embedded};\n${script}`;
}

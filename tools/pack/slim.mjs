// One script with the addon inside, for boards that have a Node.

/** @param {string} machine "linux-arm64", as process.platform and process.arch say it */
export function slimText(script, machine, addon) {
  const embedded = JSON.stringify({ machine, addon: addon.toString('base64') });
  return `#!/usr/bin/env node\nglobalThis.rveEmbedded=${embedded};\n${script}`;
}

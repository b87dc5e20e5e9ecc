// What an executable carries of others, and under which licences. Texts in, text out.

/** Licences of Debian's packages, in short; the whole text follows in the notices. */
const DEBIAN_LICENCES = {
  'gcc-12-base': 'GPL-3.0 with GCC runtime exception',
  'gcc-14-base': 'GPL-3.0 with GCC runtime exception',
  libbrotli1: 'MIT',
  libc6: 'LGPL-2.1 and others',
  libcares2: 'MIT',
  'libgcc-s1': 'GPL-3.0 with GCC runtime exception',
  libicu76: 'Unicode-3.0',
  'libnghttp2-14': 'MIT',
  libnode115: 'MIT and others',
  libssl3t64: 'Apache-2.0',
  'libstdc++6': 'GPL-3.0 with GCC runtime exception',
  libuv1t64: 'MIT',
  'libzstd-dev': 'BSD-3-Clause',
  libzstd1: 'BSD-3-Clause',
  'node-acorn': 'MIT',
  'node-balanced-match': 'MIT',
  'node-brace-expansion': 'MIT',
  'node-cjs-module-lexer': 'MIT',
  'node-minimatch': 'ISC',
  'node-undici': 'MIT',
  'node-xtend': 'MIT',
  nodejs: 'MIT and others',
  zlib1g: 'Zlib',
};

/**
 * Everything that is bundled: { name, version, licence, origin }, by name.
 * @param {{ debs: { name: string, version: string }[], npm: { name: string, version: string,
 *           license: string }[], node?: { version: string } }} parts
 */
export function componentsOf(parts) {
  const rows = parts.debs.map(({ name, version }) => {
    const licence = DEBIAN_LICENCES[name];
    if (licence === undefined) throw new Error(`tools/release: no licence noted for ${name}`);
    return { name, version, licence, origin: 'Debian' };
  });
  if (parts.node !== undefined) {
    const { version } = parts.node;
    rows.push({ name: 'Node.js', version, licence: 'MIT and others', origin: 'npm' });
  }
  for (const { name, version, license } of parts.npm) {
    if (typeof license !== 'string') throw new Error(`${name} names no licence`);
    rows.push({ name, version, licence: license, origin: 'npm' });
  }
  return rows.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** A table for a README. */
export function tableOf(components) {
  const lines = components.map(
    ({ name, version, licence, origin }) => `| ${name} | ${version} | ${licence} | ${origin} |`,
  );
  return ['| Part | Version | Licence | From |', '| --- | --- | --- | --- |', ...lines].join('\n');
}

const BEGIN = '<!-- bundled: written by tools/release -->';
const END = '<!-- end of bundled -->';

/** The README with its table of parts replaced. */
export function withTable(readme, table) {
  const from = readme.indexOf(BEGIN);
  const to = readme.indexOf(END);
  if (from < 0 || to < from) throw new Error(`the README lacks "${BEGIN}" or "${END}"`);
  return `${readme.slice(0, from + BEGIN.length)}\n\n${table}\n\n${readme.slice(to)}`;
}

/** NOTICES.txt: the table, then each text once, with the parts that it belongs to. */
export function noticesOf(title, components, texts) {
  const byText = new Map();
  for (const { name, text } of texts) byText.set(text, [...(byText.get(text) ?? []), name]);
  const rule = '='.repeat(78);
  const list = components.map(
    ({ name, version, licence }) => `  ${name} ${version}: ${licence}`,
  );
  const sections = [...byText].map(
    ([text, names]) => `${rule}\n${names.join(', ')}\n${rule}\n\n${text.trim()}\n`,
  );
  return `${title}\n\nParts by others, and their licences:\n\n${list.join('\n')}\n\n${sections.join('\n')}`;
}

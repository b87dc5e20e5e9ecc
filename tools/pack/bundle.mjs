// The program as one CommonJS script: what a single executable of Node can hold.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** cbor-extract is an optional native part of cbor-x: without it cbor-x decodes in JavaScript. */
const withoutCborExtract = {
  name: 'without-cbor-extract',
  setup(build) {
    build.onResolve({ filter: /^cbor-extract$/ }, (args) => ({
      path: args.path,
      namespace: 'absent',
    }));
    build.onLoad({ filter: /.*/, namespace: 'absent' }, () => ({
      contents: "throw new Error('not part of this executable');",
    }));
  },
};

/** { text, packages }: the script, and the folders of the npm packages that are in it. */
export async function bundle(root, method, version) {
  const esbuild = require('esbuild');
  const result = await esbuild.build({
    absWorkingDir: root,
    entryPoints: ['targets/entry/main.ts'],
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    minify: true,
    // pino names its worker files by these; the name of a class is part of an error's text.
    keepNames: true,
    legalComments: 'none',
    logLevel: 'error',
    banner: { js: "const importMetaUrl=require('node:url').pathToFileURL(__filename).href;" },
    define: {
      'import.meta.url': 'importMetaUrl',
      PACK_METHOD: JSON.stringify(method),
      PACK_VERSION: JSON.stringify(version),
    },
    plugins: [withoutCborExtract],
  });
  const packages = new Set();
  for (const path of Object.keys(result.metafile.inputs)) {
    const name = /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1];
    if (name !== undefined) packages.add(name);
  }
  return { text: result.outputFiles[0].text, packages: [...packages].sort() };
}

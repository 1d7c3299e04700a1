import { defineConfig } from 'vite';

// Redoc's bundle is made for a script element of its own: it asks for a module that it can do without, and for the
// logo of its makers from their host. It hides a logo that it cannot show.
const REDOC_EDITS = [
  ['require("null")', 'null'],
  ['"https://cdn.redoc.ly/redoc/logo-mini.svg"', '"data:,"'],
];

const redocOnItsOwn = {
  name: 'redoc-on-its-own',
  enforce: 'pre',
  transform(code, id) {
    if (!id.endsWith('/redoc.standalone.js')) return null;
    for (const [from, to] of REDOC_EDITS) {
      if (!code.includes(from)) this.error(`Redoc's bundle has no ${from} any more`);
      code = code.replaceAll(from, to);
    }
    return { code, map: null };
  },
};

export default defineConfig({
  base: '/',
  plugins: [redocOnItsOwn],
  // Vite compiles JSX by itself; a plugin would only add hot reload. The console's JSX is Preact's, as its
  // tsconfig.json says; the GraphiQL page says in its file that its own is React's.
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  // GraphiQL's Monaco workers are ES modules.
  worker: { format: 'es' },
  build: {
    target: 'es2022',
    rolldownOptions: {
      // Pages that load nothing of each other's.
      input: ['console.html', 'graphiql.html', 'docs.html', 'redoc.html'],
      onwarn(warning, warn) {
        // "use client" speaks to servers that render React. Hundreds of such lines would hide a real warning.
        if (warning.code !== 'MODULE_LEVEL_DIRECTIVE') warn(warning);
      },
    },
    // Inlined assets become data: addresses, which a strict content security policy would have to allow.
    assetsInlineLimit: 0,
    // The polyfill is for browsers older than the target.
    modulePreload: { polyfill: false },
    // Monaco is one large piece by nature; the warning would be noise on every build.
    chunkSizeWarningLimit: 5000,
  },
  test: { include: ['console/**/*.test.ts'] },
});

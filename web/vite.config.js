import { defineConfig } from 'vite';

export default defineConfig({
  base: '/',
  // Vite compiles JSX by itself; a plugin would only add hot reload. The console's JSX is Preact's, as its
  // tsconfig.json says; the GraphiQL page says in its file that its own is React's.
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  // GraphiQL's Monaco workers are ES modules.
  worker: { format: 'es' },
  build: {
    target: 'es2022',
    rolldownOptions: {
      // Two pages that load nothing of each other's.
      input: ['console.html', 'graphiql.html'],
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

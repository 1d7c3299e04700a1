import { defineConfig } from 'vite';

export default defineConfig({
  base: '/',
  // Vite compiles JSX by itself; a React plugin would only add hot reload, which this page does not need.
  oxc: { jsx: { runtime: 'automatic' } },
  // GraphiQL's Monaco workers are ES modules.
  worker: { format: 'es' },
  build: {
    target: 'es2022',
    rolldownOptions: {
      input: 'graphiql.html',
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
});

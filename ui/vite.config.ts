import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

// `npm run dev` serves the sources and passes API calls to a running server.
const server = process.env.AFFERENT_URL ?? 'http://127.0.0.1:3000';
const proxy = Object.fromEntries(
  ['/api', '/-', '/loki', '/prometheus', '/metrics'].map((path) => [path, { target: server, ws: path === '/loki' }]),
);

const BASE = /node_modules\/(react|react-dom|scheduler|@tanstack\/[^/]*(query|router|history|store)[^/]*)\//;

export default defineConfig({
  plugins: [react()],
  build: {
    target: ['chrome123', 'firefox120', 'safari17.5'],
    manifest: true,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 600,
    rolldownOptions: {
      output: {
        // The libraries that every page loads are one file: it packs better than several.
        codeSplitting: { groups: [{ name: 'base', test: BASE }] },
      },
    },
  },
  server: { proxy },
  preview: { proxy },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
});

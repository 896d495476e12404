// Entry: styles, theme, data client, router.
import './tokens.css';
import './base.css';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { createRoot } from 'react-dom/client';
import { makeRouter } from './router';
import { startTheme } from './shell/theme';

startTheme();

const client = new QueryClient({
  defaultOptions: {
    // What is shown is asked again by the page's refresh, not behind its back.
    queries: {
      retry: false,
      staleTime: Number.POSITIVE_INFINITY,
      gcTime: 60_000,
      refetchOnWindowFocus: false,
      networkMode: 'always',
    },
  },
});
const router = makeRouter();
const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <QueryClientProvider client={client}>
      <RouterProvider router={router} />
    </QueryClientProvider>,
  );
}

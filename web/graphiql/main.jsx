/** @jsxImportSource react */
// First, because Monaco looks for its workers while it loads. They are files of our own origin.
import 'graphiql/setup-workers/vite';

import { explorerPlugin } from '@graphiql/plugin-explorer';
import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { createRoot } from 'react-dom/client';

import 'graphiql/style.css';
import '@graphiql/plugin-explorer/style.css';
import './page.css';

import { EXAMPLES } from './examples.js';

// Built from the page's own address, so that the page works behind any host name and any TLS proxy.
const socketUrl = new URL('/graphql', window.location.href);
socketUrl.protocol = window.location.protocol === 'https:' ? 'wss:' : 'ws:';

const fetcher = createGraphiQLFetcher({ url: '/graphql', subscriptionUrl: socketUrl.href });

// Made once, outside the element: a new plugin object on each render would close its panel.
const plugins = [HISTORY_PLUGIN, explorerPlugin()];

createRoot(document.getElementById('graphiql')).render(
  <GraphiQL
    fetcher={fetcher}
    plugins={plugins}
    defaultTabs={EXAMPLES}
    defaultEditorToolsVisibility
    isHeadersEditorEnabled
  />,
);

/** @jsxImportSource react */
// First, because Monaco looks for its workers while it loads. They are files of our own origin.
import 'graphiql/setup-workers/vite';

import { explorerPlugin } from '@graphiql/plugin-explorer';
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { createRoot } from 'react-dom/client';

import 'graphiql/style.css';
import '@graphiql/plugin-explorer/style.css';
import './page.css';

import { EXAMPLES } from './examples.js';
import { fetcher } from './fetcher.js';

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

import { init } from 'redoc/bundles/redoc.standalone.js';

import '../graphiql/page.css';

init('/openapi.json', {}, document.getElementById('redoc'));

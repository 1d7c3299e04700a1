import { init } from 'redoc/bundles/redoc.standalone.js';

import './page.css';

init('/openapi.json', {}, document.getElementById('redoc'));

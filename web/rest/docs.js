import SwaggerUI from 'swagger-ui-dist/swagger-ui-es-bundle.js';

import 'swagger-ui-dist/swagger-ui.css';
import '../graphiql/page.css';

SwaggerUI({
  dom_id: '#docs',
  url: '/openapi.json',
  deepLinking: true,
  // Else a service of its makers is asked whether the description is valid.
  validatorUrl: null,
});

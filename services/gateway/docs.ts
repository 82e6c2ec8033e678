import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const folder = dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));

/** The files that the page of the API's documentation needs, by name. */
export const docsAssets: Readonly<
  Record<string, { readonly type: string; readonly content: Buffer | string }>
> = {
  "swagger-ui.css": {
    type: "text/css; charset=utf-8",
    content: readFileSync(join(folder, "swagger-ui.css")),
  },
  "swagger-ui-bundle.js": {
    type: "text/javascript; charset=utf-8",
    content: readFileSync(join(folder, "swagger-ui-bundle.js")),
  },
  "start.js": {
    type: "text/javascript; charset=utf-8",
    content: 'SwaggerUIBundle({ url: "openapi.json", dom_id: "#docs", persistAuthorization: true });',
  },
};

/** Shows `/openapi.json`. Nothing on it comes from elsewhere. */
export const docsPage = `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Crypto Pocket Butler API</title>
  <link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
  <div id="docs"></div>
  <script src="docs/swagger-ui-bundle.js"></script>
  <script src="docs/start.js"></script>
</body>
</html>
`;

const dark = matchMedia("(prefers-color-scheme: dark)").matches;
document.documentElement.classList.toggle("dark-mode", dark);
const ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: true,
  // The login reads JSON, which Authorize cannot send. Try out the login instead: every
  // answer with a new access token authorizes the next requests.
  responseInterceptor: (response) => {
    const token = response.ok && response.body?.access_token;
    if (token) {
      ui.preauthorizeApiKey("HTTPBearer", token);
      ui.authActions.persistAuthorizationIfNeeded(); // only the dialog does it itself
    }
    return response;
  },
});

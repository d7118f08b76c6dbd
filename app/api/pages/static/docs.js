const dark = matchMedia("(prefers-color-scheme: dark)").matches;
document.documentElement.classList.toggle("dark-mode", dark);
const ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: true,
  // Every answer with a new access token authorizes the next requests.
  responseInterceptor: (response) => {
    if (response.ok) authorize(response.body?.access_token);
    return response;
  },
});

function authorize(token) {
  if (!token) return false;
  ui.preauthorizeApiKey("HTTPBearer", token);
  ui.authActions.persistAuthorizationIfNeeded(); // only Swagger's dialog does this itself
  return true;
}

// The dialog of Swagger UI cannot log in, because the login reads JSON. This form can.
const form = document.querySelector("#sign-in");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const said = form.querySelector("output");
  const response = await fetch(form.dataset.login, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(Object.fromEntries(new FormData(form))),
  });
  const body = await response.json();
  if (authorize(body.access_token)) {
    form.elements.password.value = "";
    said.value = "Signed in. The next requests send your token.";
  } else {
    said.value = body.detail ?? "This account has a second factor. Use the operations /auth/login and /auth/login/mfa below.";
  }
});

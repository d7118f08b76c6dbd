const button = document.querySelector("button");
const form = document.querySelector("form");
const status = document.querySelector("[role=status]");
const { api, provider } = button.dataset;
const { pathname, hash, search, origin } = location;
const answer = new URLSearchParams(search);
// The code must not stay in the history of the browser.
history.replaceState(null, "", pathname);
const [base] = pathname.split("/account/");
const kept = `sign-in ${pathname}`;

async function post(path, body, more) {
  status.textContent = "";
  try {
    const response = await fetch(`${base}${api}/${path}`, {
      method: "POST",
      headers: {
        "X-Token-Transport": "cookie",
        ...(body && { "Content-Type": "application/json" }),
        ...more,
      },
      body: body && JSON.stringify(body),
    });
    const content = await response.json();
    if (response.ok) return content;
    status.textContent = content.detail;
  } catch {
    status.textContent = "The service cannot be reached. Try again.";
  }
}

// Returns a page of this site: another site must not choose where a sign-in leads.
function ours(path) {
  const url = new URL(path || `${base}/`, origin);
  return url.origin === origin ? url.href : `${origin}${base}/`;
}

button.addEventListener("click", async () => {
  const started = await post(`providers/${provider}/start`);
  if (!started) return;
  const { transaction, authorization_url } = started;
  const next = ours(hash.slice(1));
  sessionStorage.setItem(kept, JSON.stringify({ transaction, next }));
  location.assign(authorization_url);
});

async function finish() {
  const begun = JSON.parse(sessionStorage.getItem(kept) ?? "null");
  sessionStorage.removeItem(kept);
  const [code, state] = [answer.get("code"), answer.get("state")];
  if (!begun || !code) {
    status.textContent = "You are not signed in. Start again.";
    return;
  }
  const body = { transaction: begun.transaction, code, state };
  if (answer.has("iss")) body.iss = answer.get("iss");
  const { kind = "providers", next } = begun;
  let more;
  if (kind === "identities") {  // the account page links an identity
    const session = await post("refresh", {});
    if (!session) return;
    more = { Authorization: `Bearer ${session.access_token}` };
  }
  const done = await post(`${kind}/${provider}/finish`, body, more);
  if (done?.status === "mfa_required") askForCode(done.mfa_token, next);
  else if (done) location.replace(next);
}

function askForCode(mfa_token, next) {
  button.hidden = true;
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const code = form.code.value.trim();
    const field = /^\d{6}$/.test(code) ? "code" : "recovery_code";
    if (await post("login/mfa", { mfa_token, [field]: code })) location.replace(next);
  });
}

if (answer.has("state")) finish();

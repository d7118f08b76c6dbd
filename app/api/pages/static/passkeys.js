const form = document.querySelector("form");
const status = document.querySelector("[role=status]");
const use = document.querySelector("#use");
const add = document.querySelector("#add");
const [base] = location.pathname.split("/account/");
let token; // only in memory: no other page can read it
let offered; // the passkeys that the browser offers in the field of the address

async function call(path, body) {
  const response = await fetch(base + form.dataset.api + path, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      "X-Token-Transport": "cookie", // no script can read the refresh token
      ...(token && { Authorization: `Bearer ${token}` }),
    },
    body: body && JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) {
    throw new Error(answer.errors?.[0]?.message ?? answer.detail);
  }
  return answer;
}

function signedIn(answer) {
  if (!answer.access_token) {
    throw new Error("This account needs a second factor. Use a passkey.");
  }
  token = answer.access_token;
  offered?.abort();
  form.hidden = true;
  add.hidden = false;
  status.textContent = "You are signed in.";
}

async function signIn(how) {
  const options = await call("/auth/passkeys/login/options");
  const credential = await navigator.credentials.get({
    publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options),
    ...how,
  });
  signedIn(await call("/auth/passkeys/login", { credential: credential.toJSON() }));
}

async function offer() {
  if (!(await window.PublicKeyCredential?.isConditionalMediationAvailable?.())) {
    return;
  }
  offered = new AbortController();
  await signIn({ mediation: "conditional", signal: offered.signal });
}

async function addPasskey() {
  const options = await call("/auth/passkeys/options");
  const credential = await navigator.credentials.create({
    publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options),
  });
  const name = navigator.userAgentData?.platform || "Passkey";
  await call("/auth/passkeys", { name, credential: credential.toJSON() });
  status.textContent = "The passkey is added. Sign in with it next time.";
}

async function show(work) {
  try {
    await work;
  } catch (error) {
    // The user has taken another passkey, or none.
    if (!["AbortError", "NotAllowedError"].includes(error.name)) {
      status.textContent = error.message;
    }
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const typed = Object.fromEntries(new FormData(form));
  show(call("/auth/login", typed).then(signedIn));
});
use.addEventListener("click", () => {
  offered?.abort();
  show(signIn({}));
});
add.addEventListener("click", () => show(addPasskey()));
show(offer());
// A challenge is valid for five minutes, but the page can stay open for longer.
setInterval(() => {
  if (!token && offered && document.visibilityState === "visible") {
    offered.abort();
    show(offer());
  }
}, 240_000);

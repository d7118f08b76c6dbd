const form = document.querySelector("form");
const status = document.querySelector("[role=status]");
const use = document.querySelector("#use");
const add = document.querySelector("#add");
const codes = document.querySelector("#codes");
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

async function sign(options, how) {
  const credential = await navigator.credentials.get({
    publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options),
    ...how,
  });
  return credential.toJSON();
}

async function finish(answer) {
  offered?.abort();
  const { mfa_token, methods } = answer;
  if (methods && !methods.includes("passkey")) {
    throw new Error("This page can ask only for passkeys, and you have none.");
  }
  if (methods) {
    const passkey = await sign(await call("/auth/passkeys/mfa/options", { mfa_token }));
    answer = await call("/auth/login/mfa", { mfa_token, passkey });
  }
  token = answer.access_token;
  form.hidden = true;
  add.hidden = false;
  status.textContent = "You are signed in.";
}

async function signIn(how) {
  const credential = await sign(await call("/auth/passkeys/login/options"), how);
  await finish(await call("/auth/passkeys/login", { credential }));
}

async function offer() {
  if (!window.PublicKeyCredential?.parseRequestOptionsFromJSON) {
    return; // an old browser, which gets no button either
  }
  const inField = await PublicKeyCredential.isConditionalMediationAvailable?.();
  offered = new AbortController();
  use.hidden = false;
  if (inField) {
    await signIn({ mediation: "conditional", signal: offered.signal });
  }
}

async function addPasskey() {
  const options = await call("/auth/passkeys/options");
  const credential = await navigator.credentials.create({
    publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options),
  });
  const name = navigator.userAgentData?.platform || "Passkey";
  const body = { name, credential: credential.toJSON() };
  const { recovery_codes } = await call("/auth/passkeys", body);
  status.textContent = "The passkey is added. Sign in with it next time.";
  codes.hidden = !recovery_codes.length;
  codes.querySelector("pre").textContent = recovery_codes.join("\n");
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
  show(call("/auth/login", typed).then(finish));
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

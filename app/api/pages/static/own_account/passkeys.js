// Adds passkeys. Uses a passkey to sign in, as a second factor, and to confirm a change.
import { call, confirm } from "./session.js";
import { fill, finish, refresh, show, tell } from "./page.js";

const $ = (selector) => document.querySelector(selector);
const form = $("#add-passkey");
const codes = $("#passkey-codes");
let offered; // the passkeys that the browser offers in the field of the address

async function take(path, body, how) {
  const options = await call("POST", `/auth/passkeys/${path}`, body);
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  const credential = await navigator.credentials.get({ publicKey, ...how });
  return credential.toJSON();
}

async function signIn(how) {
  const credential = await take("login/options", undefined, how);
  await call("POST", "/auth/passkeys/login", { credential });
  await show(true);
}

async function add() {
  const options = await call("POST", "/auth/passkeys/options");
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  const credential = (await navigator.credentials.create({ publicKey })).toJSON();
  const name = form.elements.name.value;
  const answer = await call("POST", "/auth/passkeys", { name, credential });
  form.reset();
  await refresh();
  fill(codes, answer);
  codes.hidden = false;
}

// Shows no error if the user has chosen another passkey or none.
async function unlessLeft(work) {
  try {
    await work();
  } catch (failure) {
    if (!["AbortError", "NotAllowedError"].includes(failure.name)) throw failure;
  }
}

function button(parent, text, work) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "quiet";
  made.dataset.method = "passkey";
  made.textContent = text;
  made.addEventListener("click", () => {
    offered?.abort();
    tell(made, () => unlessLeft(work));
  });
  $(parent).append(made);
}

async function offer() {
  offered?.abort();
  offered = new AbortController();
  const { signal } = offered;
  if (!$("#signed-out").hidden && await PublicKeyCredential.isConditionalMediationAvailable?.()) {
    await tell(form, () => unlessLeft(() => signIn({ mediation: "conditional", signal })));
  }
}

if (window.PublicKeyCredential?.parseRequestOptionsFromJSON) {
  $("#email").autocomplete = "username webauthn";
  button("#other-ways", "Sign in with a passkey", () => signIn({}));
  button("#second-step", "Use a passkey", async () => {
    const body = { mfa_token: $("#second-step").dataset.token };
    await finish({ ...body, passkey: await take("mfa/options", body) });
  });
  button("#confirm form", "Use a passkey", async () => {
    await confirm({ passkey: await take("reauthenticate/options") });
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    tell(form, add, "The passkey is added.");
  });
  document.addEventListener("signed-in", () => offered?.abort());
  document.addEventListener("signed-out", offer);
  offer();
  // A challenge is valid for five minutes, but the page can stay open for longer.
  setInterval(() => document.visibilityState === "visible" && offer(), 240_000);
} else {
  form.hidden = true;
}

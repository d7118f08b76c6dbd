// The session of this page. The access token is only in memory, and no script can read
// the refresh token, which is in a cookie.
const root = document.querySelector("#account");
const api = location.pathname.replace(/\/account\/?$/, "") + root.dataset.api;
const dialog = document.querySelector("#confirm");
const form = dialog.querySelector("form");
const FACTOR = "step_up_required"; // the password is not enough
const ASKED = new Set(["reauthentication_required", FACTOR]);
let access = null;
let renewing = null;

class Refusal extends Error {
  constructor(problem) {
    super(problem.errors?.[0]?.message ?? problem.detail);
    this.code = problem.code;
  }
}

async function send(method, path, body, headers) {
  let response;
  try {
    response = await fetch(api + path, {
      method,
      headers: {
        "X-Token-Transport": "cookie",
        ...(body && { "Content-Type": "application/json" }),
        ...(access && { Authorization: `Bearer ${access}` }),
        ...headers,
      },
      body: body && JSON.stringify(body),
    });
  } catch {
    throw new Error("The service cannot be reached. Try again.");
  }
  const content = response.status === 204 ? {} : await response.json();
  if (!response.ok) throw new Refusal(content);
  access = content.access_token ?? access;
  const device = response.headers.get("X-Device-Token");
  if (device) localStorage.setItem("device", device);
  return content;
}

// Lets the tabs take turns to replace the cookie: the service ends the session if a
// refresh sends a cookie that is two refreshes old.
function inTurn(path, body) {
  return navigator.locks.request("session", () => send("POST", path, body));
}

// Sends one refresh at a time. All requests that wait use its access token.
export function renew() {
  access = null;
  renewing ??= inTurn("/auth/refresh", {}).finally(() => { renewing = null; });
  return renewing;
}

export async function call(method, path, body, headers) {
  for (let renewed = false; ; ) {
    try {
      return await send(method, path, body, headers);
    } catch (refusal) {
      if (ASKED.has(refusal.code)) {
        await confirmed(refusal.code);
      } else if (refusal.code === "invalid_token" && !renewed) {
        renewed = true;
        await renew();
      } else {
        throw refusal;
      }
    }
  }
}

// What the access token allows.
export function scopes() {
  const claims = access.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
  return JSON.parse(atob(claims)).scope.split(" ");
}

export function signIn(body) {
  const device = localStorage.getItem("device");
  return call("POST", "/auth/login", body, device && { "X-Device-Token": device });
}

export async function signOut() {
  await send("POST", "/auth/logout", {});
  access = null;
}

// An authenticator app shows six digits. A recovery code is longer.
export function factor(code) {
  return /^[0-9]{6}$/.test(code) ? { code } : { recovery_code: code };
}

// Sends `answer` to POST /auth/reauthenticate. If it is right, closes the dialog.
export async function confirm(answer) {
  const status = dialog.querySelector("[role=status]");
  try {
    await inTurn("/auth/reauthenticate", answer);
    dialog.close("confirmed");
  } catch (refusal) {
    status.textContent = refusal.message;
  }
}

function confirmed(code) {
  form.reset();
  dialog.querySelector("[role=status]").textContent = "";
  dialog.querySelector("#by-password").hidden = code === FACTOR;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve, reject) => {
    dialog.addEventListener("close", () => {
      if (dialog.returnValue === "confirmed") resolve();
      else reject(new Error("Nothing has changed, because you did not confirm it."));
    }, { once: true });
  });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const { password, code } = Object.fromEntries(new FormData(form));
  confirm(code ? factor(code.trim()) : { password });
});
dialog.querySelector("[type=button]").addEventListener("click", () => dialog.close());

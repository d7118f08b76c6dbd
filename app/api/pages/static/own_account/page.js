// Fills the sections from the API, and sends their forms and buttons to it.
//   data-list="/path"      a list; its <template> is one item
//   data-show="/path"      one object
//   data-text="name"       shows a member as text; data-link: as link, data-image: as picture
//   data-if="name"         is shown only if the member is there; data-unless: only if not
//   data-if="name:word"    is shown only if the member, a list, has this word
//   data-send="POST /path" what a form or a button sends; {name} is a member of the item
//   data-into="#id"        where the answer is shown, for secrets that are shown once
import { call, factor, renew, signIn, signOut } from "./session.js";

const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => within.querySelectorAll(selector);
const status = $("#status");
const secondStep = $("#second-step");
let visit = 0; // changes with each sign-in and each sign-out
const INSTANT = /^\d{4}-\d\d-\d\dT/;

// The User-Agent of a browser also names similar browsers. The first match counts.
const BROWSERS = ["Edg/", "OPR/", "Firefox/", "Chrome/", "Safari/"];
const SYSTEMS = ["Windows", "Android", "iPhone", "iPad", "Mac OS", "Linux"];

function browser(agent) {
  const [name, system] = [BROWSERS, SYSTEMS].map((all) => all.find((each) => agent.includes(each)));
  if (!name || !system) return agent;
  return `${{ "Edg/": "Edge", "OPR/": "Opera" }[name] ?? name.slice(0, -1)} on ${system}`;
}

function shown(value, separator = ", ") {
  if (Array.isArray(value)) return value.join(separator) || "none";
  if (/^Mozilla\//.test(value)) return browser(value);
  if (INSTANT.test(value)) return new Date(value).toLocaleString();
  return value ?? "–";
}

function has(item, wanted) {
  const [name, word] = wanted.split(":");
  const value = item[name];
  return Array.isArray(value) ? value.some((each) => (word ?? each) === each) : Boolean(value);
}

export function fill(part, item) {
  for (const each of $$("[data-text]", part)) {
    each.textContent = shown(item[each.dataset.text], each.tagName === "PRE" ? "\n" : ", ");
  }
  for (const each of $$("[data-link]", part)) each.href = item[each.dataset.link];
  for (const each of $$("[data-image]", part)) each.src = item[each.dataset.image];
  for (const each of $$("[data-if]", part)) each.hidden = !has(item, each.dataset.if);
  for (const each of $$("[data-unless]", part)) each.hidden = has(item, each.dataset.unless);
  for (const each of $$("[data-send]", part)) {
    each.dataset.send = each.dataset.send.replace(/\{(\w+)\}/g, (_, name) => item[name]);
    if (each.dataset.name) {
      each.setAttribute("aria-label", `${each.textContent}: ${shown(item[each.dataset.name])}`);
    }
  }
}

function forget(part) {
  for (const each of $$("[data-text]", part)) each.textContent = "";
  for (const each of $$("[data-link]", part)) each.removeAttribute("href");
  for (const each of $$("[data-image]", part)) each.removeAttribute("src");
  for (const each of $$("[data-result]", part)) each.hidden = true;
}

async function fillList(list, cursor) {
  const during = visit;
  const page = await call("GET", list.dataset.list + (cursor ? `?cursor=${cursor}` : ""));
  if (during !== visit) return;
  for (const each of $$(cursor ? ":scope > .more" : ":scope > li", list)) each.remove();
  const line = (className) => {
    const made = document.createElement("li");
    made.className = className;
    list.append(made);
    return made;
  };
  for (const item of page.items) {
    const copy = $("template", list).content.cloneNode(true);
    fill(copy, item);
    list.append(copy);
  }
  if (!list.querySelector("li")) line("none").textContent = "None";
  if (page.next_cursor) {
    const more = document.createElement("button");
    more.textContent = "More";
    more.addEventListener("click", () => tell(list, () => fillList(list, page.next_cursor)));
    line("more").append(more);
  }
}

// Does `work`, and then shows its result in the section of the element.
export async function tell(element, work, done = "") {
  const place = $(":scope > [role=status]", element.closest("section") ?? document.body) ?? status;
  const during = visit;
  place.textContent = "";
  try {
    await work();
    if (done) place.textContent = done;
  } catch (failure) {
    if (failure.code !== "refresh_token_invalid") {
      place.textContent = failure.message;
    } else if (during === visit) {
      show(false, "Your session has ended. Sign in again.");
    }
  }
}

// An answer that comes after a sign-out, or for another account, is not shown.
export async function refresh() {
  const during = visit;
  const parts = [...$$("[data-list]")].map((list) => fillList(list));
  for (const part of $$("[data-show]")) {
    parts.push(call("GET", part.dataset.show).then((item) => {
      if (during === visit) fill(part, item);
    }));
  }
  await Promise.all(parts);
}

export function show(signedIn, text = "") {
  visit += 1;
  $("#signed-in").hidden = !signedIn;
  $("#signed-out").hidden = signedIn;
  secondStep.hidden = true;
  $("#sign-in").hidden = false;
  // After a sign-out, no data of the account must stay in the page.
  for (const each of $$("form")) each.reset();
  for (const each of $$("[data-list] > li")) each.remove();
  forget(document);
  status.textContent = text;
  document.dispatchEvent(new Event(signedIn ? "signed-in" : "signed-out"));
  return signedIn ? refresh() : undefined;
}

function read(form) {
  const body = {};
  for (const field of form.elements) {
    if (!field.name || !field.value) continue;
    if (field.type !== "checkbox") {
      body[field.name] = field.type === "number" ? Number(field.value) : field.value;
    } else if (field.checked) {
      (body[field.name] ??= []).push(field.value);
    }
  }
  return body;
}

async function perform(element, body) {
  const { ask, name, into, send } = element.dataset;
  const question = ask ?? (name && `${element.getAttribute("aria-label")}?`);
  if (question && !window.confirm(question)) throw new Error("Nothing has changed.");
  const [method, path] = send.split(" ");
  const answer = await call(method, path, body, body && method === "DELETE" && { "If-Match": "*" });
  if (path === "/users/me") return show(false, element.dataset.done);
  for (const each of $$("[data-result]", element.closest("section"))) {
    each.hidden = true;
    forget(each);
  }
  if (into) {
    fill($(into), answer);
    $(into).hidden = false;
  }
  element.reset?.();
  return refresh();
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.send) return;
  event.preventDefault();
  tell(form, () => perform(form, read(form)), form.dataset.done);
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-send]");
  if (button) tell(button, () => perform(button), button.dataset.done);
});
$("#sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  tell(status, async () => {
    const answer = await signIn(read(event.target));
    if (answer.access_token) return show(true);
    secondStep.dataset.token = answer.mfa_token;
    for (const each of $$("[data-method]", secondStep)) {
      each.hidden = !answer.methods.includes(each.dataset.method);
    }
    $("#sign-in").hidden = true;
    secondStep.hidden = false;
    secondStep.elements.code.focus();
  });
});
// Completes a login that waits for a second factor.
export async function finish(body) {
  await call("POST", "/auth/login/mfa", body);
  await show(true);
}
secondStep.addEventListener("submit", (event) => {
  event.preventDefault();
  const { code } = read(secondStep);
  const body = { mfa_token: secondStep.dataset.token, ...factor(code.trim()) };
  tell(status, () => finish(body));
});
$("#start-again").addEventListener("click", () => show(false));
$("#sign-out").addEventListener("click", () => tell(status, async () => {
  await signOut();
  show(false, "You are signed out.");
}));
tell(status, () => renew().then(() => show(true), () => show(false)));

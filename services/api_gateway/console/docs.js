// What makes /docs more comfortable; without it the page is complete, only quieter.
"use strict";

const make = (name, properties = {}, ...children) => {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
};

// The key stays in this page's memory: it is not stored, and gone with the tab.
let apiKey = "";

function addSearch() {
  const entries = [...document.querySelectorAll("aside li[data-search]")];
  const field = make("input", { type: "search", placeholder: "Find a call  ( / )", ariaLabel: "Find a call" });
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/);
    for (const entry of entries) entry.hidden = !words.every((word) => entry.dataset.search.includes(word));
    if (field.value) document.getElementById("contents").open = true;
  });
  document.getElementById("tools").append(field);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || /^(INPUT|TEXTAREA)$/.test(document.activeElement.tagName)) return;
    event.preventDefault();
    field.focus();
  });
}

function addCopy(block) {
  const button = make("button", { type: "button", className: "copy", textContent: "Copy" });
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(block.textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  const frame = make("div", { className: "block" });
  block.replaceWith(frame);
  frame.append(block);
  if (navigator.clipboard) frame.append(button);
}

function field(name, properties) {
  const input = make(properties.rows ? "textarea" : "input", { spellcheck: false, autocomplete: "off", ...properties });
  return { label: make("label", {}, name, input), input };
}

function target(article, inputs) {
  let path = article.dataset.path;
  const query = new URLSearchParams();
  const headers = {};
  for (const { row, input } of inputs) {
    const { name, in: place } = row.dataset;
    if (place === "path") path = path.replace(`{${name}}`, encodeURIComponent(input.value));
    else if (input.value && place === "query") query.append(name, input.value);
    else if (input.value) headers[name] = input.value;
  }
  return { url: query.size ? `${path}?${query}` : path, headers };
}

// An answer without an end is shown as it comes, until the trial is closed.
async function follow(response, output) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  output.textContent = `${response.status} ${response.statusText}\n\n`;
  for (let part = await reader.read(); !part.done && output.isConnected; part = await reader.read()) {
    output.textContent = (output.textContent + part.value).slice(-50000);
  }
  await reader.cancel();
}

async function call(article, inputs, body, output) {
  const { url, headers } = target(article, inputs);
  headers.Authorization = `Bearer ${apiKey}`;
  if (body) headers["Content-Type"] = body.type;
  output.textContent = "...";
  try {
    const began = performance.now();
    const response = await fetch(url, { method: article.dataset.method, headers, body: body?.input.value });
    if (response.headers.get("Content-Type")?.startsWith("text/event-stream")) return await follow(response, output);
    const text = await response.text();
    const took = Math.round(performance.now() - began);
    const told = [...response.headers].filter(([name]) => /^(correlation-id|etag|location|grove-ignored)$/.test(name));
    let shown = text;
    try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* shown as it is */ }
    output.textContent = [`${response.status} ${response.statusText}  (${took} ms)`, ...told.map((pair) => pair.join(": ")), "", shown].join("\n").trim();
  } catch (error) {
    output.textContent = `No answer: ${error.message}`;
  }
}

function openTrial(article, button) {
  const form = make("form", { className: "trial" });
  const key = field("API key", { type: "password", value: apiKey, required: true });
  const inputs = [...article.querySelectorAll("tr[data-name]")].map((row) => {
    const made = field(row.dataset.name, { value: row.dataset.example ?? "", required: "required" in row.dataset });
    return { row, ...made };
  });
  const example = article.querySelector("[data-body]");
  const body = example && { type: example.dataset.body, ...field("Body", { rows: 8, value: example.querySelector("pre").textContent }) };
  const output = make("pre", { tabIndex: 0, hidden: true });
  const close = make("button", { type: "button", textContent: "Close" });
  form.append(key.label, ...inputs.map((each) => each.label), ...(body ? [body.label] : []));
  form.append(make("div", { className: "actions" }, make("button", { className: "primary", textContent: `Send ${article.dataset.method}` }), close), output);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    apiKey = key.input.value.trim();
    output.hidden = false;
    call(article, inputs, body, output);
  });
  close.addEventListener("click", () => { form.remove(); button.hidden = false; button.focus(); });
  button.hidden = true;
  article.append(form);
  (apiKey ? inputs[0]?.input ?? body?.input ?? close : key.input).focus();
}

function addTrial(article) {
  const button = make("button", { type: "button", className: "try", textContent: "Try it" });
  button.addEventListener("click", () => openTrial(article, button));
  article.append(button);
}

addSearch();
document.querySelectorAll("main pre").forEach(addCopy);
document.querySelectorAll("article[data-method]").forEach(addTrial);
const start = document.querySelector("header pre code");
start.textContent = start.textContent.replace("http://127.0.0.1:8090", location.origin);
if (matchMedia("(max-width: 60rem)").matches) document.getElementById("contents").open = false;

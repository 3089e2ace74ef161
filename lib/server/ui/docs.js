// SPDX-License-Identifier: MIT
// Reads openapi.json and makes the pages of it: what each operation takes and answers, and a form to try it. All text goes in as text,
// never as markup, and the answer is shown as it came, since a number above 2^53 would not survive being parsed.
"use strict";

const BASE = new URL(".", location.href); // behind a proxy the API may live below a prefix
const METHODS = ["get", "post", "put", "patch", "delete"];
let description;
let serial = 0;

function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== undefined && child !== null));
  return node;
}

// `code` and **strong**, the only marks that the descriptions use.
function words(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).filter(Boolean).map((part) =>
    part.startsWith("`") ? make("code", {}, part.slice(1, -1)) : part.startsWith("**") ? make("strong", {}, part.slice(2, -2)) : part);
}

function resolve(value) {
  return value && value.$ref ? value.$ref.slice(2).split("/").reduce((at, key) => at[key], description) : value;
}

function typeName(schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.type === "array") return `list of ${typeName(schema.items)}`;
  return schema.enum ? schema.enum.join(" | ") : schema.format || schema.type || "any JSON";
}

function limits(schema) {
  const said = [];
  const between = (low, high, what) => {
    if (low !== undefined && high !== undefined) said.push(`${low} to ${high}${what}`);
    else if (low !== undefined) said.push(`at least ${low}${what}`);
    else if (high !== undefined) said.push(`at most ${high}${what}`);
  };
  between(schema.minimum, schema.maximum, "");
  between(schema.minLength, schema.maxLength, " characters");
  between(schema.minItems, schema.maxItems, " elements");
  if (schema.pattern) said.push(`like ${schema.pattern}`);
  const fallback = schema.default !== undefined ? schema.default : schema["x-taskq-default"];
  if (fallback !== undefined) said.push(`default ${JSON.stringify(fallback)}`);
  return said.join(", ");
}

// The fields of an object; what they refer to is made when it is opened, so that nothing goes round in circles.
function fieldsTable(schema, caption) {
  const required = schema.required || [];
  const rows = Object.entries(schema.properties || {}).map(([name, part]) => {
    const inner = part.$ref || (part.items && part.items.$ref);
    const about = [...words(part.description || "")];
    if (limits(part)) about.push(make("div", { class: "hint" }, limits(part)));
    if (inner) about.push(nested(inner));
    return make("tr", {}, make("th", { scope: "row" }, make("code", {}, name), required.includes(name) ? make("div", { class: "required" }, "required") : ""),
      make("td", {}, typeName(part)), make("td", {}, ...about));
  });
  if (rows.length === 0) return make("p", { class: "hint" }, "Nothing is prescribed of it.");
  return make("table", {}, make("caption", {}, caption),
    make("thead", {}, make("tr", {}, ...["Field", "Type", "Meaning"].map((title) => make("th", { scope: "col" }, title)))), make("tbody", {}, ...rows));
}

function nested(reference) {
  const name = reference.split("/").pop();
  const box = make("details", {}, make("summary", {}, name));
  box.addEventListener("toggle", () => {
    if (!box.open || box.children.length > 1) return;
    const schema = resolve({ $ref: reference });
    box.append(make("p", {}, ...words(schema.description || "")), fieldsTable(schema, `Fields of ${name}`));
  });
  return box;
}

function sample(schema) {
  const found = resolve(schema);
  if (found.example !== undefined) return found.example;
  if (found.type === "array") return [sample(found.items)];
  if (found.type !== "object") return found.default !== undefined ? found.default : found.type === "string" ? "" : found.minimum || 0;
  return Object.fromEntries((found.required || []).map((name) => [name, sample(found.properties[name])]));
}

// JSON with line breaks, every token as it came.
function spread(text) {
  let out = "", depth = 0;
  for (const [token] of text.matchAll(/"(?:\\.|[^"\\])*"|[{}[\],:]|[^\s{}[\],:"]+/g)) {
    if (token === "}" || token === "]") depth -= 1;
    if ((token === "}" || token === "]") && !/[{[]$/.test(out)) out += "\n" + "  ".repeat(depth);
    if (/[{[,]$/.test(out) && token !== "}" && token !== "]") out += "\n" + "  ".repeat(depth);
    out += token === ":" ? ": " : token;
    if (token === "{" || token === "[") depth += 1;
  }
  return out;
}

function quoted(text) {
  return `'${text.replace(/'/g, `'\\''`)}'`;
}

function curlLine(request) {
  const parts = ["curl -sS"];
  if (request.method !== "GET") parts.push(`-X ${request.method}`);
  if (document.getElementById("token").value) parts.push(`-H "Authorization: Bearer $TASKQ_TOKEN"`);
  for (const [name, value] of Object.entries(request.headers)) parts.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (request.body !== undefined) parts.push(`--data-raw ${quoted(request.body)}`);
  return [...parts, quoted(request.url)].join(" ");
}

function parameterField(parameter, changed) {
  const schema = parameter.schema, id = `field-${serial += 1}`;
  const given = parameter.required && parameter.example !== undefined ? String(parameter.example) : "";
  const input = schema.enum
    ? make("select", { id }, make("option", { value: "" }, "—"), ...schema.enum.map((word) => make("option", { value: word }, word)))
    : make("input", { id, type: "text", autocomplete: "off", spellcheck: "false", "aria-describedby": `${id}-hint`, required: Boolean(parameter.required),
      placeholder: parameter.required || parameter.example === undefined ? undefined : `such as ${parameter.example}` });
  input.value = given;
  input.addEventListener("input", changed);
  const hint = make("span", { class: "hint", id: `${id}-hint` }, ...words(parameter.description || ""), limits(schema) ? ` (${limits(schema)})` : "");
  const label = make("label", { for: id }, make("code", {}, parameter.name), parameter.required ? make("span", { class: "required" }, " required") : "",
    parameter.in === "header" ? make("span", { class: "hint" }, " header") : "");
  return { parameter, input, row: make("div", { class: "field" }, label, input, hint) };
}

function bodyField(schema, changed) {
  const id = `body-${serial += 1}`;
  const input = make("textarea", { id, spellcheck: "false", "aria-describedby": `${id}-hint` });
  input.value = JSON.stringify(sample(schema), null, 2);
  input.addEventListener("input", changed);
  return { input, row: make("div", {}, make("label", { for: id }, "Body"), " ", make("span", { class: "hint", id: `${id}-hint` }, "JSON"), input) };
}

async function send(request, answer, button) {
  const headers = { ...request.headers };
  const token = document.getElementById("token").value;
  if (token) headers.Authorization = `Bearer ${token}`;
  button.disabled = true;
  answer.replaceChildren(make("p", {}, "Sent, waiting for the answer…"));
  const began = performance.now();
  try {
    const response = await fetch(request.url, { method: request.method, headers, body: request.body, credentials: "omit", cache: "no-store" });
    const text = await response.text();
    const seen = ["content-type", "location", "retry-after", "x-request-id"].filter((name) => response.headers.has(name));
    const isJson = /json/.test(response.headers.get("content-type") || "");
    answer.replaceChildren(
      make("p", {}, make("strong", { class: response.ok ? "good" : "bad" }, `${response.status} ${response.statusText}`), ` in ${Math.round(performance.now() - began)} ms`),
      make("p", { class: "hint" }, seen.map((name) => `${name}: ${response.headers.get(name)}`).join(" · ")),
      text ? make("pre", { tabindex: "0", "aria-label": "Answer's body" }, isJson ? spread(text) : text) : make("p", {}, "No body."));
  } catch (error) {
    answer.replaceChildren(make("p", { class: "bad" }, `No answer: ${error.message}`));
  } finally {
    button.disabled = false;
  }
}

async function copy(line, button) {
  try {
    await navigator.clipboard.writeText(line.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(line); // there is no clipboard on a plain http page elsewhere: it is marked, ready to be copied
    button.textContent = "Marked";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

function tryForm(method, path, parameters, operation) {
  const line = make("pre", { class: "curl", tabindex: "0", "aria-label": "The same with curl" });
  const answer = make("div", { class: "answer", role: "status", "aria-live": "polite" });
  const show = () => { line.textContent = curlLine(request()); };
  const fields = parameters.map((parameter) => parameterField(parameter, show));
  const content = operation.requestBody && operation.requestBody.content["application/json"];
  const body = content && bodyField(content.schema, show);
  const button = make("button", { class: "send", type: "submit" }, "Send");

  function request() {
    let target = path;
    const query = new URLSearchParams(), headers = {};
    for (const { parameter, input } of fields) {
      if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      else if (input.value !== "" && parameter.in === "query") query.append(parameter.name, input.value);
      else if (input.value !== "") headers[parameter.name] = input.value;
    }
    const url = new URL(target.slice(1), BASE).href + (query.size ? `?${query}` : "");
    if (!body || body.input.value.trim() === "") return { method: method.toUpperCase(), url, headers };
    headers["Content-Type"] = "application/json";
    return { method: method.toUpperCase(), url, headers, body: body.input.value };
  }

  document.getElementById("token").addEventListener("input", show);
  show();
  const copyButton = make("button", { type: "button", onclick: () => copy(line, copyButton) }, "Copy");
  return make("form", { novalidate: true, onsubmit: (event) => { event.preventDefault(); send(request(), answer, button); } },
    ...fields.map((field) => field.row), body && body.row, make("div", { class: "actions" }, button, copyButton), line, answer);
}

function answersTable(operation) {
  const rows = Object.entries(operation.responses).map(([status, reference]) => {
    const answer = resolve(reference), contents = Object.values(answer.content || {});
    const inner = contents.map((content) => content.schema && content.schema.$ref).filter(Boolean);
    return make("tr", {}, make("th", { scope: "row" }, status), make("td", {}, ...words(answer.description), ...inner.map(nested)));
  });
  return make("details", {}, make("summary", {}, "Answers"), make("table", {}, make("caption", {}, "Answers"),
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Status"), make("th", { scope: "col" }, "Meaning"))), make("tbody", {}, ...rows)));
}

function operationSection(method, path, item) {
  const operation = item[method], id = operation.operationId;
  const parameters = [...(item.parameters || []), ...(operation.parameters || [])].map(resolve);
  const content = operation.requestBody && operation.requestBody.content["application/json"];
  const trial = make("details", {}, make("summary", {}, "Try it"));
  trial.addEventListener("toggle", () => {
    if (trial.open && trial.children.length === 1) trial.append(tryForm(method, path, parameters, operation));
  });
  return make("section", { class: "operation", id, "aria-labelledby": `${id}-title` },
    make("h3", { id: `${id}-title` }, make("span", { class: "method" }, method.toUpperCase()), " ", make("span", { class: "path" }, path),
      make("span", { class: "role" }, `for ${operation["x-taskq-role"]}`)),
    make("p", {}, make("strong", {}, operation.summary), ". ", ...words(operation.description)),
    content && make("details", {}, make("summary", {}, "Body"), make("p", {}, ...words(resolve(content.schema).description || "")),
      fieldsTable(resolve(content.schema), `Fields of ${typeName(content.schema)}`)),
    answersTable(operation), trial);
}

function build() {
  const main = document.getElementById("main"), index = document.getElementById("index");
  document.getElementById("version").textContent = description.info.version;
  main.replaceChildren(...description.info.description.split("\n\n").map((paragraph) => make("p", {}, ...words(paragraph))),
    make("p", {}, make("a", { href: "openapi.json" }, "openapi.json")));
  for (const tag of description.tags) {
    const list = make("ul");
    main.append(make("h2", {}, tag.name), make("p", {}, tag.description));
    for (const [path, item] of Object.entries(description.paths)) {
      for (const method of METHODS.filter((name) => item[name] && item[name].tags.includes(tag.name))) {
        main.append(operationSection(method, path, item));
        list.append(make("li", {}, make("a", { href: `#${item[method].operationId}` }, item[method].summary)));
      }
    }
    index.append(make("div", {}, make("h2", {}, tag.name), list));
  }
}

function filter() {
  const wanted = document.getElementById("filter").value.toLowerCase();
  let shown = 0;
  for (const link of document.querySelectorAll("#index a")) {
    const section = document.getElementById(link.getAttribute("href").slice(1));
    const fits = section.querySelector("h3").textContent.toLowerCase().includes(wanted) || link.textContent.toLowerCase().includes(wanted);
    section.hidden = !fits;
    link.parentElement.hidden = !fits;
    shown += fits;
  }
  document.getElementById("count").textContent = `${shown} operations`;
}

async function begin() {
  document.getElementById("settings").addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("filter").addEventListener("input", filter);
  try {
    const response = await fetch("openapi.json", { credentials: "omit" });
    if (!response.ok) throw new Error(`${response.status}`);
    description = await response.json();
  } catch (error) {
    document.getElementById("state").textContent = `The description cannot be read: ${error.message}`;
    return;
  }
  build();
  filter();
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

begin();
